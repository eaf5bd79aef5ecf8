"""uvicorn's WebSocket protocol, with the close codes that RFC 6455 requires and a method to send any bytes."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from uvicorn.protocols.websockets.wsproto_impl import FrameTooLargeError, WSProtocol
from wsproto import events
from wsproto.connection import ConnectionState
from wsproto.frame_protocol import CloseReason

from greenlight_gate.backend.deflate import BoundedConnection
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


class ChatProtocol(WSProtocol):
    """The protocol of one connection; the application finds it in the scope's state as `protocol`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.conn = BoundedConnection(self.config.ws_max_size)
        self.listener: EventListener | None = None
        self.parts: Callable[[str], Sequence[str]] = _whole
        self._skipping = False
        self._deaf = False
        self._owed_pong: events.Ping | None = None

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
                self.transport.write(self.conn.send(events.TextMessage(data=part, message_finished=False)))
            self.transport.write(self.conn.send(events.TextMessage(data=last)))
        else:
            self.transport.write(self.conn.send(events.BytesMessage(data=frame)))

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
        self.transport.write(self.conn.send(events.CloseConnection(code=code, reason=reason)))
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

    def handle_connect(self, event: events.Request) -> None:
        """Pass the upgrade and this protocol to the application."""
        super().handle_connect(event)
        self.scope["state"]["protocol"] = self

    def handle_message(self, event: events.TextMessage | events.BytesMessage) -> None:
        """Collect a message: text within the limit goes to the application, anything else ends the connection."""
        if isinstance(event, events.BytesMessage):
            self.fail(1003, "only text messages are accepted")
        elif self._skipping:
            self._skipping = not event.message_finished
        else:
            self._collect(event)

    def _collect(self, event: events.TextMessage) -> None:
        try:
            self.buffer.extend(event)
        except FrameTooLargeError:
            self.buffer.clear()
            if self.listener is None or self.listener.too_large():
                self.fail(1009, f"a message may have {self.config.ws_max_size} bytes")
            self._skipping = not event.message_finished
            return
        if event.message_finished:
            self.queue.put_nowait(self.buffer.to_message())
            self.buffer.clear()
            if not self.read_paused:
                self.read_paused = True
                self.transport.pause_reading()

    def handle_ping(self, event: events.Ping) -> None:
        """Answer a ping; while the client reads nothing only the latest is kept for it (RFC 6455, section 5.5.3)."""
        if self.conn.state is not ConnectionState.OPEN or not (self.listener is None or self.listener.answers_ping()):
            return
        if self.writable.is_set():
            super().handle_ping(event)
        else:
            self._owed_pong = event

    def resume_writing(self) -> None:
        """Continue to send, with the answer to the latest ping first."""
        super().resume_writing()
        owed, self._owed_pong = self._owed_pong, None
        if owed is not None and not self.close_sent and self.conn.state is ConnectionState.OPEN:
            super().handle_ping(owed)

    def handle_close(self, event: events.CloseConnection) -> None:
        """Answer a close frame, or close with the code that says what was wrong with the input."""
        if not self.close_sent and self.conn.state is ConnectionState.OPEN:
            if event.code == CloseReason.MESSAGE_TOO_BIG and self.listener is not None:
                self.listener.too_large()
            self.fail(event.code, event.reason or "", deaf=True)
        else:
            super().handle_close(event)

    def shutdown(self) -> None:
        """Close with 1001 (going away), instead of uvicorn's 1012."""
        if self.close_sent:
            return
        if self.handshake_complete and not self.response_started:
            self.fail(1001, "the server is going away")
        else:
            super().shutdown()
