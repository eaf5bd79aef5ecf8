"""Keeps secrets out of everything that is written down."""

import base64
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

# Whatever is shorter occurs in ordinary words: to replace it would spoil the evidence and protect nobody.
SHORTEST_SECRET = 8
_PERCENT = re.compile("%[0-9A-F]{2}")
_URL_SAFE = str.maketrans("+/", "-_")


class Redactor:
    """Replaces each known secret by `[token of NAME]`, in each of the forms in which it travels."""

    def __init__(self) -> None:
        self._texts: list[tuple[str, str]] = []
        self._bytes: list[tuple[bytes, bytes]] = []
        self._known: set[str] = set()
        self._is_sorted = True

    def learn(self, secret: str, owner: str) -> None:
        """From now on `secret` is shown as its owner's token. What has fewer than 8 characters is not looked for."""
        if len(secret) < SHORTEST_SECRET or secret in self._known:
            return
        self._known.add(secret)
        marker = f"[token of {owner}]"
        self._texts += [(form, marker) for form in _forms(secret)]
        self._is_sorted = False

    def _sort(self) -> None:
        """The longest first: one secret may be the beginning of another. Once for all that were learned meanwhile."""
        self._texts.sort(key=lambda pair: -len(pair[0]))
        self._bytes = [(form.encode(), marker.encode()) for form, marker in self._texts]
        self._is_sorted = True

    def redact(self, text: str) -> str:
        """The text without secrets; the very same object when there are none."""
        if not self._is_sorted:
            self._sort()
        for form, marker in self._texts:
            if form in text:
                text = text.replace(form, marker)
        return text

    def redact_bytes(self, data: bytes) -> bytes:
        """The bytes without secrets, which are looked for as UTF-8."""
        if not self._is_sorted:
            self._sort()
        for form, marker in self._bytes:
            if form in data:
                data = data.replace(form, marker)
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
