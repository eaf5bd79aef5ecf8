"""A channel: one event stream that stays open for a client, which sends its messages by POST beside it."""

import re

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from greenlight_gate.backend.connection import ConnectionHub
from greenlight_gate.backend.frames import Body, Outgoing
from greenlight_gate.backend.http_stream import EventStreamConnection, answer_with, as_message, leave
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.message_handler import MessageHandler
from greenlight_gate.backend.stream_writer import StreamWriter
from greenlight_gate.backend.tokens import Identity

# In an id: a thread, and how far this channel has got in it.
_POSITION = re.compile(r"([\w.-]{1,256}):(\d{1,15})", re.ASCII)
_MOST_THREADS = 32


class ChannelConnection(EventStreamConnection):
    """One channel. The id of each event says how far the channel has got in each of its latest threads.

    So the last one is all that a client has to send when it connects again.
    """

    def __init__(self, hub: ConnectionHub, writer: StreamWriter, identity: Identity, token: str) -> None:
        super().__init__(hub, writer, identity, token)
        self.positions: dict[str, int] = {}

    def id_of(self, event: Outgoing) -> str:
        """Return the latest threads with their numbers, that of the event included."""
        self.positions.pop(event.thread_id, None)
        self.positions[event.thread_id] = event.seq
        if len(self.positions) > _MOST_THREADS:
            del self.positions[next(iter(self.positions))]
        return ",".join(f"{thread}:{seq}" for thread, seq in self.positions.items())


class ChannelResponse(Response):
    """The channel. It begins with the address of its messages, and with what came after `last_id`."""

    def __init__(self, hub: Hub, connection: ChannelConnection, last_id: str) -> None:
        super().__init__()
        self._hub = hub
        self._connection = connection
        self._last_id = last_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Keep the channel open until the client is gone, or its token has expired."""
        connection, hub = self._connection, self._hub
        hub.connections[connection.connection_id] = connection
        try:
            await connection.pump(scope, receive, send, self._begin)
        finally:
            await leave(hub, connection)

    async def _begin(self) -> None:
        connection = self._connection
        connection.send({"type": "endpoint", "endpoint": f"/connections/{connection.connection_id}/messages"})
        connection.open()
        await self._hub.chain.accepted(connection)
        handler = MessageHandler(self._hub, connection)
        for thread, seq in _POSITION.findall(self._last_id)[-_MOST_THREADS:]:
            if await self._has_missed(thread, int(seq)):
                connection.positions[thread] = int(seq)
                await handler.take(as_message(type="session_restore", thread_id=thread, last_seq=int(seq)))

    async def _has_missed(self, thread_id: str, seq: int) -> bool:
        """Whether there is more of a thread, or will be, or it is unknown, which is refused; else nothing is sent."""
        hub = self._hub
        if await hub.store.owner_of(thread_id) is None:
            return True
        under_way = any(run.thread_id == thread_id for run in hub.runs.under_way())
        return under_way or await hub.store.last_seq(thread_id) > seq


class MessageResponse(Response):
    """Takes one message beside a channel: accepted, or the error. What comes of it comes on the channel."""

    def __init__(self, hub: Hub, connection: ChannelConnection, text: str) -> None:
        super().__init__()
        self._hub = hub
        self._connection = connection
        self._text = text

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        errors: list[Body] = []
        await MessageHandler(self._hub, self._connection, errors.append).take(self._text)
        await self._hub.chain.taken(self._connection)
        answer = answer_with(errors[0], self._connection) if errors else Response(status_code=202)
        await answer(scope, receive, send)
