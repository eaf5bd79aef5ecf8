"""The routes: health, sign-in, sign-out, metrics and the WebSocket."""

import asyncio
import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from greenlight_gate.backend import process_metrics
from greenlight_gate.backend.admin import admin_routes
from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.credentials import knows, problem, read_credentials
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.message_handler import MessageHandler
from greenlight_gate.backend.run_supervisor import LEFT
from greenlight_gate.backend.settings import API_VERSION, SERVICE_NAME
from greenlight_gate.backend.tokens import Attempt, read_attempt


def build_app(hub: Callable[[], Hub], admin_token: str = "") -> Starlette:
    """Return the application; `hub` is called for each request, since the hub belongs to the event loop."""
    web = _Web(hub)
    return Starlette(
        routes=[
            Route("/health", web.health),
            Route("/auth/token", web.token, methods=["POST"]),
            Route("/auth/logout", web.logout, methods=["POST"]),
            Route("/metrics", web.metrics),
            WebSocketRoute("/ws", web.websocket),
            *admin_routes(hub, admin_token),
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
        if self._hub().settings.auth_url:
            return problem(404, f"sign in at {self._hub().settings.auth_url}")
        credentials = await read_credentials(request)
        if isinstance(credentials, Response):
            return credentials
        hub, (name, password) = self._hub(), credentials
        if not knows(hub.settings.users, name, password):
            return problem(401, "wrong name or password")
        body = {
            "access_token": hub.tokens.issue(name),
            "token_type": "bearer",
            "expires_in": hub.settings.token_ttl_s,
        }
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    async def logout(self, request: Request) -> Response:
        hub = self._hub()
        if hub.settings.auth_url:
            return problem(404, f"sign out at {hub.settings.auth_url}")
        attempt = read_attempt(request.headers.get("authorization", ""), (), (), "")
        identity = await hub.tokens.admitted(hub.tokens.identify(attempt.token))
        if identity is None:
            return problem(401, "a valid token is needed")
        if identity.token_id:
            await hub.store.revoke(identity.token_id, identity.expires_at)
            hub.expire_token(identity.token_id)
            hub.bus.announce("signed out", identity.token_id)
        return Response(status_code=204)

    async def metrics(self, request: Request) -> Response:
        del request
        hub = self._hub()
        values = {
            **process_metrics.process_vitals(),
            "chat_connections_open": float(len(hub.connections)),
            "chat_runs_open": float(hub.runs.open_count),
        }
        lines = [f"# TYPE {name} gauge\n{name} {value:.0f}\n" for name, value in hub.chain.metrics(hub, values).items()]
        return PlainTextResponse("".join(lines), media_type="text/plain; version=0.0.4")

    async def websocket(self, websocket: WebSocket) -> None:
        hub = self._hub()
        attempt = _attempt(websocket)
        status = await hub.chain.handshake(hub, attempt)
        if hub.settings.variation.slow_handshake_s:
            await asyncio.sleep(hub.settings.variation.slow_handshake_s)
        await hub.tokens.learn_keys(attempt.token)
        judged = None if attempt.source in {"", "query"} else hub.tokens.identify(attempt.token)
        identity = await hub.tokens.admitted(hub.chain.credentials(hub, attempt, judged))
        try:
            if status is not None:
                await websocket.send_denial_response(problem(status, "not now"))
            elif identity is None:
                await websocket.send_denial_response(problem(401, _why_refused(attempt)))
            else:
                await websocket.accept(hub.chain.subprotocol(attempt.subprotocol))
                await hub.store.remember_user(identity.user_id)
                protocol = websocket.scope["state"]["protocol"]
                await _converse(hub, websocket, ServedConnection(hub, protocol, identity, attempt.token))
        except WebSocketDisconnect:
            # The client disconnected before the response.
            return


async def _converse(hub: Hub, websocket: WebSocket, connection: ServedConnection) -> None:
    handler = MessageHandler(hub, connection)
    hub.connections[connection.connection_id] = connection
    in_order = False
    try:
        connection.open()
        await hub.chain.accepted(connection)
        # Always receiving: uvicorn reads nothing more, pings and closes included, until a message is consumed.
        while (message := await websocket.receive())["type"] == "websocket.receive":
            await handler.take(message["text"])
        in_order = True
    finally:
        if not in_order:
            connection.protocol.fail(1011, "something went wrong on the server")
        del hub.connections[connection.connection_id]
        connection.detach()
        if hub.settings.runs_end_with_connection:
            await hub.runs.stop_all_of(connection, LEFT)


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
