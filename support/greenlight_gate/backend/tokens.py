"""Tokens: issued, read from an upgrade, and verified."""

import base64
import binascii
import re
import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.types import Options

from greenlight_gate.backend.settings import AUDIENCE, Settings
from greenlight_gate.backend.store import Store

SUBPROTOCOL = "jwt-auth"
_SUBPROTOCOL_TOKEN = "jwt."  # noqa: S105 - a prefix, not a secret
_QUERY_NAMES = frozenset({"token", "access_token", "jwt", "auth", "authorization", "bearer"})
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Identity:
    """The user of a token, and its expiry (epoch seconds)."""

    user_id: str
    token_id: str
    expires_at: float


@dataclass(frozen=True)
class Attempt:
    """The token of an upgrade request, and where it was ("header", "subprotocol", "query" or "").

    `name`: of its item in the query. `path`: of the request; `resumes`: it has a Last-Event-ID.
    """

    token: str
    source: str
    subprotocol: str | None
    client: str
    name: str = ""
    path: str = ""
    resumes: bool = False


def read_attempt(
    authorization: str, subprotocols: Sequence[str], query_items: Sequence[tuple[str, str]], client: str
) -> Attempt:
    """Find the token in an upgrade request.

    A token in the query string is reported even if there is another: URLs appear in logs, so a client must learn that
    such a token is refused.
    """
    subprotocol = SUBPROTOCOL if SUBPROTOCOL in subprotocols else None
    for name, value in query_items:
        if name.lower() in _QUERY_NAMES:
            return Attempt(value, "query", subprotocol, client, name.lower())
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return Attempt(token.strip(), "header", subprotocol, client)
    for offered in subprotocols:
        if subprotocol and offered.startswith(_SUBPROTOCOL_TOKEN):
            return Attempt(_decoded(offered.removeprefix(_SUBPROTOCOL_TOKEN)), "subprotocol", subprotocol, client)
    return Attempt("", "", subprotocol, client)


class Tokens:
    """Issues and verifies the tokens of this backend (HS256, with a secret that only its tests share)."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store

    def issue(self, user_id: str) -> str:
        """Return a token for this user that is valid from now."""
        now = int(time.time())
        claims = {
            "sub": user_id,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + self._settings.token_ttl_s,
            "jti": uuid.uuid4().hex,
        }
        return jwt.encode(claims, self._settings.jwt_secret, algorithm="HS256")

    def identify(self, token: str, *, unchecked: Collection[str] = ()) -> Identity | None:
        """Return the user of the token, or None if it is not valid.

        `unchecked` names checks that are skipped: "signature", "exp" and "aud"; a healthy backend skips none.
        """
        # Without a signature PyJWT would skip every check that is not named.
        options: Options = {
            "require": ["sub", "aud", "exp"],
            "verify_signature": "signature" not in unchecked,
            "verify_exp": "exp" not in unchecked,
            "verify_aud": "aud" not in unchecked,
            "verify_nbf": True,
            "verify_iat": True,
        }
        try:
            key, algorithm = self._key_of(token)
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=[algorithm], audience=AUDIENCE, options=options)
            expires_at = float(claims["exp"])
        except (jwt.InvalidTokenError, RecursionError, OverflowError, TypeError, ValueError):
            return None
        user_id, token_id = claims["sub"], claims.get("jti", "")
        if not (user_id and _printable(user_id) and _printable(token_id)):
            return None
        return Identity(user_id, token_id, expires_at)

    async def learn_keys(self, token: str) -> None:
        """Fetch the key of this token, if it is unknown."""

    def _key_of(self, token: str) -> tuple[Any, str]:
        del token
        return self._settings.jwt_secret, "HS256"

    async def admitted(self, identity: Identity | None) -> Identity | None:
        """Return the identity unless its token was signed out."""
        if identity is None or (identity.token_id and await self._store.is_revoked(identity.token_id)):
            return None
        return identity


def _printable(claim: object) -> bool:
    # A lone surrogate is legal in the JSON of a token, but can be neither stored nor sent.
    return isinstance(claim, str) and not any("\ud800" <= letter <= "\udfff" for letter in claim)


def _decoded(text: str) -> str:
    if not _BASE64URL.fullmatch(text):
        return ""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return ""
