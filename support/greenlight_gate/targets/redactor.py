"""Keeps secrets out of everything that is written down."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

# Shorter text occurs in ordinary words: replacing it would spoil the evidence and protect nothing.
SHORTEST_SECRET = 8
# What is looked for first: tokens of one kind begin alike, and that there are none of a few beginnings is soon seen.
_BEGINNING = SHORTEST_SECRET
_CREDENTIAL = re.compile(r"token|ticket|secret|key|auth|credential|password|cookie|csrf|jwt|signature", re.IGNORECASE)
_PERCENT = re.compile("%[0-9A-F]{2}")
_URL_SAFE = str.maketrans("+/", "-_")


def proves_identity(name: str) -> bool:
    """Whether a value of this name proves who a user is, so that another user would not have it."""
    return _CREDENTIAL.search(name) is not None


class Redactor:
    """Replaces each known secret by `[token of NAME]`, in each of the forms in which it travels.

    Any thread may call it: tokens are made where steps run, and looked for where messages come in.
    """

    def __init__(self) -> None:
        self._forms: dict[bytes, bytes] = {}
        self._by_beginning: dict[bytes, list[bytes]] = {}
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def learn(self, secret: str, owner: str) -> None:
        """From now on `secret` is shown as its owner's token. What has fewer than 8 characters is not looked for."""
        if len(secret) < SHORTEST_SECRET or secret in self._known:
            return
        marker = f"[token of {owner}]".encode()
        forms = [form.encode() for form in _forms(secret)]
        with self._lock:
            self._known.add(secret)
            by_beginning = {beginning: list(known) for beginning, known in self._by_beginning.items()}
            for form in forms:
                self._forms.setdefault(form, marker)
                by_beginning.setdefault(form[:_BEGINNING], []).append(form)
            # A new table in place of the old one, which another thread may be reading.
            self._by_beginning = by_beginning

    def redact(self, text: str) -> str:
        """The text without secrets; the very same object when there are none."""
        data = text.encode(errors="surrogatepass")
        clean = self.redact_bytes(data)
        return text if clean is data else clean.decode(errors="surrogatepass")

    def redact_bytes(self, data: bytes) -> bytes:
        """The bytes without secrets, which are looked for as UTF-8; the very same object when there are none."""
        found = [form for beginning, forms in self._by_beginning.items() if beginning in data for form in forms]
        # The longest first: one secret may be the beginning of another.
        for form in sorted(found, key=len, reverse=True):
            if form in data:
                data = data.replace(form, self._forms[form])
        return data


def _inside_base64(raw: bytes) -> Iterator[str]:
    """What base64 of any text around the secret always holds, for each of the three alignments."""
    for before in range(3):
        first, end = -(-before * 4 // 3), (before + len(raw)) * 4 // 3
        packed = base64.b64encode(b"\0" * before + raw).decode()[first:end]
        yield packed
        yield packed.translate(_URL_SAFE)


def _forms(secret: str) -> set[str]:
    raw = secret.encode()
    forms = {
        secret,
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        base64.b64encode(raw).decode().rstrip("="),
        *_inside_base64(raw),
        raw.hex(),
        raw.hex().upper(),
        quote(secret, safe=""),
        quote_plus(secret),
        _PERCENT.sub(lambda match: match[0].lower(), quote(secret, safe="")),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
    }
    head, _, signature = secret.rpartition(".")
    if head.count(".") == 1 and len(signature) >= SHORTEST_SECRET:
        # The signature is what makes a JWT a credential, also where the rest was cut off.
        forms.add(signature)
    return forms
