"""The routes: health, sign-in, sign-out, metrics and the WebSocket."""

import hmac
import json
import time
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from support.backend import vitals
from support.backend.connection import Connection
from support.backend.hub import Hub
from support.backend.inbox import Inbox
from support.backend.settings import API_VERSION, SERVICE_NAME
from support.backend.tokens import Attempt, read_attempt

_MAX_BODY_BYTES = 65_536
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


def build_app(hub: Callable[[], Hub]) -> Starlette:
    """Return the application; `hub` is asked for when a request comes, since it lives in the event loop."""
    web = _Web(hub)
    return Starlette(
        routes=[
            Route("/health", web.health),
            Route("/auth/token", web.token, methods=["POST"]),
            Route("/auth/logout", web.logout, methods=["POST"]),
            Route("/metrics", web.metrics),
            WebSocketRoute("/ws", web.websocket),
        ]
    )


class _Web:
    def __init__(self, hub: Callable[[], Hub]) -> None:
        self._hub = hub

    async def health(self, request: Request) -> Response:
        del request
        ready = self._hub().ready
        body = {
            "status": "healthy" if ready else "unhealthy",
            "service": SERVICE_NAME,
            "version": API_VERSION,
            "timestamp": time.time(),
        }
        return JSONResponse(body, 200 if ready else 503)

    async def token(self, request: Request) -> Response:
        credentials = await _credentials(request)
        if isinstance(credentials, Response):
            return credentials
        hub, (name, password) = self._hub(), credentials
        expected = hub.settings.users.get(name)
        # An unknown name costs the same comparison, so that the time tells nothing.
        matches = hmac.compare_digest((expected or "").encode(), password.encode())
        if expected is None or not matches:
            return _problem(401, "wrong name or password")
        body = {
            "access_token": hub.tokens.issue(name),
            "token_type": "bearer",
            "expires_in": hub.settings.token_ttl_s,
        }
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    async def logout(self, request: Request) -> Response:
        hub = self._hub()
        attempt = read_attempt(request.headers.get("authorization", ""), (), (), "")
        identity = hub.tokens.identify(attempt.token)
        if identity is None:
            return _problem(401, "a valid token is needed")
        if identity.token_id:
            hub.store.revoke(identity.token_id, identity.expires_at)
            hub.expire_token(identity.token_id)
        return Response(status_code=204)

    async def metrics(self, request: Request) -> Response:
        del request
        hub = self._hub()
        values = {
            **vitals.process_vitals(),
            "chat_connections_open": float(len(hub.connections)),
            "chat_runs_open": float(hub.runs.open_count),
        }
        lines = [f"# TYPE {name} gauge\n{name} {value:.0f}\n" for name, value in hub.chain.metrics(hub, values).items()]
        return PlainTextResponse("".join(lines), media_type="text/plain; version=0.0.4")

    async def websocket(self, websocket: WebSocket) -> None:
        hub = self._hub()
        attempt = _attempt(websocket)
        status = await hub.chain.handshake(hub, attempt)
        judged = None if attempt.source in {"", "query"} else hub.tokens.identify(attempt.token)
        identity = hub.chain.credentials(hub, attempt, judged)
        try:
            if status is not None:
                await websocket.send_denial_response(_problem(status, "not now"))
            elif identity is None:
                await websocket.send_denial_response(_problem(401, _why_refused(attempt)))
            else:
                await websocket.accept(attempt.subprotocol)
                hub.store.remember_user(identity.user_id)
                await _converse(
                    websocket, Connection(hub, websocket.scope["state"]["protocol"], identity, attempt.token)
                )
        except WebSocketDisconnect:
            # The client left before it had an answer; there is nobody to tell.
            return


async def _converse(websocket: WebSocket, connection: Connection) -> None:
    hub, inbox = connection.hub, Inbox(connection)
    hub.connections[connection.connection_id] = connection
    in_order = False
    try:
        connection.open()
        await hub.chain.accepted(connection)
        # Always receiving: uvicorn reads nothing more, pings and closes included, until a message is taken.
        while (message := await websocket.receive())["type"] == "websocket.receive":
            await inbox.take(message["text"])
        in_order = True
    finally:
        if not in_order:
            connection.protocol.fail(1011, "something went wrong on the server")
        del hub.connections[connection.connection_id]
        connection.detach()


def _attempt(websocket: WebSocket) -> Attempt:
    client = websocket.client.host if websocket.client else ""
    return read_attempt(
        websocket.headers.get("authorization", ""),
        websocket.scope["subprotocols"],
        websocket.query_params.multi_items(),
        client,
    )


def _why_refused(attempt: Attempt) -> str:
    if attempt.source == "query":
        return "a token in the address is refused: send it in the Authorization header or as a subprotocol"
    return "the token is not valid" if attempt.source else "a token is needed"


def _problem(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status, headers=_CHALLENGE if status == 401 else None)


async def _credentials(request: Request) -> tuple[str, str] | Response:
    body = await _bounded_body(request)
    if body is None:
        return _problem(413, f"at most {_MAX_BODY_BYTES} bytes are read")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    read = _READERS.get(media_type)
    if read is None:
        return _problem(415, f"send one of {', '.join(_READERS)}")
    name, password = await read(request, body)
    if not (isinstance(name, str) and isinstance(password, str) and name and password):
        return _problem(400, "username and password are needed")
    return name, password


async def _bounded_body(request: Request) -> bytes | None:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            return None
    return body


async def _read_json(request: Request, body: bytes) -> tuple[object, object]:
    del request
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        return None, None
    return (values.get("username"), values.get("password")) if isinstance(values, dict) else (None, None)


async def _read_form(request: Request, body: bytes) -> tuple[object, object]:
    async def replay() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    form = await Request(request.scope, replay).form(max_files=0)
    return form.get("username"), form.get("password")


_READERS: dict[str, Callable[[Request, bytes], Awaitable[tuple[object, object]]]] = {
    "application/x-www-form-urlencoded": _read_form,
    "multipart/form-data": _read_form,
    "application/json": _read_json,
}
