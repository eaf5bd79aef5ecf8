"""The answer to one HTTP request as a stream of server-sent events, and the connection that sends on it."""

import asyncio
import functools
import json
import re
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from greenlight_gate.backend.connection import ConnectionHub, ServedConnection
from greenlight_gate.backend.frames import Body, CloseFrame, Frame, Outgoing
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.message_handler import MessageHandler
from greenlight_gate.backend.run_supervisor import LEFT
from greenlight_gate.backend.stream_writer import StreamWriter
from greenlight_gate.backend.strict_json import parse
from greenlight_gate.backend.tokens import Identity

_LINE_END = re.compile(r"\r\n|\r|\n")
_STATUS = {
    "FORBIDDEN_THREAD": 403, "RATE_LIMITED": 429, "TOO_LARGE": 413, "UNAUTHENTICATED": 401, "IN_PROGRESS": 409,
    "INPUT_CLOSED": 409,
}  # fmt: skip
# So much of a body that is too large is still read: unread, it would reset the connection, and the answer be lost.
_MOST_DISCARDED_BYTES = 33_554_432
_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStreamConnection(ServedConnection):
    """A stream of server-sent events to one client; each that carries an event of a run has an id."""

    def __init__(self, hub: ConnectionHub, writer: StreamWriter, identity: Identity, token: str) -> None:
        super().__init__(hub, writer, identity, token)
        self.writer = writer
        writer.body = functools.partial(hub.chain.body, self)
        self._id = ""

    def id_of(self, event: Outgoing) -> str:
        """Return the id with which an event is sent: its number."""
        return str(event.seq)

    def send_event(self, event: Outgoing) -> None:
        """Send one event, live or replayed, with its id."""
        self._id = self.id_of(event)
        super().send_event(event)
        self._id = ""

    def write(self, frame: Frame) -> None:
        """Send a text as an event of the stream."""
        if isinstance(frame, str):
            number = f"id: {self._id}\n" if self._id else ""
            frame = number + "".join(f"data: {line}\n" for line in _LINE_END.split(frame)) + "\n"
        super().write(frame)

    async def pump(self, scope: Scope, receive: Receive, send: Send, begin: Callable[[], Awaitable[None]]) -> None:
        """Send the head, `begin`, and what is written, until the stream has ended or the client is gone."""
        scope["state"]["http"].keep_open()
        status, named = self.hub.chain.head(self, (200, _HEADERS))
        headers = [(name.lower().encode(), value.encode()) for name, value in named.items()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await begin()
        pump = asyncio.create_task(self.writer.pump(send))
        gone = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (pump, gone):
                task.cancel()
            await asyncio.wait({pump, gone})


class StreamConnection(EventStreamConnection):
    """One stream to one client. It ends when none of `waits_for` (run ids) is under way any more.

    `restores`: the thread that is sent from the store; `repeats`: the request whose events alone are, None for all.
    """

    answers_again = True

    def __init__(self, hub: ConnectionHub, writer: StreamWriter, identity: Identity, token: str) -> None:
        super().__init__(hub, writer, identity, token)
        self.waits_for: set[str] = set()
        self.restores = ""
        self.repeats: str | int | None = None
        self._is_whole = False
        self._settling: asyncio.Task[None] | None = None

    @property
    def runs_here(self) -> Collection[str]:
        """The open runs of the user, on all of their streams."""
        return [run for each in self.hub.connections.values() if each.user_id == self.user_id for run in each.open_runs]

    def answer_again(self, thread_id: str, request_id: str | int) -> None:
        """Send the events of this request only: it was sent before, and its stream has ended."""
        self.restores, self.repeats = thread_id, request_id

    def send(self, message: Body) -> None:
        """Send a message that is not an event; an error is the answer if there is no stream yet."""
        if not self._is_whole and message.get("type") == "error_message":
            self.writer.error = message
        else:
            super().send(message)

    def show(self, outgoing: Outgoing) -> None:
        """Send one live event; a restored thread brings the runs that were under way, and no later ones."""
        is_later = self.restores and self._is_whole and outgoing.root_run_id not in self.waits_for
        if not is_later and self._is_wanted(outgoing.body):
            super().show(outgoing)

    def send_missed(self, events: list[Outgoing]) -> int:
        """Send events of a restored thread, or of the request that was sent again, and return how many."""
        return super().send_missed([event for event in events if self._is_wanted(event.body)])

    def _is_wanted(self, event: Body) -> bool:
        return self.repeats is None or event.get("request_id") == self.repeats

    def run_over(self, run_id: str) -> None:
        """End the stream if nothing else is under way on it."""
        self.waits_for.discard(run_id)
        if not self.waits_for and self._is_whole:
            self._end_in_order()

    def begin_stream(self, waits_for: set[str]) -> None:
        """The answer is a stream, which ends with these runs."""
        self._is_whole = True
        self.waits_for = waits_for
        if not waits_for:
            self._end_in_order()

    def _end_in_order(self) -> None:
        follower = self.following.get(self.restores)
        if follower is None:
            self.write(CloseFrame(1000))
        elif self._settling is None:
            self._settling = asyncio.create_task(self._settle())

    async def _settle(self) -> None:
        await self.following[self.restores].settle()
        self.write(CloseFrame(1000))


class EventStreamResponse(Response):
    """Handles one message of a user, and answers with what comes of it: a stream, an error, or nothing (204)."""

    def __init__(self, hub: Hub, connection: StreamConnection, text: str, *, streams: bool) -> None:
        super().__init__()
        self._hub = hub
        self._connection = connection
        self._text = text
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        connection, hub = self._connection, self._hub
        hub.connections[connection.connection_id] = connection
        try:
            connection.begin_expiry()
            await MessageHandler(hub, connection).take(self._text)
            error = connection.writer.error
            if error is not None:
                await answer_with(error, connection)(scope, receive, send)
            elif self._streams:
                await connection.pump(scope, receive, send, self._begin)
            else:
                await Response(status_code=204)(scope, receive, send)
        finally:
            await leave(hub, connection)

    async def _begin(self) -> None:
        self._connection.begin_stream(self._awaited())

    def _awaited(self) -> set[str]:
        connection = self._connection
        if not connection.restores:
            return set(connection.open_runs)
        runs = [
            run
            for run in self._hub.runs.under_way()
            if run.thread_id == connection.restores and connection.repeats in (None, run.request_id)
        ]
        for run in runs:
            run.watchers.append(connection)
        return {run.run_id for run in runs}


def answer_with(error: Body, connection: ServedConnection) -> Response:
    """Return the answer to a request that is refused with this error."""
    usual = _STATUS.get(str(error.get("error_code")), 400)
    status, headers = connection.hub.chain.head(connection, (usual, {}))
    return JSONResponse(error, status, dict(headers))


async def leave(hub: Hub, connection: ServedConnection) -> None:
    """Forget a stream that has ended."""
    del hub.connections[connection.connection_id]
    connection.detach()
    if hub.chain.leave(connection, hub.settings.runs_end_with_connection):
        await hub.runs.stop_all_of(connection, LEFT)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def read_text(request: Request, most_bytes: int) -> str | None:
    """Return the body as text, None if it is larger. Raises UnicodeDecodeError."""
    body, size = b"", 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= most_bytes:
            body += chunk
        elif size > _MOST_DISCARDED_BYTES:
            break
    return body.decode() if size <= most_bytes else None


def with_key(body: str, key: str | None) -> str:
    """The message with its `Idempotency-Key` for the id of the request, if it has none of its own."""
    try:
        given = parse(body) if key else None
    except ValueError:
        return body  # which is refused as what it is
    if not isinstance(given, dict) or given.get("request_id") is not None:
        return body
    return json.dumps({**given, "request_id": key})


def as_message(body: str = "", **fields: Any) -> str:
    """Write a message as a client would send it over a WebSocket: the fields of the body, and these."""
    try:
        given = parse(body or "{}")
    except ValueError:
        return body  # which is refused as what it is
    return json.dumps({**given, **fields}) if isinstance(given, dict) else body
