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

OnFrame = Callable[[Opcode, bytes, float], None]
OnLost = Callable[[float], None]

_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_HANG_UP_S = 1.0
_MOST_OF_AN_ANSWER = 262_144


class Most(NamedTuple):
    """What one connection may bring before its person hangs up: memory is bounded, whatever a backend sends.

    `frames` counts fragments, pings and pongs as well; `bytes` what they carry, inflated.
    """

    frames: int
    bytes: int


class Ending(NamedTuple):
    """Who ended a connection (client, server or nobody), with which code, and why.

    `unsaid`: what the server's close frame carried, where it is not this reason.
    """

    by: str
    code: int | None
    reason: str
    unsaid: bytes = b""


class Connecting(connect):
    """`connect()` that takes a redirect for the refusal that it is."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """The refusal itself."""
        return exc


class StampedConnection(ClientConnection):
    """Joins fragments, stamps each message and control frame on the monotonic clock (seconds), and calls `on_frame`.

    Call `listen` right after the handshake; what came earlier is kept for it. The connection has ended with the first
    close frame of either side, whatever a backend does with the line after that.
    """

    def __init__(self, *args: Any, most: Most, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_frame: OnFrame | None = None
        self.on_lost: OnLost | None = None
        self._most = most
        self._answer_bytes = 0
        self.frames = 0
        self.pings = 0
        self.on_any: Callable[[], None] | None = None
        self._bytes = 0
        self._early: list[tuple[Opcode, bytes, float]] = []
        self._parts: bytearray | None = None
        self._kind = Opcode.TEXT
        self._close_payload = b""
        self._lost_at: float | None = None
        self._illegal_code: int | None = None
        self._judge_frame = self.protocol.recv_frame
        # websockets refuses a close frame with an illegal code and keeps to itself which one it was.
        self.protocol.recv_frame = self._note_close  # type: ignore[method-assign]

    def listen(self, on_frame: OnFrame, on_lost: OnLost) -> None:
        """From now on every frame and the end of the connection are handed on, beginning with what waits.

        `on_frame` is given whole messages (text or binary), what pings and pongs carry, if anything, and in the end
        the part of a message that has come (cont).
        """
        self.on_frame, self.on_lost = on_frame, on_lost
        lost_at, early = self._lost_at, self._early
        self._early = []
        for frame in early:
            on_frame(*frame)
            if self._lost_at != lost_at:
                # It was too much, and given up: `on_lost` has been told.
                return
        if lost_at is not None:
            on_lost(lost_at)

    def ending(self) -> Ending:
        """How the connection ended; to be asked once it has."""
        theirs, ours, said = self.protocol.close_rcvd, self.protocol.close_sent, self._close_payload[2:]
        if theirs is not None and (ours is None or self.protocol.close_rcvd_then_sent):
            return Ending("server", theirs.code, theirs.reason)
        if self._illegal_code is not None:
            return Ending("server", self._illegal_code, "", said)
        if ours is not None:
            too_big = isinstance(self.protocol.parser_exc, PayloadTooBig)
            return Ending("client", ours.code, f"a message too large: {ours.reason}" if too_big else ours.reason, said)
        return Ending("nobody", None, "", said)

    def give_up(self, reason: str) -> None:
        """Ends the connection (1008), because more came than anybody takes. `reason`: at most 123 bytes."""
        self.protocol.fail(CloseCode.POLICY_VIOLATION, reason)
        self.send_data()
        self._end(time.monotonic())

    def _note_close(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self._close_payload = bytes(frame.data)
        try:
            self._judge_frame(frame)
        except ProtocolError:
            if len(self._close_payload) >= 2:
                self._illegal_code = int.from_bytes(self._close_payload[:2])
            raise

    def data_received(self, data: bytes) -> None:
        """Takes bytes off the wire. What is no WebSocket frame ends the connection: nothing after it can be read."""
        if self.response is None:
            self._answer_bytes += len(data)
            if self._answer_bytes > _MOST_OF_AN_ANSWER:
                # websockets would read a megabyte, which takes it ten seconds where it comes in chunks of few bytes.
                self.transport.abort()
                return
        super().data_received(data)
        if self.response is None and self.protocol.handshake_exc is not None:
            # It would also wait for the end of what is no answer, which may never come.
            self.transport.abort()
        if self.protocol.parser_exc is not None:
            self._end(time.monotonic())

    def process_event(self, event: Event) -> None:
        """Takes a frame off the wire; data frames never enter the queue of `recv()`."""
        if self.response is None or not isinstance(event, Frame):
            super().process_event(event)
            return
        self.pings += event.opcode is Opcode.PING
        at = time.monotonic()
        # The answer to a ping of ours says what the ping said.
        is_echo = event.opcode is Opcode.PONG and bytes(event.data) in self.pending_pings
        if event.opcode not in _DATA:
            super().process_event(event)
        if event.opcode is Opcode.CLOSE:
            self._end(at)
        elif self._lost_at is None and self._is_bearable(event) and not is_echo:
            self._take(event, at)
        if self.on_any is not None:
            self.on_any()

    def _is_bearable(self, frame: Frame) -> bool:
        self.frames += 1
        self._bytes += len(frame.data)
        if self.frames > self._most.frames:
            self.give_up(f"more than {self._most.frames} frames on one connection")
        elif self._bytes > self._most.bytes:
            self.give_up(f"more than {self._most.bytes} bytes on one connection")
        return self._lost_at is None

    def _take(self, frame: Frame, at: float) -> None:
        if frame.opcode not in _DATA:
            if frame.data:
                self._hand_on(frame.opcode, bytes(frame.data), at)
            return
        if frame.opcode is not Opcode.CONT:
            self._kind = frame.opcode
        if frame.fin and self._parts is None:
            self._hand_on(self._kind, bytes(frame.data), at)
            return
        parts = self._parts = self._parts if self._parts is not None else bytearray()
        parts += frame.data
        if frame.fin:
            self._parts = None
            self._hand_on(self._kind, bytes(parts), at)

    def _hand_on(self, kind: Opcode, data: bytes, at: float) -> None:
        if self.on_frame is None:
            self._early.append((kind, data, at))
        else:
            self.on_frame(kind, data, at)

    def _end(self, at: float) -> None:
        if self._lost_at is not None:
            return
        self._lost_at = at
        if self._parts:
            self._hand_on(Opcode.CONT, bytes(self._parts), at)
        # Not every backend hangs up after the close frames, and none may keep the line by not reading.
        self.transport.close()
        self.loop.call_later(_HANG_UP_S, self.transport.abort)
        if self.on_lost is not None:
            self.on_lost(at)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone."""
        super().connection_lost(exc)
        self._end(time.monotonic())
