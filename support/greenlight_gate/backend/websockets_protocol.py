"""The protocol of a connection on uvicorn's `websockets-sansio`: `CHAT_WEBSOCKETS=websockets`.

The suite itself speaks through the package `websockets`. With this, the backend does as well; without it, the judge and
what it judges share no implementation.
"""

from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from greenlight_gate.backend import frames
from greenlight_gate.backend.websocket_protocol import ChatProtocol

# How far above the limit a message may grow before it is no longer read; below this the limit itself decides, and the
# connection could continue.
_GIVE_UP_FACTOR = 64
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class _Connection(ServerProtocol):
    """Sends no pong by itself: whether and when one is sent is decided where the ping is handled.

    `too_large` is called before the close frame for a message that is no longer read.
    """

    too_large: Callable[[], bool] | None = None

    def fail(self, code: int, reason: str = "") -> None:
        """Prepare a close frame for input that cannot be parsed."""
        if code == CloseCode.MESSAGE_TOO_BIG and self.state is State.OPEN and self.too_large is not None:
            self.too_large()
        super().fail(code, reason)

    def send_frame(self, frame: Frame) -> None:
        """Prepare a frame for `data_to_send`."""
        if frame.opcode is not Opcode.PONG:
            super().send_frame(frame)

    def answer_ping(self, data: bytes) -> None:
        """Prepare a pong."""
        super().send_frame(Frame(Opcode.PONG, data))


class WebsocketsProtocol(ChatProtocol, WebSocketsSansIOProtocol):
    """Does the same as WsprotoProtocol."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.conn: _Connection = _Connection(
            extensions=self.conn.available_extensions,
            max_size=self.config.ws_max_size * _GIVE_UP_FACTOR,
            logger=self.logger,
        )
        self._message = bytearray()
        self._skipping = False
        self._owed_pong: bytes | None = None
        self.conn.too_large = self._too_large

    def _too_large(self) -> bool:
        return self.listener is None or self.listener.too_large()

    def _text(self, part: str, *, final: bool) -> bytes:
        send = self.conn.send_continuation if self.conn.expect_continuation_frame else self.conn.send_text
        send(part.encode(), final)
        return b"".join(self.conn.data_to_send())

    def _binary(self, data: bytes) -> bytes:
        self.conn.send_binary(data)
        return b"".join(self.conn.data_to_send())

    def _closing(self, code: int, reason: str) -> bytes:
        # The package has prepared the close frame itself if it answers one, or could not parse the input.
        if self.conn.state is State.OPEN:
            self.conn.send_close(code, reason)
        return b"".join(self.conn.data_to_send())

    def write_frame(self, frame: frames.Frame) -> None:
        """Send a frame; nothing follows the answer to a close frame, which may be prepared before it is handled."""
        if self.conn.state is State.OPEN:
            super().write_frame(frame)

    def handle_connect(self, event: Request) -> None:
        """Pass the upgrade and this protocol to the application."""
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["state"]["protocol"] = self

    def handle_events(self) -> None:
        """Handle what was received, whole frames."""
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # uvicorn would leave a request that the package does not read without an answer.
            self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_REQUEST)
            self.transport.close()
        for event in self.conn.events_received():
            if isinstance(event, Request):
                self.handle_connect(event)
            elif isinstance(event, Frame) and (not self.close_sent or event.opcode is Opcode.CLOSE):
                self._handle_frame(event)

    def _handle_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self.handle_close(frame)
        elif frame.opcode is Opcode.PING:
            self._handle_ping(bytes(frame.data))
        elif frame.opcode is Opcode.PONG:
            self.handle_pong(frame)
        elif frame.opcode is Opcode.BINARY:
            self.fail(1003, "only text messages are accepted")
        elif self._skipping:
            self._skipping = not frame.fin
        else:
            self._collect(frame)

    def _collect(self, frame: Frame) -> None:
        self._message += frame.data
        if len(self._message) > self.config.ws_max_size:
            self._message.clear()
            if self._too_large():
                self.fail(1009, f"a message may have {self.config.ws_max_size} bytes")
            self._skipping = not frame.fin
        elif frame.fin:
            try:
                text = self._message.decode()
            except UnicodeDecodeError:
                self.fail(1007, "a text message is UTF-8", deaf=True)
            else:
                self.give_to_application({"type": "websocket.receive", "text": text})
            self._message.clear()

    def _handle_ping(self, data: bytes) -> None:
        if self.conn.state is not State.OPEN or not (self.listener is None or self.listener.answers_ping()):
            return
        if self.writable.is_set():
            self._answer_ping(data)
        else:
            # While the client reads nothing only the latest is kept for it (RFC 6455, section 5.5.3).
            self._owed_pong = data

    def _answer_ping(self, data: bytes) -> None:
        self.conn.answer_ping(data)
        self.transport.write(b"".join(self.conn.data_to_send()))

    def resume_writing(self) -> None:
        """Continue to send, with the answer to the latest ping first."""
        super().resume_writing()
        owed, self._owed_pong = self._owed_pong, None
        if owed is not None and not self.close_sent and self.conn.state is State.OPEN:
            self._answer_ping(owed)

    def handle_close(self, event: Frame) -> None:
        """Answer a close frame."""
        if self.close_sent:
            super().handle_close(event)
        elif self.conn.close_rcvd is not None:
            self.fail(self.conn.close_rcvd.code, self.conn.close_rcvd.reason, deaf=True)

    def handle_parser_exception(self) -> None:
        """Close with the code that says what was wrong with the input."""
        failed = self.conn.close_sent
        # None if the connection was closing already.
        if failed is not None:
            self.fail(failed.code, failed.reason, deaf=True)

    async def send(self, message: Any) -> None:
        """Send what the application sends; a refusal completes the handshake, which uvicorn would call an error."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True

    def shutdown(self) -> None:
        """Close with 1001 (going away), instead of uvicorn's 1012."""
        if self.close_sent:
            return
        if self.handshake_complete and self.initial_response is None:
            self.fail(1001, "the server is going away")
        else:
            super().shutdown()
