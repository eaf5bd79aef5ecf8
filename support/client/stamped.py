"""A WebSocket whose messages are stamped when their bytes are read, and handed on at once.

websockets' own `recv()` would stamp them when somebody asks, and would hide pings and close reasons. Its `connect()`
would follow a redirect, and a judge tries the address that was named.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Event

OnMessage = Callable[[bytes, bool, float], None]
OnLost = Callable[[float], None]

_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_HANG_UP_S = 1.0


class Most(NamedTuple):
    """What one connection may bring before its person hangs up: memory is bounded, whatever a backend sends."""

    messages: int = 50_000
    bytes: int = 67_108_864


class Ending(NamedTuple):
    """Who ended a connection (client, server or nobody), with which code, and why."""

    by: str
    code: int | None
    reason: str


class Connecting(connect):
    """`connect()` that takes a redirect for the refusal that it is."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """The refusal itself."""
        return exc


class StampedConnection(ClientConnection):
    """Joins fragments, stamps the whole message on the monotonic clock (seconds), and calls `on_message`.

    Call `listen` right after the handshake; what came earlier is kept for it. The connection has ended with the first
    close frame of either side, whatever a backend does with the line after that.
    """

    def __init__(self, *args: Any, most: Most | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_message: OnMessage | None = None
        self.on_lost: OnLost | None = None
        self._most = most or Most()
        self._messages = 0
        self._bytes = 0
        self._early: list[tuple[bytes, bool, float]] = []
        self._parts: bytearray | None = None
        self._binary = False
        self._lost_at: float | None = None
        self._illegal_code: int | None = None
        self._judge_frame = self.protocol.recv_frame
        # websockets refuses a close frame with an illegal code and keeps to itself which one it was.
        self.protocol.recv_frame = self._note_close  # type: ignore[method-assign]

    def listen(self, on_message: OnMessage, on_lost: OnLost) -> None:
        """From now on every message and the end of the connection are handed on, beginning with what waits."""
        self.on_message, self.on_lost = on_message, on_lost
        for early in self._early:
            on_message(*early)
        self._early.clear()
        if self._lost_at is not None:
            on_lost(self._lost_at)

    def ending(self) -> Ending:
        """How the connection ended; to be asked once it has."""
        theirs, ours = self.protocol.close_rcvd, self.protocol.close_sent
        if theirs is not None and (ours is None or self.protocol.close_rcvd_then_sent):
            return Ending("server", theirs.code, theirs.reason)
        if self._illegal_code is not None:
            return Ending("server", self._illegal_code, "")
        if ours is not None:
            too_big = isinstance(self.protocol.parser_exc, PayloadTooBig)
            return Ending("client", ours.code, f"a message too large: {ours.reason}" if too_big else ours.reason)
        return Ending("nobody", None, "")

    def _note_close(self, frame: Frame) -> None:
        try:
            self._judge_frame(frame)
        except ProtocolError:
            if frame.opcode is Opcode.CLOSE and len(frame.data) >= 2:
                self._illegal_code = int.from_bytes(frame.data[:2])
            raise

    def data_received(self, data: bytes) -> None:
        """Takes bytes off the wire. What is no WebSocket frame ends the connection: nothing after it can be read."""
        super().data_received(data)
        if self.protocol.parser_exc is not None:
            self._end(time.monotonic())

    def process_event(self, event: Event) -> None:
        """Takes a frame off the wire; data frames never enter the queue of `recv()`."""
        if self.response is None or not isinstance(event, Frame):
            super().process_event(event)
        elif event.opcode in _DATA:
            self._take(event, time.monotonic())
        else:
            super().process_event(event)
            if event.opcode is Opcode.CLOSE:
                self._end(time.monotonic())

    def _take(self, frame: Frame, at: float) -> None:
        if self._lost_at is not None:
            return
        if frame.opcode is not Opcode.CONT:
            self._binary = frame.opcode is Opcode.BINARY
        if frame.fin and self._parts is None:
            self._hand_on(bytes(frame.data), at)
            return
        parts = self._parts = self._parts if self._parts is not None else bytearray()
        parts += frame.data
        if frame.fin:
            self._parts = None
            self._hand_on(bytes(parts), at)

    def _hand_on(self, data: bytes, at: float) -> None:
        self._messages += 1
        self._bytes += len(data)
        if self._messages > self._most.messages or self._bytes > self._most.bytes:
            self.protocol.fail(
                CloseCode.POLICY_VIOLATION,
                f"more than {self._most.messages} messages or {self._most.bytes} bytes on one connection",
            )
            self.send_data()
            self._end(at)
        elif self.on_message is None:
            self._early.append((data, self._binary, at))
        else:
            self.on_message(data, self._binary, at)

    def _end(self, at: float) -> None:
        if self._lost_at is not None:
            return
        self._lost_at = at
        # Not every backend hangs up after the close frames, and none may keep the line by not reading.
        self.transport.close()
        self.loop.call_later(_HANG_UP_S, self.transport.abort)
        if self.on_lost is not None:
            self.on_lost(at)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone."""
        super().connection_lost(exc)
        self._end(time.monotonic())
