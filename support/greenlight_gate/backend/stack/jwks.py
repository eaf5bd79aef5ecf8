"""Verifies tokens that another service signs, with its public keys (RFC 7517)."""

import logging
import time
from typing import Any

import httpx2
import jwt
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from greenlight_gate.backend.settings import Settings
from greenlight_gate.backend.store import Store
from greenlight_gate.backend.tokens import Tokens

_log = logging.getLogger(__name__)
_PATIENCE_S = 10.0
_NOT_AGAIN_WITHIN_S = 1.0
_ANSWER_S = 2.0


class JwksTokens(Tokens):
    """Verifies tokens with the keys that the auth service publishes.

    The keys are cached: tokens are accepted also while the auth service is down. A token with an unknown key causes a
    new fetch, at most once a second.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        super().__init__(settings, store)
        self._url = f"{settings.auth_url}/.well-known/jwks.json"
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked_at_s = float("-inf")

    def issue(self, user_id: str) -> str:
        """Raise NotImplementedError: only the auth service has the private key."""
        raise NotImplementedError(f"tokens for {user_id} come from {self._settings.auth_url}")

    async def learn_keys(self, token: str) -> None:
        """Fetch the keys, at the start or when the token's is not known. Raises httpx2.HTTPError at the start only."""
        if not self._keys:
            retrying = AsyncRetrying(
                retry=retry_if_exception_type(httpx2.HTTPError),
                stop=stop_after_delay(_PATIENCE_S),
                wait=wait_exponential(multiplier=0.05, max=0.5),
                reraise=True,
            )
            await retrying(self._fetch)
        elif _kid(token) not in self._keys and time.monotonic() - self._asked_at_s > _NOT_AGAIN_WITHIN_S:
            try:
                await self._fetch()
            except httpx2.HTTPError as error:
                _log.warning("%s: %s", self._url, error)

    def _key_of(self, token: str) -> tuple[Any, str]:
        kid = _kid(token)
        # If there is one key, a token need not name it.
        only = next(iter(self._keys.values())) if len(self._keys) == 1 and not kid else None
        key = self._keys.get(kid, only)
        if key is None:
            raise jwt.InvalidTokenError("signed with an unknown key")
        # The algorithm is that of the key, not the one that the token names (RFC 8725, section 3.1).
        return key.key, key.algorithm_name

    async def _fetch(self) -> None:
        self._asked_at_s = time.monotonic()
        async with httpx2.AsyncClient(timeout=_ANSWER_S, trust_env=False) as client:
            answer = await client.get(self._url)
        answer.raise_for_status()
        self._keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(answer.json()).keys if key.key_id}


def _kid(token: str) -> str:
    try:
        return str(jwt.get_unverified_header(token).get("kid", ""))
    except (jwt.InvalidTokenError, RecursionError, ValueError):
        return ""
