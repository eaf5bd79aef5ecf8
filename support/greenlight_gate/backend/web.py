"""The routes: health, sign-in, sign-out, metrics, the WebSocket, and the same chat by HTTP: streams, or a channel."""

import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from greenlight_gate.backend import process_metrics
from greenlight_gate.backend.admin import admin_routes
from greenlight_gate.backend.admission import admit, attempt_of, signed_in, why_refused
from greenlight_gate.backend.channel import ChannelConnection, ChannelResponse, MessageResponse
from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.credentials import knows, problem, read_credentials
from greenlight_gate.backend.frames import encode
from greenlight_gate.backend.http_stream import (
    EventStreamResponse,
    StreamConnection,
    as_message,
    read_text,
    with_key,
)
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.message_handler import MessageHandler
from greenlight_gate.backend.run_supervisor import LEFT
from greenlight_gate.backend.settings import API_VERSION, SERVICE_NAME
from greenlight_gate.backend.stream_writer import StreamWriter
from greenlight_gate.backend.tokens import read_attempt


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
            Route("/session", web.session),
            Route("/chat", web.chat, methods=["POST"]),
            Route("/threads/{thread_id}/events", web.thread_events),
            Route("/runs/{run_id}/stop", web.stop, methods=["POST"]),
            Route("/requests/{request_id}/stop", web.stop, methods=["POST"]),
            Route("/runs/{run_id}/input", web.answer_input, methods=["POST"]),
            Route("/events", web.events),
            Route("/connections/{connection_id}/messages", web.message, methods=["POST"]),
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
        attempt = attempt_of(websocket, websocket.scope["subprotocols"])
        status, identity = await admit(hub, attempt)
        try:
            if status is not None:
                await websocket.send_denial_response(problem(status, "not now"))
            elif identity is None:
                await websocket.send_denial_response(problem(401, why_refused(attempt)))
            else:
                await websocket.accept(hub.chain.subprotocol(attempt.subprotocol))
                await hub.store.remember_user(identity.user_id)
                protocol = websocket.scope["state"]["protocol"]
                await _converse(hub, websocket, ServedConnection(hub, protocol, identity, attempt.token))
        except WebSocketDisconnect:
            # The client disconnected before the response.
            return

    async def session(self, request: Request) -> Response:
        connection = await self._stream_of(request)
        if isinstance(connection, Response):
            return connection
        return Response(encode(connection.greeting()), media_type="application/json")

    async def chat(self, request: Request) -> Response:
        connection = await self._stream_of(request)
        if isinstance(connection, Response):
            return connection
        text = await self._body(request, connection)
        if isinstance(text, Response):
            return text
        text = with_key(text, request.headers.get("idempotency-key"))
        return EventStreamResponse(self._hub(), connection, text, streams=True)

    async def _body(self, request: Request, connection: StreamConnection) -> str | Response:
        """The body of a request as text, or the refusal."""
        try:
            text = await read_text(request, self._hub().settings.max_message_bytes)
        except UnicodeDecodeError:
            connection.refuse("BAD_JSON", "a message is UTF-8")
            return JSONResponse(connection.writer.error, 400)
        if text is None:
            # A connection that nothing is read from any more cannot be used again.
            connection.too_large()
            return JSONResponse(connection.writer.error, 413, headers={"Connection": "close"})
        return text

    async def thread_events(self, request: Request) -> Response:
        connection = await self._stream_of(request)
        if isinstance(connection, Response):
            return connection
        connection.restores = request.path_params["thread_id"]
        last_id = request.headers.get("last-event-id", "0")
        last_seq = int(last_id) if last_id.isascii() and last_id.isdigit() else last_id
        message = as_message(type="session_restore", thread_id=connection.restores, last_seq=last_seq)
        return EventStreamResponse(self._hub(), connection, message, streams=True)

    async def stop(self, request: Request) -> Response:
        connection = await self._stream_of(request)
        if isinstance(connection, Response):
            return connection
        message = as_message(type="stop_agent", **request.path_params)
        return EventStreamResponse(self._hub(), connection, message, streams=False)

    async def answer_input(self, request: Request) -> Response:
        connection = await self._stream_of(request)
        if isinstance(connection, Response):
            return connection
        text = await self._body(request, connection)
        if isinstance(text, Response):
            return text
        message = as_message(text, type="input_response", run_id=request.path_params["run_id"])
        return EventStreamResponse(self._hub(), connection, message, streams=False)

    async def events(self, request: Request) -> Response:
        hub = self._hub()
        user = await signed_in(hub, request)
        if isinstance(user, Response):
            return user
        channel = ChannelConnection(hub, self._writer(request), *user)
        return ChannelResponse(hub, channel, request.headers.get("last-event-id", ""))

    async def message(self, request: Request) -> Response:
        hub = self._hub()
        user = await signed_in(hub, request)
        if isinstance(user, Response):
            return user
        channel = hub.connections.get(request.path_params["connection_id"])
        if not isinstance(channel, ChannelConnection) or channel.user_id != user[0].user_id:
            return problem(404, "there is no such channel of yours: open one with GET /events")
        text = await self._body(request, StreamConnection(hub, self._writer(request), *user))
        return text if isinstance(text, Response) else MessageResponse(hub, channel, text)

    async def _stream_of(self, request: Request) -> StreamConnection | Response:
        """The connection of a signed-in user, or the refusal."""
        user = await signed_in(self._hub(), request)
        if isinstance(user, Response):
            return user
        return StreamConnection(self._hub(), self._writer(request), *user)

    def _writer(self, request: Request) -> StreamWriter:
        return StreamWriter(request.scope["state"]["http"].transport, self._hub().settings.heartbeat_s)


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
        if hub.chain.leave(connection, hub.settings.runs_end_with_connection):
            await hub.runs.stop_all_of(connection, LEFT)
