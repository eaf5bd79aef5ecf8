"""One HTTP/1.1 connection of a client: one request after the other, and what is read of each answer.

The protocol is h11's, without I/O. An answer is a stream of messages (server-sent events or lines of JSON), or a body
that is read whole.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Literal, Protocol, cast

import h11

from greenlight_gate.transport.interface import HttpAnswer, NotOpened, Post
from greenlight_gate.wire.event_stream import EventStream, LineStream, StreamError, StreamEvent

monotonic = time.monotonic
Framing = Literal["sse", "ndjson"]
MEDIA_TYPES = {
    "sse": ("text/event-stream",),
    "ndjson": ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"),
}
_MOST_HEAD_BYTES = 65_536
_MOST_BODY_BYTES = 262_144
# Shorter fields and comments hold neither a canary nor a token.
_SEARCHED_FROM = 16
_SHOWN = 200


class StreamOwner(Protocol):
    """The pool that a connection belongs to, and that passes on what came. `at`: when it was read."""

    framing: Framing
    envelope: bool
    max_message_bytes: int

    def answered(self, post: Post, answer: HttpAnswer, at: float) -> None:
        """The head of an answer came, and all of it if it is not a stream."""

    def messages(self, texts: list[bytes], at: float) -> None:
        """Messages came."""

    def other(self, kind: str, data: bytes, at: float) -> None:
        """Something other than a message came."""

    def stream_ended(self, post: Post, at: float) -> None:
        """The stream that answers this request has ended."""

    def freed(self, connection: "HttpConnection", at: float) -> None:
        """The answer is complete: the connection may take another request, if it is still usable."""

    def broken(self, reason: str, at: float, code: int | None = None) -> None:
        """The connection ended in the middle of an answer (code None), or cannot be read on."""

    def gone(self, connection: "HttpConnection") -> None:
        """The connection of the operating system is gone."""

    def changed(self) -> None:
        """It may be full now, or no longer."""


class HttpConnection(asyncio.Protocol):
    """A connection of a pool. `is_idle`: nothing is under way on it, since `idle_at`."""

    __slots__ = (
        "_answer", "_asked_at", "_body", "_h11", "_host", "_is_reading", "_owner", "_post", "_stream", "idle_at",
        "is_full", "is_usable", "transport",
    )  # fmt: skip

    def __init__(self, owner: StreamOwner, host: str) -> None:
        self._owner = owner
        self._host = host
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD_BYTES)
        self._post: Post | None = None
        self._asked_at = 0.0
        self._answer: h11.Response | None = None
        self._stream: EventStream | LineStream | None = None
        self._body = bytearray()
        self._is_reading = True
        self.transport: asyncio.Transport | None = None
        self.is_usable = True
        self.is_full = False
        self.idle_at = monotonic()

    @property
    def is_idle(self) -> bool:
        """Whether a request can be sent on it."""
        return self.is_usable and self._post is None and self.transport is not None

    @property
    def post(self) -> Post | None:
        """The request that is under way."""
        return self._post

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection of the operating system is open."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's classes are not asyncio's

    def request(self, post: Post, body: bytes) -> None:
        """Sends a request. Raises NotOpened for a path or headers that HTTP does not allow."""
        assert self.is_idle, "one request at a time"
        assert self.transport is not None
        headers = [("Host", self._host), *post.headers]
        if post.method not in ("GET", "DELETE"):
            headers.append(("Content-Length", str(len(body))))
        else:
            body = b""
        try:
            head = h11.Request(method=post.method, target=post.path, headers=headers)
        except h11.LocalProtocolError as error:
            raise NotOpened(f"{post.method} {post.path[:_SHOWN]!r} cannot be requested: {error}") from error
        self._post, self._asked_at = post, monotonic()
        parts = [self._h11.send(head), self._h11.send(h11.Data(data=body)), self._h11.send(h11.EndOfMessage())]
        self.transport.write(b"".join(part for part in parts if part))

    # What comes -----------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes have been read: they are stamped at once."""
        at = monotonic()
        if self._post is None:
            # A server that speaks without being asked: what it says belongs to no request.
            self.is_usable = False
            self.abort()
            return
        self._h11.receive_data(data)
        self._read(at)

    def _read(self, at: float) -> None:
        try:
            while self._post is not None:
                event = self._h11.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    return
                if isinstance(event, h11.Response):
                    self._head(event, at)
                elif isinstance(event, h11.Data):
                    self._data(bytes(event.data), at)
                elif isinstance(event, h11.EndOfMessage):
                    self._complete(at)
                elif isinstance(event, h11.ConnectionClosed):
                    self._broken("the connection was closed in place of an answer", at)
        except h11.RemoteProtocolError as error:
            self._broken(str(error), at)
        except StreamError as error:
            self._broken(str(error), at, 1009)

    def _head(self, response: h11.Response, at: float) -> None:
        assert self._post is not None
        self._answer = response
        problem = self._problem(response)
        if response.status_code >= 300 or problem or not self._is_stream_type(response):
            return
        owner = self._owner
        limit = owner.max_message_bytes
        self._stream = EventStream(limit) if owner.framing == "sse" else LineStream(limit)
        owner.answered(self._post, self._answered(response, b"", "", at), at)

    def _problem(self, response: h11.Response) -> str:
        """Why the answer is none that was asked for; "" for an error status, which says so itself."""
        assert self._post is not None
        status, given = response.status_code, _header(response, b"content-type") or "no content type"
        if 300 <= status < 400:
            place = _header(response, b"location").partition("?")[0][:_SHOWN]
            return f"HTTP {status}, a redirect to {place}; redirects are not followed"
        if status >= 400:
            return ""
        encoding = _header(response, b"content-encoding")
        if encoding.lower() not in ("", "identity"):
            return f"content-encoding {encoding[:_SHOWN]}, though identity was asked for"
        if self._post.streams and not self._is_stream_type(response):
            return f"HTTP {status} with {given[:_SHOWN]} in place of {MEDIA_TYPES[self._owner.framing][0]}"
        return ""

    def _is_stream_type(self, response: h11.Response) -> bool:
        media = _header(response, b"content-type").partition(";")[0].strip().lower()
        return media in MEDIA_TYPES[self._owner.framing]

    def _answered(self, response: h11.Response, body: bytes, problem: str, at: float) -> HttpAnswer:
        assert self._post is not None
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw_items()
        )
        return HttpAnswer(self._post.label, response.status_code, headers, at - self._asked_at, body, problem)

    def _data(self, data: bytes, at: float) -> None:
        stream = self._stream
        if stream is None:
            self._body += data
            if len(self._body) > _MOST_BODY_BYTES:
                self._complete(at, whole=False)
        elif isinstance(stream, LineStream):
            if lines := stream.feed(data):
                self._owner.messages(lines, at)
        else:
            events = stream.feed(data)
            if events:
                self._events(events, at)
            if stream.comments:
                comments, stream.comments = stream.comments, []
                for comment in comments:
                    self._owner.other("comment", comment, at)

    def _events(self, events: Sequence[StreamEvent], at: float) -> None:
        owner = self._owner
        if owner.envelope:
            owner.messages([_block(event) for event in events], at)
            return
        for name, _, last_id in events:
            if len(name) >= _SEARCHED_FROM:
                owner.other("event", name, at)
            if len(last_id) >= _SEARCHED_FROM:
                owner.other("id", last_id, at)
        owner.messages([event.data for event in events], at)

    def _complete(self, at: float, *, whole: bool = True) -> None:
        """The answer has ended, or (not `whole`) as much of its body came as is read."""
        post, response, stream = self._post, self._answer, self._stream
        assert post is not None
        assert response is not None
        owner = self._owner
        if stream is None:
            owner.answered(post, self._answered(response, bytes(self._body), self._problem(response), at), at)
        else:
            if isinstance(stream, LineStream) and (lines := stream.finish()):
                owner.messages(lines, at)
            owner.stream_ended(post, at)
        self._post = self._answer = self._stream = None
        self._body = bytearray()
        self.idle_at = at
        if whole and self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE:
            self._h11.start_next_cycle()
        else:
            self.is_usable = False
            self.close()
        owner.freed(self, at)

    def _broken(self, reason: str, at: float, code: int | None = None) -> None:
        self.is_usable = False
        self._post = None
        self._owner.broken(reason, at, code)

    # How it ends ----------------------------------------------------------------------------------------------

    def eof_received(self) -> None:
        """The server sends nothing more; the body of some answers ends so."""
        if self._post is not None:
            self._h11.receive_data(b"")
            self._read(monotonic())
        self.is_usable = False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection of the operating system is gone."""
        if self._post is not None:
            if exc is not None:
                self._broken(str(exc) or "the connection was reset", monotonic())
            else:
                self.eof_received()
        self.is_usable = False
        self.transport = None
        self._owner.gone(self)

    def close(self) -> None:
        """Ends the connection."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Cuts the connection; what is under way on it is not reported."""
        self.is_usable = False
        self._post = None
        if self.transport is not None:
            self.transport.abort()

    def stop_reading(self) -> None:
        """Reads nothing more."""
        if self.transport is not None and self._is_reading:
            self._is_reading = False
            self.transport.pause_reading()

    def pause_writing(self) -> None:
        """More is buffered than the server reads."""
        self.is_full = True
        self._owner.changed()

    def resume_writing(self) -> None:
        """The connection takes more again."""
        self.is_full = False
        self._owner.changed()


def _header(response: h11.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for given, value in response.headers if given == name), "")


def _block(event: StreamEvent) -> bytes:
    """The event as the codecs sse and sse-envelope read it."""
    name = b"event: %b\n" % event.name if event.name else b""
    last_id = b"id: %b\n" % event.last_id if event.last_id else b""
    data = b"".join(b"data: %b\n" % line for line in event.data.split(b"\n"))
    return name + last_id + data + b"\n"
