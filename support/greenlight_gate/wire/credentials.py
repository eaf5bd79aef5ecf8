"""The credentials in recorded traffic: found in urls, headers, cookies and frames, to be replaced wherever they are."""

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote, urlsplit

# Names whose values are credentials, wherever they stand.
_ALWAYS = (
    r"access[_-]?token|refresh[_-]?token|id[_-]?token|auth[_-]?token|session[_-]?token|csrf[_-]?token|xsrf[_-]?token"
    r"|bearer|jwt|api[_-]?key|apikey|x-api-key|authorization|password|passwd|pwd|secret|client[_-]?secret|private[_-]?key"
    r"|ticket|signature|credentials?"
)
# A client that sends a token signs in; a server that sends one may be streaming the words of an answer.
_SENT = rf"{_ALWAYS}|token|auth|key|code|sig"
_SECRET_HEADERS = re.compile(rf"(?i)({_SENT}|.*(token|secret|api-?key|authorization|password|session).*)")
_COOKIES = re.compile(r"(?i)(set-)?cookie2?")
_ATTRIBUTES = frozenset({"path", "domain", "expires", "max-age", "samesite", "secure", "httponly", "priority"})
# What may repeat is bounded, and a token begins where no other character of one stands: frames may be hostile.
_JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{5,}")
_BEARER = re.compile(r"(?i)\bbearer[ +]([A-Za-z0-9._~+/=-]{8,})")
_UUID = re.compile(r"(?i)[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
# A member of JSON, also of JSON inside a text, whose quotes are escaped.
_MEMBER = r'(?i)(\\{0,7}"(?:%s)\\{0,7}"\s{0,9}:\s{0,9}\\{0,7}")((?:[^"\\]|\\(?!\\{0,7}"))+)'
_MEMBERS_SENT = re.compile(_MEMBER % _SENT)
_MEMBERS = re.compile(_MEMBER % _ALWAYS)
_MEMBERS_LIKELY = re.compile(_MEMBER % "token|auth|key|sig")
_SHORTEST_OPAQUE = 20


class Credentials:
    """What was found; `found` names each value by where it was: {value: "cookie sid", "cookie sid 2", ...}."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._names: Counter[str] = Counter()

    def _learn(self, value: str, name: str) -> None:
        if value and value not in self.found and not value.startswith("[token of "):
            self._names[name] += 1
            self.found[value] = name if self._names[name] == 1 else f"{name} {self._names[name]}"

    def url(self, url: str) -> None:
        """Learns the user and password, the secret values of the query, and what looks like a token in the path."""
        try:
            parts = urlsplit(url)
            password = parts.password or ""
        except ValueError:
            self._tokens(url, "url")
            return
        self._learn(unquote(password), "url")
        for name, value in parse_qsl(parts.query) + parse_qsl(parts.fragment):
            if re.fullmatch(_SENT, name, re.IGNORECASE) or looks_opaque(value):
                self._learn(value, _printable(name))
        for segment in parts.path.split("/"):
            if looks_opaque(unquote(segment)):
                self._learn(unquote(segment), "path")

    def headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """Learns what the headers of a request or response hold."""
        for name, value in headers:
            if _COOKIES.fullmatch(name):
                pairs = (part.strip().partition("=") for part in re.split("[;\n]", value))
                self.cookies((key, item) for key, _, item in pairs)
            elif name.lower() == "sec-websocket-protocol":
                for part in value.split(","):
                    if looks_opaque(part.strip()) and not part.strip().endswith((".org", ".com", ".io")):
                        self._learn(part.strip(), "subprotocol")
            elif _SECRET_HEADERS.fullmatch(name) and not name.lower().startswith("sec-websocket"):
                self._authorization(value, _printable(name.lower()))
            self._tokens(value, _printable(name.lower()))

    def cookies(self, cookies: Iterable[tuple[str, str]]) -> None:
        """Learns each value: a name does not say whether a cookie is a credential."""
        for name, value in cookies:
            if name.lower() not in _ATTRIBUTES:
                self._learn(value.strip().strip('"'), f"cookie {_printable(name)}")
                self._learn(unquote(value.strip().strip('"')), f"cookie {_printable(name)}")

    def frame(self, text: str, *, sent: bool) -> None:
        """Learns the tokens in a frame, by their form and by the names of JSON members."""
        for name, value in _named(text, sent=sent):
            self._learn(value, name)
        self._tokens(text, "frame")

    def without_named(self, text: str, *, sent: bool) -> str:
        """The frame with its named credentials replaced, also those that are too short to be looked for elsewhere."""
        for name, value in _named(text, sent=sent):
            marker = f"[token of {self.found.get(value, name)}]"
            member = re.compile(_MEMBER % re.escape(name))
            text = member.sub(lambda m, value=value, marker=marker: m[1] + (marker if m[2] == value else m[2]), text)  # type: ignore[misc]
        return text

    def _tokens(self, text: str, name: str) -> None:
        for match in _JWT.finditer(text):
            self._learn(match[0], name)
        for match in _BEARER.finditer(text):
            self._learn(match[1], name)

    def _authorization(self, value: str, name: str) -> None:
        scheme, _, rest = value.strip().partition(" ")
        self._learn(rest.strip() or scheme, name)
        if scheme.lower() == "basic":
            try:
                user_and_password = base64.b64decode(rest, validate=True).decode()
            except (binascii.Error, ValueError):
                return
            self._learn(user_and_password.partition(":")[2], name)


def _named(text: str, *, sent: bool) -> list[tuple[str, str]]:
    """(name, value) of the JSON members that hold credentials."""
    if '"' not in text:
        return []
    found = [
        (match[1].strip('\\": \t\r\n'), match[2]) for match in (_MEMBERS_SENT if sent else _MEMBERS).finditer(text)
    ]
    if not sent:
        likely = ((match[1].strip('\\": \t\r\n'), match[2]) for match in _MEMBERS_LIKELY.finditer(text))
        found += [(name, value) for name, value in likely if looks_opaque(value)]
    return [(name, value) for name, value in found if not value.startswith("[token of ")]


def looks_opaque(value: str) -> bool:
    """Whether a text is made as tokens are: long, without spaces, letters and digits mixed, and no UUID."""
    if _JWT.search(value):
        return True
    return (
        len(value) >= _SHORTEST_OPAQUE
        and not re.search(r"\s", value)
        and re.search("[0-9]", value) is not None
        and re.search("[A-Za-z]", value) is not None
        and _UUID.fullmatch(value) is None
    )


def _printable(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:40]
