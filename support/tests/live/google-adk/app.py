"""The agents of this folder in Google ADK's app, behind a gateway that signs users in, as ADK leaves it to others.

A token is good for the user that it names, in the path, in the query or in the body, and for as long as it says.
"""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import jwt
from google.adk.cli.fast_api import get_fast_api_app

_OPEN = ("/", "/health", "/version", "/list-apps")
_POLICY_VIOLATION = 1008


class SignedIn:
    """Lets through what bears a valid token, and is about nobody but the user of the token."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan" or scope["path"] in _OPEN:
            await self.app(scope, receive, send)
            return
        try:
            claims = _claims(dict(scope["headers"]).get(b"authorization", b"").decode())
        except jwt.InvalidTokenError:
            await _refuse(scope, send, 401)
            return
        if scope["type"] == "http" and scope["path"] == "/run_sse":
            body = await _body(receive)
            receive = _again(body, receive)
            named = _user_in(body)
        else:
            parts, query = scope["path"].split("/"), parse_qs(scope["query_string"].decode())
            named = unquote(parts[4]) if parts[3:4] == ["users"] else query.get("user_id", [""])[0]
        if named not in (claims["sub"], None):
            await _refuse(scope, send, 403)
        elif scope["type"] == "websocket":
            await self._until(claims["exp"], scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _until(self, end: float, scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            async with asyncio.timeout(end - time.time()):
                await self.app(scope, receive, send)
        except TimeoutError:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": "the token has expired"})


def _claims(header: str) -> dict[str, Any]:
    kind, _, token = header.partition(" ")
    if kind != "Bearer":
        raise jwt.InvalidTokenError
    need = {"require": ["exp", "sub"]}
    return jwt.decode(token, os.environ["LIVE_SECRET"], algorithms=["HS256"], audience="live", options=need)


def _user_in(body: bytes) -> str | None:
    """The user that a request is about; None for one that names nobody, which ADK refuses by itself."""
    try:
        asked = json.loads(body)
    except ValueError:
        return None
    named = [asked[key] for key in ("userId", "user_id") if key in asked] if isinstance(asked, dict) else []
    return None if not named else str(named[0]) if len(named) == 1 else ""


async def _body(receive: Any) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes, receive: Any) -> Any:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Any:
        return messages.pop() if messages else await receive()

    return replayed


async def _refuse(scope: dict[str, Any], send: Any, status: int) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        return
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"detail": "not signed in as this user"}).encode()})


AGENTS = str(Path(__file__).with_name("agents"))
app = SignedIn(get_fast_api_app(agents_dir=AGENTS, session_service_uri="memory://", web=False))
