"""One WebSocket connection of the backend: what both implementations of uvicorn share, and what a connection needs."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from greenlight_gate.backend.frames import CloseFrame, Frame, Raw

# How long a client has to answer a close frame before the connection is cut.
_LINGER_S = 0.5
# How long a client then has to read what was sent before; without it, a client could keep the connection for ever.
_READ_WITHIN_S = 10.0


def _whole(text: str) -> Sequence[str]:
    return (text,)


class EventListener(Protocol):
    """Receives what the ASGI interface cannot express."""

    def too_large(self) -> bool:
        """Handle a message over the limit; return whether the connection is to be closed."""

    def answers_ping(self) -> bool:
        """Handle a ping; return whether it is answered."""


class ChatProtocol(asyncio.Protocol):
    """The protocol of one connection; the application finds it in the scope's state as `protocol`.

    A class of uvicorn comes after it among the bases, and sets the attributes that are only declared here.
    """

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    writable: asyncio.Event
    queue: Any
    close_timer: asyncio.TimerHandle | None
    close_sent: bool
    disconnected: bool
    read_paused: bool
    start_keepalive: Any
    stop_keepalive: Any
    listener: EventListener | None = None
    parts: Callable[[str], Sequence[str]] = staticmethod(_whole)
    _deaf = False

    @abstractmethod
    def _text(self, part: str, *, final: bool) -> bytes:
        """The bytes of a part of a text message."""

    @abstractmethod
    def _binary(self, data: bytes) -> bytes:
        """The bytes of a binary message."""

    @abstractmethod
    def _closing(self, code: int, reason: str) -> bytes:
        """The bytes of a close frame."""

    def write_frame(self, frame: Frame) -> None:
        """Send a frame; on a closed connection nothing happens."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        if isinstance(frame, CloseFrame):
            self.fail(frame.code, frame.reason)
        elif isinstance(frame, Raw):
            self.transport.write(frame.data)
        elif isinstance(frame, str):
            *parts, last = self.parts(frame)
            for part in parts:
                self.transport.write(self._text(part, final=False))
            self.transport.write(self._text(last, final=True))
        else:
            self.transport.write(self._binary(frame))

    def abort(self) -> None:
        """Cut the connection without a close frame."""
        self.transport.abort()

    def fail(self, code: int, reason: str = "", *, deaf: bool = False) -> None:
        """Start the closing handshake; `deaf` if incoming data can no longer be parsed."""
        if self.close_sent or self.transport.is_closing():
            return
        self.close_sent = True
        self._deaf = deaf
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(self._closing(code, reason))
        # Closing at once, with input unread, would reset the connection and lose the close frame.
        self.close_timer = self.loop.call_later(_LINGER_S, self.hang_up)
        if deaf and self.transport.can_write_eof():
            self.transport.write_eof()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def hang_up(self) -> None:
        """End the connection after what was sent before."""
        self.transport.close()
        self.close_timer = self.loop.call_later(_READ_WITHIN_S, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        """Handle bytes from the network."""
        if not self._deaf:
            super().data_received(data)

    def give_to_application(self, message: dict[str, Any]) -> None:
        """Queue a message, and read no more until the application has taken it."""
        self.queue.put_nowait(message)
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
