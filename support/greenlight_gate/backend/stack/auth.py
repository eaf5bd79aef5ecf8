"""The auth service: `python -m greenlight_gate.backend.stack.auth --port 8081`.

`POST /auth/token` and `/auth/logout` as the embedded backend has them, `GET /.well-known/jwks.json` with the public
key (RFC 7517), `GET /health`. Tokens are signed with Ed25519 (RFC 8037). The key is made at the start, or read as PEM
from `CHAT_AUTH_KEY`, so that tokens stay valid after a restart.
"""

import argparse
import contextlib
import hashlib
import json
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from greenlight_gate.backend.credentials import knows, problem, read_credentials
from greenlight_gate.backend.settings import API_VERSION, AUDIENCE, Settings, SettingsError, settings_from
from greenlight_gate.backend.stack.sql_store import SqlStore
from greenlight_gate.backend.tokens import read_attempt

_MISCONFIGURED = 3
_ALGORITHM = "EdDSA"


class AuthService:
    """Checks the names and passwords of `CHAT_USERS`, and issues and revokes tokens."""

    def __init__(self, settings: Settings, key: Ed25519PrivateKey) -> None:
        self._settings = settings
        self._key = key
        self._public: dict[str, Any] = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
        self._kid = key_id(key)
        self._store = SqlStore(settings.database_url)
        self._redis = Redis.from_url(settings.redis_url, socket_timeout=2, socket_connect_timeout=2)

    def app(self) -> Starlette:
        """Return the application."""
        return Starlette(
            routes=[
                Route("/health", self.health),
                Route("/.well-known/jwks.json", self.keys),
                Route("/auth/token", self.token, methods=["POST"]),
                Route("/auth/logout", self.logout, methods=["POST"]),
            ],
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        del app
        await self._store.open()
        yield
        await self._store.close()
        await self._redis.aclose()

    async def health(self, request: Request) -> Response:
        """Return the health."""
        del request
        body = {"status": "healthy", "service": "reference-auth", "version": API_VERSION, "timestamp": time.time()}
        return JSONResponse(body)

    async def keys(self, request: Request) -> Response:
        """Return the public key."""
        del request
        return JSONResponse({"keys": [{**self._public, "kid": self._kid, "use": "sig", "alg": _ALGORITHM}]})

    async def token(self, request: Request) -> Response:
        """Return a token for a name and a password."""
        credentials = await read_credentials(request)
        if isinstance(credentials, Response):
            return credentials
        name, password = credentials
        if not knows(self._settings.users, name, password):
            return problem(401, "wrong name or password")
        now, ttl_s = int(time.time()), self._settings.token_ttl_s
        claims = {"sub": name, "aud": AUDIENCE, "iat": now, "exp": now + ttl_s, "jti": uuid.uuid4().hex}
        token = jwt.encode(claims, self._key, algorithm=_ALGORITHM, headers={"kid": self._kid})
        body = {"access_token": token, "token_type": "bearer", "expires_in": ttl_s}
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    async def logout(self, request: Request) -> Response:
        """Revoke a token, and have its connections closed."""
        token = read_attempt(request.headers.get("authorization", ""), (), (), "").token
        try:
            claims = jwt.decode(token, self._key.public_key(), algorithms=[_ALGORITHM], audience=AUDIENCE)
        except (jwt.InvalidTokenError, RecursionError, ValueError):
            return problem(401, "a valid token is needed")
        if token_id := str(claims.get("jti", "")):
            await self._store.revoke(token_id, float(claims["exp"]))
            with contextlib.suppress(RedisError, OSError):
                # Without Redis the token is still refused; only open connections stay until it expires.
                message = {"origin": "auth", "what": "signed out", "about": token_id}
                await self._redis.publish("chat:control", json.dumps(message))
        return Response(status_code=204)


def key_id(key: Ed25519PrivateKey) -> str:
    """Return an id that is derived from the key."""
    return hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]


def _settings() -> Settings:
    settings = settings_from(os.environ)
    if not (settings.database_url and settings.redis_url and settings.users):
        raise SettingsError("CHAT_DATABASE_URL, CHAT_REDIS_URL and CHAT_USERS are needed")
    return settings


def _key(pem: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), None) if pem else Ed25519PrivateKey.generate()
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        # Its content is not printed.
        raise SettingsError("CHAT_AUTH_KEY must be an Ed25519 private key as PEM")
    return key


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit code, 3 for settings that cannot be used."""
    parser = argparse.ArgumentParser(
        prog="greenlight_gate.backend.stack.auth", description="Serve sign-in and sign-out."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    options = parser.parse_args()
    try:
        settings, key = _settings(), _key(os.environ.get("CHAT_AUTH_KEY", ""))
    except SettingsError as error:
        sys.stderr.write(f"greenlight_gate.backend.stack.auth: {error}\n")
        return _MISCONFIGURED
    app = AuthService(settings, key).app()
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning", access_log=False, server_header=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
