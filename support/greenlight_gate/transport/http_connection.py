"""One HTTP/1.1 connection of a client: one request after the other, and what is read of each answer."""

import asyncio
import time
from typing import Protocol, cast

from greenlight_gate.transport.answer_reader import UNPARSED, AnswerReader, BrokenAnswer
from greenlight_gate.transport.exchange import BODILESS, HttpExchange, StreamOwner, check_request
from greenlight_gate.transport.interface import Post
from greenlight_gate.wire.event_stream import StreamError

monotonic = time.monotonic


class PoolOwner(StreamOwner, Protocol):
    """The pool that a connection belongs to."""

    def read(self, at: float) -> None:
        """All of one read has been handed over."""

    def freed(self, at: float) -> None:
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
        "_exchange", "_has_begun", "_head", "_host", "_is_reading", "_like", "_owner", "_reader", "idle_at", "is_full",
        "is_usable", "transport",
    )  # fmt: skip
    multiplexes = False
    one_at_a_time = False

    def __init__(self, owner: PoolOwner, host: str) -> None:
        self._owner = owner
        self._host = host
        self._reader = AnswerReader()
        self._exchange = HttpExchange(owner)
        # The latest request, and its head: those of a load are alike.
        self._like: Post | None = None
        self._head = b""
        self._has_begun = False
        self._is_reading = True
        self.transport: asyncio.Transport | None = None
        self.is_usable = True
        self.is_full = False
        self.idle_at = monotonic()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way on a connection that can still be used."""
        return self.is_usable and self._exchange.post is None and self.transport is not None

    @property
    def takes_more(self) -> bool:
        """Whether a request can be sent on it: one after the other."""
        return self.is_idle

    @property
    def is_busy(self) -> bool:
        """Whether an answer is under way."""
        return self._exchange.post is not None

    @property
    def unanswered(self) -> int:
        """How many requests wait for an answer that is no stream."""
        return int(self._exchange.is_unanswered)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection of the operating system is open."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's classes are not asyncio's

    async def settle(self) -> None:
        """Nothing has to come before a request."""

    def request(self, post: Post, body: bytes, *, again: bool = False) -> None:
        """Sends a request, `again` as at first. Raises NotOpened for a path or headers that HTTP does not allow."""
        del again
        assert self.is_idle, "one request at a time"
        assert self.transport is not None
        like = self._like
        if like is None or like.headers is not post.headers or like.path != post.path or like.method != post.method:
            self._head = _head(self._host, post)
            self._like = post
        self._exchange.ask(post)
        self._has_begun = False
        if post.method in BODILESS:
            self.transport.write(b"%b\r\n" % self._head)
        else:
            self.transport.write(b"%bContent-Length: %d\r\n\r\n%b" % (self._head, len(body), body))

    # What comes -----------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes have been read: they are stamped at once."""
        at = monotonic()
        reader, exchange = self._reader, self._exchange
        if exchange.post is None:
            # A server that speaks without being asked: what it says belongs to no request.
            self.abort()
            return
        problem = ""
        try:
            if self._has_begun:
                reader.parse(data)
            else:
                reader.feed(data)
        except BrokenAnswer as error:
            problem = str(error)
        except UNPARSED as error:
            problem = reader.problem(error, data)
        parts = reader.parts
        if not self._has_begun or reader.is_complete or problem or len(parts) != 1:
            self._take(at, problem)
            return
        # Nearly all reads: one chunk of a body that goes on. There are tens of thousands a second.
        part = parts.pop()
        try:
            if not exchange.data(part, at):
                self._complete(at, whole=False)
        except StreamError as error:
            self._broken(str(error), at, 1009)
            return
        self._owner.read(at)

    def _take(self, at: float, problem: str) -> None:
        """Hands over what was read of the answer, up to the `problem` that ends it."""
        reader, exchange = self._reader, self._exchange
        try:
            if reader.has_head and not self._has_begun:
                self._has_begun = True
                if not exchange.begin(reader, at):
                    exchange.data(reader.take_body(), at)
                    self._complete(at, whole=False)
            if reader.parts and exchange.post is not None and not exchange.data(reader.take_body(), at):
                self._complete(at, whole=False)
        except StreamError as error:
            self._broken(str(error), at, 1009)
            return
        if exchange.post is not None:
            if reader.is_complete:
                self._complete(at)
            elif problem:
                self._broken(problem, at)
        self._owner.read(at)

    def _complete(self, at: float, *, whole: bool = True) -> None:
        """The answer has ended, or (not `whole`) as much of its body came as is read."""
        reader = self._reader
        self._exchange.complete(at)
        self.idle_at = at
        if whole and reader.keeps_open and not reader.began_another:
            reader.expect()
        else:
            self.is_usable = False
            self.close()
        self._owner.freed(at)

    def _broken(self, reason: str, at: float, code: int | None = None) -> None:
        self.is_usable = False
        self._exchange.post = None
        self._owner.broken(reason, at, code)

    # How it ends ----------------------------------------------------------------------------------------------

    def eof_received(self) -> None:
        """The server sends nothing more; the body of some answers ends so."""
        if self._exchange.post is not None:
            problem = ""
            try:
                self._reader.finish()
            except BrokenAnswer as error:
                problem = str(error)
            self._take(monotonic(), problem)
        self.is_usable = False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection of the operating system is gone."""
        if self._exchange.post is not None:
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

    def close_stream(self, label: str) -> bool:
        """Closes the stream that answers the request of this label, which ends the connection; False if it is none."""
        post = self._exchange.post
        if post is None or not post.streams or post.label != label:
            return False
        self.abort()
        return True

    def abort(self) -> None:
        """Cuts the connection; what is under way on it is not reported."""
        self.is_usable = False
        self._exchange.post = None
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
    check_request(post)
    fields = [f"{name}: {value}" for name, value in (("Host", host), *post.headers)]
    return "\r\n".join([f"{post.method} {post.path} HTTP/1.1", *fields, ""]).encode("latin-1")
