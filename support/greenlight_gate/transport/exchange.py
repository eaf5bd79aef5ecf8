"""One request by HTTP and what is read of its answer: a stream of messages, or a body that is read whole.

A stream consists of server-sent events or of lines of JSON. Which version of HTTP carries it does not matter.
"""

import re
import time
from collections.abc import Sequence
from typing import Protocol

from greenlight_gate.findings import printable
from greenlight_gate.transport.interface import HttpAnswer, NotOpened, Post
from greenlight_gate.wire.by_http import MEDIA_TYPES, Framing
from greenlight_gate.wire.event_stream import EventStream, LineStream, StreamError, StreamEvent

monotonic = time.monotonic
BODILESS = ("GET", "DELETE")
_MOST_BODY_BYTES = 262_144
# Shorter fields and comments hold neither a canary nor a token.
_SEARCHED_FROM = 16
_SHOWN = 200
_REDIRECT, _ERROR = 300, 400
# RFC 9110 sections 5.1 and 5.5, RFC 9112 section 3.2: what a request may hold.
_TARGET = re.compile(r"[\x21-\x7e]+")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")


class StreamOwner(Protocol):
    """The tab that a request belongs to, and that passes on what came. `at`: when it was read."""

    framing: Framing
    envelope: bool
    max_message_bytes: int
    first_id: bytes
    last_id: bytes

    def streams(self, post: Post) -> bool:
        """Whether the answer to this request may be a stream of messages."""

    def answered(self, post: Post, answer: HttpAnswer, at: float) -> None:
        """The head of an answer came, and all of it if it is not a stream."""

    def messages(self, texts: list[bytes], at: float) -> None:
        """Messages came."""

    def other(self, kind: str, data: bytes, at: float) -> None:
        """Something other than a message came."""

    def stream_ended(self, post: Post, at: float) -> None:
        """The stream that answers this request has ended."""

    def stream_reset(self, post: Post, error: str, at: float) -> None:
        """The server has given up the stream that answers this request (HTTP/2)."""


class Head(Protocol):
    """The head of an answer: its status and headers, as they came and by their names in lower case (the first)."""

    @property
    def status(self) -> int:
        """Of three digits, or nearly so."""

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """All headers."""

    @property
    def named(self) -> dict[bytes, bytes]:
        """The first header of each name."""

    @property
    def version(self) -> str:
        """The version of HTTP."""


