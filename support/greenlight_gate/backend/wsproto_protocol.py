"""The protocol of a connection on uvicorn's `wsproto`, with the close codes that RFC 6455 requires."""

from typing import Any

from uvicorn.protocols.websockets.wsproto_impl import FrameTooLargeError, WSProtocol
from wsproto import events
from wsproto.connection import ConnectionState
from wsproto.frame_protocol import CloseReason

from greenlight_gate.backend.deflate import BoundedConnection
from greenlight_gate.backend.websocket_protocol import ChatProtocol


class WsprotoProtocol(ChatProtocol, WSProtocol):
    """What the backend uses unless `CHAT_WEBSOCKETS` says otherwise."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.conn = BoundedConnection(self.config.ws_max_size)
        self._skipping = False
        self._owed_pong: events.Ping | None = None

    def _text(self, part: str, *, final: bool) -> bytes:
        return self.conn.send(events.TextMessage(data=part, message_finished=final))

    def _binary(self, data: bytes) -> bytes:
        return self.conn.send(events.BytesMessage(data=data))

    def _closing(self, code: int, reason: str) -> bytes:
        return self.conn.send(events.CloseConnection(code=code, reason=reason))

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
            self.give_to_application({**self.buffer.to_message()})
            self.buffer.clear()

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
