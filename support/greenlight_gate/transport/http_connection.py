"""One HTTP/1.1 connection of a client: one request after the other, and what is read of each answer.

An answer is a stream of messages (server-sent events or lines of JSON), or a body that is read whole.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Literal, Protocol, cast

from greenlight_gate.findings import printable
from greenlight_gate.transport.answer_reader import AnswerReader, BrokenAnswer
from greenlight_gate.transport.interface import HttpAnswer, NotOpened, Post
from greenlight_gate.wire.event_stream import EventStream, LineStream, StreamError, StreamEvent

monotonic = time.monotonic
Framing = Literal["sse", "ndjson"]
MEDIA_TYPES = {
    "sse": ("text/event-stream",),
    "ndjson": ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"),
}
_MOST_BODY_BYTES = 262_144
# Shorter fields and comments hold neither a canary nor a token.
_SEARCHED_FROM = 16
_SHOWN = 200
_REDIRECT, _ERROR = 300, 400
# RFC 9110 sections 5.1 and 5.5, RFC 9112 section 3.2: what a request may hold.
_TARGET = re.compile(r"[\x21-\x7e]+")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_BODILESS = ("GET", "DELETE")


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

    def read(self, at: float) -> None:
        """All of one read has been handed over."""

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
        "_asked_at", "_body", "_has_begun", "_head", "_host", "_is_reading", "_like", "_owner", "_post", "_reader",
        "_stream", "idle_at", "is_full", "is_usable", "transport",
    )  # fmt: skip

    def __init__(self, owner: StreamOwner, host: str) -> None:
        self._owner = owner
        self._host = host
        self._reader = AnswerReader()
        self._post: Post | None = None
        # The latest request, and its head: those of a load are alike.
        self._like: Post | None = None
        self._head = b""
        self._asked_at = 0.0
        self._has_begun = False
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
        like = self._like
        if like is None or like.headers is not post.headers or like.path != post.path or like.method != post.method:
            self._head = _head(self._host, post)
            self._like = post
        self._post, self._asked_at, self._has_begun = post, monotonic(), False
        if post.method in _BODILESS:
            self.transport.write(b"%b\r\n" % self._head)
        else:
            self.transport.write(b"%bContent-Length: %d\r\n\r\n%b" % (self._head, len(body), body))

    # What comes -----------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes have been read: they are stamped at once."""
        at = monotonic()
        if self._post is None:
            # A server that speaks without being asked: what it says belongs to no request.
            self.abort()
            return
        problem = ""
        try:
            self._reader.feed(data)
        except BrokenAnswer as error:
            problem = str(error)
        self._take(at, problem)

    def _take(self, at: float, problem: str) -> None:
        """Hands over what was read of the answer, up to the `problem` that ends it."""
        reader, owner = self._reader, self._owner
        try:
            if reader.has_head and not self._has_begun:
                self._has_begun = True
                self._begin(at)
            if reader.parts and self._post is not None:
                self._data(reader.take_body(), at)
        except StreamError as error:
            if error.before:
                self._events(error.before, at)
            self._broken(str(error), at, 1009)
            return
        if self._post is not None and reader.is_complete:
            self._complete(at)
        elif self._post is not None and problem:
            self._broken(problem, at)
        owner.read(at)

    def _begin(self, at: float) -> None:
        """The head of the answer came."""
        post, owner = self._post, self._owner
        assert post is not None
        if not self._is_stream():
            if post.streams and self._encoding():
                # Nothing of it can be read, and it may never end.
                self._body += self._reader.take_body()
                self._complete(at, whole=False)
            return
        limit = owner.max_message_bytes
        self._stream = EventStream(limit) if owner.framing == "sse" else LineStream(limit)
        owner.answered(post, self._answered(b"", "", at), at)

    def _is_stream(self) -> bool:
        """Whether the answer is a stream of messages."""
        reader = self._reader
        named = reader.named
        if reader.status >= _REDIRECT or self._encoding():
            return False
        media = named.get(b"content-type", b"").partition(b";")[0].strip().lower()
        return media.decode("latin-1") in MEDIA_TYPES[self._owner.framing]

    def _encoding(self) -> str:
        """The content encoding of the answer, which was not asked for; "" without one."""
        encoding = self._reader.header(b"content-encoding")
        return "" if encoding.lower() == "identity" else encoding

    def _problem(self) -> str:
        """Why the answer is none that was asked for; "" for an error status, which says so itself."""
        assert self._post is not None
        reader = self._reader
        status = reader.status
        if _REDIRECT <= status < _ERROR:
            place = reader.header(b"location").partition("?")[0][:_SHOWN]
            return f"HTTP {status}, a redirect to {place}; redirects are not followed"
        if status >= _ERROR:
            return ""
        if encoding := self._encoding():
            return f"content-encoding {encoding[:_SHOWN]}, though identity was asked for"
        if self._post.streams and not self._is_stream():
            given = reader.header(b"content-type") or "no content type"
            return f"HTTP {status} with {given[:_SHOWN]} in place of {MEDIA_TYPES[self._owner.framing][0]}"
        return ""

    def _answered(self, body: bytes, problem: str, at: float) -> HttpAnswer:
        assert self._post is not None
        reader = self._reader
        return HttpAnswer(self._post.label, reader.status, reader.fields, at - self._asked_at, body, problem)

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
        for name, data, last_id in events:
            # Most servers name an event in its data as well, which is searched anyway.
            if len(name) >= _SEARCHED_FROM and name not in data:
                owner.other("event", name, at)
            if len(last_id) >= _SEARCHED_FROM:
                owner.other("id", last_id, at)
        owner.messages([event.data for event in events], at)

    def _complete(self, at: float, *, whole: bool = True) -> None:
        """The answer has ended, or (not `whole`) as much of its body came as is read."""
        post, stream, reader = self._post, self._stream, self._reader
        assert post is not None
        owner = self._owner
        if stream is None:
            owner.answered(post, self._answered(bytes(self._body), self._problem(), at), at)
        else:
            if isinstance(stream, LineStream) and (lines := stream.finish()):
                owner.messages(lines, at)
            owner.stream_ended(post, at)
        self._post = self._stream = None
        if self._body:
            self._body = bytearray()
        self.idle_at = at
        if whole and reader.keeps_open and not reader.began_another:
            reader.expect()
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
            problem = ""
            try:
                self._reader.finish()
            except BrokenAnswer as error:
                problem = str(error)
            self._take(monotonic(), problem)
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


def _head(host: str, post: Post) -> bytes:
    """The head of a request, as far as it is the same for each body. Raises NotOpened."""
    which = f"{post.method} {post.path[:_SHOWN]!r} cannot be requested"
    if not _TARGET.fullmatch(post.path):
        raise NotOpened(f"{which}: HTTP does not allow this path")
    for name, value in post.headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise NotOpened(f"{which}: HTTP does not allow what is in the header {printable(name)[:_SHOWN]!r}")
    fields = [f"{name}: {value}" for name, value in (("Host", host), *post.headers)]
    return "\r\n".join([f"{post.method} {post.path} HTTP/1.1", *fields, ""]).encode("latin-1")


def _block(event: StreamEvent) -> bytes:
    """The event as the codecs sse and sse-envelope read it."""
    name = b"event: %b\n" % event.name if event.name else b""
    last_id = b"id: %b\n" % event.last_id if event.last_id else b""
    data = b"".join(b"data: %b\n" % line for line in event.data.split(b"\n"))
    return name + last_id + data + b"\n"
