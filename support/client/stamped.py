"""A WebSocket whose messages are stamped when their bytes are read, and handed on at once.

websockets' own `recv()` would stamp them when somebody asks, and would hide pings and close reasons.
"""

import time
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import Event

OnMessage = Callable[[bytes, bool, float], None]
OnLost = Callable[[float], None]


class StampedConnection(ClientConnection):
    """Joins fragments, stamps the whole message on the monotonic clock (seconds), and calls `on_message`.

    Set `on_message(data, binary, at)` and `on_lost(at)` right after the handshake; what came earlier is kept for them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_message: OnMessage | None = None
        self.on_lost: OnLost | None = None
        self._early: list[tuple[bytes, bool, float]] = []
        self._parts: list[bytes] = []
        self._binary = False
        self._lost_at: float | None = None

    def listen(self, on_message: OnMessage, on_lost: OnLost) -> None:
        """From now on every message and the end of the connection are handed on, beginning with what waits."""
        self.on_message, self.on_lost = on_message, on_lost
        for early in self._early:
            on_message(*early)
        self._early.clear()
        if self._lost_at is not None:
            on_lost(self._lost_at)

    def process_event(self, event: Event) -> None:
        """Takes a frame off the wire; data frames never enter the queue of `recv()`."""
        if self.response is None or not isinstance(event, Frame):
            super().process_event(event)
            return
        if event.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            super().process_event(event)
            return
        at = time.monotonic()
        if event.opcode is not Opcode.CONT:
            self._binary = event.opcode is Opcode.BINARY
        if not event.fin or self._parts:
            self._parts.append(bytes(event.data))
            if not event.fin:
                return
            data = b"".join(self._parts)
            self._parts.clear()
        else:
            data = bytes(event.data)
        if self.on_message is None:
            self._early.append((data, self._binary, at))
        else:
            self.on_message(data, self._binary, at)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone."""
        super().connection_lost(exc)
        self._lost_at = time.monotonic()
        if self.on_lost is not None:
            self.on_lost(self._lost_at)
