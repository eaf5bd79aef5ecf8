"""The cookies of one user, as a browser keeps them: all requests and upgrades of that user send them back."""

import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime


class CookieJar:
    """Cookies by name. The target is one site, so that domains and paths are not told apart (RFC 6265 section 5.3)."""

    def __init__(self) -> None:
        self._cookies: dict[str, str] = {}

    def take(self, headers: Iterable[tuple[str, str]]) -> None:
        """Keeps what the `Set-Cookie` headers of a response set, and removes what they end."""
        for header, text in headers:
            pair, *attributes = text.split(";")
            name, equals, value = (part.strip() for part in pair.partition("="))
            if header.lower() != "set-cookie" or not equals or not name:
                continue
            if _is_over(attributes):
                self._cookies.pop(name, None)
            else:
                self._cookies[name] = value

    def update(self, cookies: Mapping[str, str]) -> None:
        """Keeps cookies by name."""
        self._cookies.update(cookies)

    def header(self, *more: str) -> dict[str, str]:
        """The header `Cookie`, with further pairs (`a=b; c=d`) of names that are not kept here; empty without any."""
        further = [pair.strip() for text in more for pair in text.split(";")]
        others = [pair for pair in further if pair and pair.partition("=")[0] not in self._cookies]
        pairs = "; ".join([*(f"{name}={value}" for name, value in self._cookies.items()), *others])
        return {"Cookie": pairs} if pairs else {}


def _is_over(attributes: Iterable[str]) -> bool:
    """Whether a cookie has expired as it comes, which is how it is deleted (RFC 6265 section 5.2.2: Max-Age counts)."""
    said = {}
    for attribute in attributes:
        name, _, value = attribute.partition("=")
        said[name.strip().lower()] = value.strip()
    age = said.get("max-age", "")
    if age.lstrip("-").isdigit():
        return int(age) <= 0
    try:
        return parsedate_to_datetime(said["expires"]).timestamp() <= time.time()
    except (KeyError, ValueError, OverflowError):
        return False
