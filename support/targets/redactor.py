"""Keeps secrets out of everything that is written down."""

import base64
import json
from urllib.parse import quote, quote_plus

# Whatever is shorter occurs in ordinary words: to replace it would spoil the evidence and protect nobody.
SHORTEST_SECRET = 8


class Redactor:
    """Replaces each known secret by `[token of NAME]`, in each of the forms in which it travels."""

    def __init__(self) -> None:
        self._texts: list[tuple[str, str]] = []
        self._bytes: list[tuple[bytes, bytes]] = []
        self._known: set[str] = set()

    def learn(self, secret: str, owner: str) -> None:
        """From now on `secret` is shown as its owner's token. What has fewer than 8 characters is not looked for."""
        if len(secret) < SHORTEST_SECRET or secret in self._known:
            return
        self._known.add(secret)
        marker = f"[token of {owner}]"
        self._texts += [(form, marker) for form in _forms(secret)]
        # The longest first: one secret may be the beginning of another.
        self._texts.sort(key=lambda pair: -len(pair[0]))
        self._bytes = [(form.encode(), marker.encode()) for form, marker in self._texts]

    def redact(self, text: str) -> str:
        """The text without secrets; the very same object when there are none."""
        for form, marker in self._texts:
            if form in text:
                text = text.replace(form, marker)
        return text

    def redact_bytes(self, data: bytes) -> bytes:
        """The bytes without secrets, which are looked for as UTF-8."""
        for form, marker in self._bytes:
            if form in data:
                data = data.replace(form, marker)
        return data


def _forms(secret: str) -> set[str]:
    raw = secret.encode()
    forms = {
        secret,
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        base64.b64encode(raw).decode().rstrip("="),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
    }
    head, _, signature = secret.rpartition(".")
    if head.count(".") == 1 and len(signature) >= SHORTEST_SECRET:
        # The signature is what makes a JWT a credential, also where the rest was cut off.
        forms.add(signature)
    return forms