class HttpExchange:
    """A request and its answer. `post`: the request that is under way; None: none is, or the answer is complete."""

    __slots__ = ("_asked_at", "_body", "_head", "_owner", "_stream", "post")

    def __init__(self, owner: StreamOwner) -> None:
        self._owner = owner
        self.post: Post | None = None
        self._asked_at = 0.0
        self._head: Head | None = None
        self._stream: EventStream | LineStream | None = None
        self._body = bytearray()

    @property
    def is_unanswered(self) -> bool:
        """Whether a request is under way whose answer is no stream, and not complete."""
        return self.post is not None and not self.post.streams

    def ask(self, post: Post) -> None:
        """The request is sent now."""
        self.post, self._asked_at = post, monotonic()

    def begin(self, head: Head, at: float) -> bool:
        """The head of the answer came. Returns whether its body can be read: an encoded one may never end."""
        post, owner = self.post, self._owner
        assert post is not None
        self._head = head
        if not (owner.streams(post) and _is_stream(head, owner.framing)):
            return not (post.streams and _encoding(head))
        limit = owner.max_message_bytes
        self._stream = EventStream(limit) if owner.framing == "sse" else LineStream(limit)
        owner.answered(post, self._answered(b"", "", at), at)
        return True

    def data(self, data: bytes, at: float) -> bool:
        """Bytes of the body came. Returns whether more are read. Raises StreamError for a message that is too large."""
        stream = self._stream
        if stream is None:
            self._body += data
            return len(self._body) <= _MOST_BODY_BYTES
        if isinstance(stream, LineStream):
            if lines := stream.feed(data):
                self._owner.messages(lines, at)
            return True
        try:
            events = stream.feed(data)
        except StreamError as error:
            if error.before:
                self._events(error.before, at)
            raise
        owner = self._owner
        if stream.last_id and not owner.first_id:
            owner.first_id = next((event.last_id for event in events if event.last_id), b"")
        owner.last_id = stream.last_id
        if events:
            self._events(events, at)
        if stream.comments:
            comments, stream.comments = stream.comments, []
            for comment in comments:
                owner.other("comment", comment, at)
        return True

    def _events(self, events: Sequence[StreamEvent], at: float) -> None:
        owner = self._owner
        if owner.envelope:
            owner.messages([_block(event) for event in events], at)
            return
        texts: list[bytes] = []
        for name, data, last_id in events:
            texts.append(data)
            # Most servers name an event in its data as well, which is searched anyway.
            if len(name) >= _SEARCHED_FROM and name not in data:
                owner.other("event", name, at)
            if len(last_id) >= _SEARCHED_FROM:
                owner.other("id", last_id, at)
        owner.messages(texts, at)

    def complete(self, at: float) -> None:
        """The answer has ended, or as much of its body came as is read."""
        post, stream, head, owner = self.post, self._stream, self._head, self._owner
        assert post is not None
        assert head is not None
        if stream is None:
            owner.answered(post, self._answered(bytes(self._body), _problem(head, post, owner.framing), at), at)
        else:
            if isinstance(stream, LineStream) and (lines := stream.finish()):
                owner.messages(lines, at)
            owner.stream_ended(post, at)
        self._over()

    def reset(self, error: str, at: float) -> None:
        """The server has given up the answer (HTTP/2, RFC 9113 section 5.4.2); the connection goes on."""
        post, head, owner = self.post, self._head, self._owner
        assert post is not None
        if self._stream is not None:
            owner.stream_reset(post, error, at)
        elif head is not None:
            problem = f"HTTP {head.status} whose stream was reset in the middle of the body ({error})"
            owner.answered(post, self._answered(bytes(self._body), problem, at), at)
        else:
            problem = f"a stream that was reset in place of an answer ({error})"
            owner.answered(post, HttpAnswer(post.label, 0, [], at - self._asked_at, b"", problem, "2"), at)
        self._over()

    def _over(self) -> None:
        self.post = self._stream = self._head = None
        if self._body:
            self._body = bytearray()

    def _answered(self, body: bytes, problem: str, at: float) -> HttpAnswer:
        assert self.post is not None
        assert self._head is not None
        head = self._head
        return HttpAnswer(self.post.label, head.status, head.fields, at - self._asked_at, body, problem, head.version)


def _is_stream(head: Head, framing: Framing) -> bool:
    """Whether the answer is a stream of messages."""
    if head.status >= _REDIRECT or _encoding(head):
        return False
    media = head.named.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return media.decode("latin-1") in MEDIA_TYPES[framing]


def _encoding(head: Head) -> str:
    """The content encoding of the answer, which was not asked for; "" without one."""
    encoding = head.named.get(b"content-encoding", b"").decode("latin-1")
    return "" if encoding.lower() == "identity" else encoding


def _problem(head: Head, post: Post, framing: Framing) -> str:
    """Why the answer is none that was asked for; "" for an error status, which says so itself."""
    status = head.status
    if _REDIRECT <= status < _ERROR:
        place = head.named.get(b"location", b"").decode("latin-1").partition("?")[0][:_SHOWN]
        return f"HTTP {status}, a redirect to {place}; redirects are not followed"
    if status >= _ERROR:
        return ""
    if encoding := _encoding(head):
        return f"content-encoding {encoding[:_SHOWN]}, though identity was asked for"
    if post.streams and not _is_stream(head, framing):
        given = head.named.get(b"content-type", b"").decode("latin-1") or "no content type"
        return f"HTTP {status} with {given[:_SHOWN]} in place of {MEDIA_TYPES[framing][0]}"
    return ""


def check_request(post: Post) -> None:
    """Raises NotOpened for a path or headers that HTTP does not allow."""
    which = f"{post.method} {post.path[:_SHOWN]!r} cannot be requested"
    if not _TARGET.fullmatch(post.path):
        raise NotOpened(f"{which}: HTTP does not allow this path")
    for name, value in post.headers:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise NotOpened(f"{which}: HTTP does not allow what is in the header {printable(name)[:_SHOWN]!r}")


def _block(event: StreamEvent) -> bytes:
    """The event as the codecs sse and sse-envelope read it."""
    name = b"event: %b\n" % event.name if event.name else b""
    last_id = b"id: %b\n" % event.last_id if event.last_id else b""
    data = b"".join(b"data: %b\n" % line for line in event.data.split(b"\n"))
    return name + last_id + data + b"\n"
