"""What every transport offers and what it reports: open, send, messages with stamps, close, and the peer's close.

The user of a connection implements `Receiver` and holds a `Transport`; neither says which protocol is spoken.
"""

import ssl
from collections.abc import Sequence
from typing import NamedTuple, Protocol


class ConnectionLimits(NamedTuple):
    """How much is received on one connection before it is ended: memory is bounded, whatever a backend sends.

    `frames` counts fragments, pings and pongs as well; `bytes` what all of them carry, inflated.
    """

    frames: int
    bytes: int

    def excess(self, frames: int, size: int, what: str) -> str:
        """Which limit so many frames with so many bytes exceed; "" for none. `what`: the name of frames here."""
        if frames > self.frames:
            return f"more than {self.frames} {what} on one connection"
        return f"more than {self.bytes} bytes on one connection" if size > self.bytes else ""


class Accepted(NamedTuple):
    """How the server accepted a connection: its headers (name, value), the subprotocol, and the raw head of both."""

    headers: tuple[tuple[str, str], ...]
    subprotocol: str | None
    head: bytes


class Ending(NamedTuple):
    """Who ended a connection (client, server or nobody), with which code, and why.

    `unsaid`: the content of the server's close frame, where it is not this reason.
    """

    by: str
    code: int | None
    reason: str
    unsaid: bytes = b""


class Post(NamedTuple):
    """The HTTP request that carries a message, where the transport is HTTP.

    `path` with its query; `label`: the id of the request or of what else it is about, which its answer is reported
    with. `streams`: a stream of events is expected in answer.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    label: str = ""
    streams: bool = True


class HttpAnswer(NamedTuple):
    """The answer to a `Post`: its head, and its body where that is no stream.

    `fields`: the headers, as they came. `problem`: what is wrong with it, if a stream was expected and something else
    came without an error status. `after_s`: seconds from the request to the head. `http_version`: "1.1" or "2".
    """

    label: str
    status: int
    fields: list[tuple[bytes, bytes]]
    after_s: float
    body: bytes = b""
    problem: str = ""
    http_version: str = "1.1"

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers as text."""
        return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in self.fields)

    @property
    def head(self) -> bytes:
        """The headers as one text."""
        return b"".join([b"%b: %b\r\n" % field for field in self.fields])


class NotOpened(Exception):
    """The server did not accept the connection; the text says what came instead.

    `status`, `headers` and `body` are those of the HTTP response, if one came.
    """

    def __init__(
        self, reason: str, status: int | None = None, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = tuple(headers)
        self.body = body


class ConnectionEnded(Exception):
    """Nothing can be sent on this connection any more."""


class Receiver(Protocol):
    """Receives what comes on one connection, on the loop thread. `at`: monotonic seconds when the bytes were read."""

    def on_open(self, accepted: Accepted, at: float) -> None:
        """The connection is open. What this raises, `open` raises."""

    def on_texts(self, texts: list[bytes], at: float) -> None:
        """Whole text messages that were read together, in the order in which they came."""

    def on_binary(self, data: bytes, at: float) -> None:
        """A whole binary message."""

    def on_other(self, kind: str, data: bytes, at: float) -> None:
        """Not a message: the content of a "ping" or "pong", and at the end the "part" of an incomplete message.

        Of an event stream a "comment", and an "id" or "event" field that is long enough to hold something.
        """

    def on_read(self, at: float) -> None:
        """Everything of one read has been handed over; it may have been only control frames."""

    def on_answer(self, answer: HttpAnswer, at: float) -> None:
        """The head of the answer to a `Post` has come, and all of it if it is not a stream."""

    def on_stream_end(self, label: str, at: float, reset: str = "") -> None:
        """The stream that answers a `Post` has ended as HTTP wants it: nothing more comes on it.

        `reset`: the error with which the server has given it up (HTTP/2).
        """

    def on_wait(self, at: float, *, over: bool) -> None:
        """Requests wait, for the server answers no more at the same time (HTTP/2); `over`: none waits any longer."""

    def on_close(self, ending: Ending, at: float) -> None:
        """The connection has ended: nothing more comes."""

    def on_gone(self) -> None:
        """The connection of the operating system is gone too."""

    def on_writable(self, at: float) -> None:
        """The connection takes more again, after `is_full`."""


class Transport(Protocol):
    """One connection, which for HTTP is a pool of them: those of one tab. All methods run on the loop thread."""

    @property
    def is_open(self) -> bool:
        """From `on_open` until `on_close`."""

    @property
    def can_send(self) -> bool:
        """Until either side has begun to close."""

    @property
    def frames(self) -> int:
        """How many frames have come, of any kind."""

    @property
    def pings(self) -> int:
        """How many pings of the peer have come."""

    @property
    def is_full(self) -> bool:
        """Whether more is buffered than the peer reads."""

    @property
    def multiplexes(self) -> bool:
        """Whether requests are streams of one connection (HTTP/2), which the peer serves in any order."""

    @property
    def first_event_id(self) -> str:
        """The first id that an event had; "" without, and of no event stream."""

    @property
    def one_at_a_time(self) -> bool:
        """Whether the server answers one request at a time (HTTP/2): others wait here until that one is complete."""

    @property
    def last_event_id(self) -> str:
        """The id of the last event that came, as an EventSource keeps it; "" without, and of no event stream."""

    @property
    def unanswered(self) -> int:
        """How many of our own pings the peer has not answered yet, or of our requests whose answer is no stream."""

    async def open(
        self, *, tls: ssl.SSLContext | None = None, via: tuple[str, int] | None = None, source: str = ""
    ) -> None:
        """Opens the connection; returns after `on_open`. Cancelled, it leaves nothing open.

        `via`: host and port of a proxy that passes everything on; what is requested, and whose certificate is checked,
        is still the target. `source`: the local address. Raises NotOpened, OSError.
        """

    @property
    def notices_loss(self) -> bool:
        """Whether a lost connection is noticed now: HTTP notices it only while an answer is awaited."""

    def send(self, data: bytes, *, text: bool = True, post: Post | None = None) -> None:
        """Sends one message, whatever its bytes are. `post`: how, by HTTP.

        Raises ConnectionEnded, and NotOpened for a path or headers that HTTP does not allow.
        """

    def close_stream(self, label: str) -> bool:
        """Closes the stream that answers the `Post` of this label, and nothing else; False if there is none."""

    def ping(self) -> None:
        """Sends a ping of the transport's own protocol; its answer is not handed over. Raises ConnectionEnded."""

    async def drained(self) -> None:
        """Waits while the connection is full. Raises ConnectionEnded."""

    def close(self) -> None:
        """Sends nothing more and begins to close; the connection ends when the peer has answered."""

    async def wait_gone(self, timeout_s: float) -> None:
        """Waits until the connection of the operating system is gone, and cuts it after `timeout_s`."""

    def give_up(self, reason: str) -> None:
        """Ends the connection because a limit was exceeded. `reason`: at most 123 bytes."""

    def abort(self) -> None:
        """Cuts the connection without a close frame."""

    def stop_reading(self) -> None:
        """Reads nothing more, as if the network were very slow."""
