"""A tab that speaks HTTP: each message is a request, whose answer may stream; one pool of connections of its own.

Several requests may be under way, by HTTP/1.1 each on a connection, by HTTP/2 all on one. Which of the two is spoken is
chosen with TLS, or by the target. No connection is ever shared with another tab or user. Of a channel, the answer to
the request that opens the tab is the stream of all events, and the tab is as long as that.
"""

import asyncio
import contextlib
import ssl
import time
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from greenlight_gate.findings import printable
from greenlight_gate.targets.sections import HttpVersion
from greenlight_gate.transport.exchange import check_request
from greenlight_gate.transport.http_connection import HttpConnection
from greenlight_gate.transport.interface import (
    Accepted,
    ConnectionEnded,
    ConnectionLimits,
    Ending,
    HttpAnswer,
    NotOpened,
    Post,
    Receiver,
)
from greenlight_gate.wire.by_http import MEDIA_TYPES, Framing

if TYPE_CHECKING:
    from greenlight_gate.transport.http2_connection import Http2Connection

    AnyConnection = HttpConnection | Http2Connection

monotonic = time.monotonic
# Servers close idle connections, after 2 s or more: an older one is not used again, as it may lose a POST.
_IDLE_S = 1.0
_SHOWN = 200
_LIMIT_EXCEEDED = 1008
_REDIRECTS = 300
# Shorter fields and comments hold neither a canary nor a token.
_LEAST_SEARCHED = 16


class _Negotiated(asyncio.Protocol):
    """Gives way to the protocol that was agreed upon with TLS (RFC 7301), before anything is read."""

    def __init__(self, tab: "HttpStreams") -> None:
        self._tab = tab
        self.connection: AnyConnection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TLS handshake is done."""
        agreed = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        self.connection = connection = self._tab.speaking("2" if agreed == "h2" else "1.1")
        cast("asyncio.Transport", transport).set_protocol(connection)
        connection.connection_made(transport)


class HttpStreams:
    """A pool of connections as `interface.Transport` describes it; it ends when one of them ends inside an answer.

    `url`: of the target; the path of each request is below its origin. `opening`: the request that opens the tab, whose
    answer is its first message or its channel; without one, a connection is opened and nothing is sent. `envelope`:
    messages are whole events, with their names and ids, and not only their data. `expects_refusal`: the server has to
    refuse the channel, and the requests beside it as well, so that the tab is open after a refusal too. `http_version`:
    the only one that is spoken; "": by TLS what the server chooses, else 1.1.
    """

    def __init__(
        self, receiver: Receiver, url: str, *, opening: Post | None, framing: Framing, envelope: bool,
        max_message_bytes: int, limits: ConnectionLimits | None = None, is_channel: bool = False,
        expects_refusal: bool = False, http_version: HttpVersion = "",
    ) -> None:  # fmt: skip
        parts = urlsplit(url)
        self.receiver = receiver
        self.framing = framing
        self.envelope = envelope
        self.max_message_bytes = max_message_bytes
        self.is_open = False
        self.can_send = False
        self.frames = 0
        self.pings = 0
        self._secure = parts.scheme in ("https", "wss")
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._netloc = parts.netloc
        self._opening = opening
        self._is_channel = is_channel
        self._expects_refusal = expects_refusal
        self.first_id = self.last_id = b""
        self._opened: asyncio.Future[None] | None = None
        self._limits = limits
        self._received_bytes = 0
        self._tls: ssl.SSLContext | None = None
        self._via: tuple[str, int] | None = None
        self._source = ""
        self._http_version = http_version
        self._connections: list[AnyConnection] = []
        self._connecting: set[asyncio.Task[None]] = set()
        # By HTTP/2, all requests that are sent until its connection is open.
        self.multiplexes = False
        # As the latest connection has it.
        self.one_at_a_time = False
        self._to_send: list[tuple[Post, bytes, bool]] = []
        self._ending: Ending | None = None
        self._changed: asyncio.Event | None = None
        self._reads = True
        self._is_gone = False

    # Opening --------------------------------------------------------------------------------------------------

    async def open(
        self, *, tls: ssl.SSLContext | None = None, via: tuple[str, int] | None = None, source: str = ""
    ) -> None:
        """Opens the tab; returns after `on_open`. Cancelled, it leaves nothing open. Raises NotOpened, OSError."""
        assert not self._secure or tls is not None, "https:// is never asked for without TLS"
        self._tls, self._via, self._source = tls, via, source
        opening = self._opening
        try:
            connection = await self._connect()
            if opening is None:
                self._accept(Accepted((), None, b""), monotonic())
                return
            self._opened = asyncio.get_running_loop().create_future()
            connection.request(opening, b"")
            await self._opened
        except BaseException:
            if self._opened is not None and self._opened.done() and not self._opened.cancelled():
                self._opened.exception()  # or asyncio would report it as never retrieved
            self.abort()
            raise
        finally:
            self._opened = None

    def _accept(self, accepted: Accepted, at: float) -> None:
        self.is_open = self.can_send = True
        try:
            self.receiver.on_open(accepted, at)
        except BaseException:
            self.is_open = self.can_send = False
            raise

    async def _connect(self) -> "AnyConnection":
        host, port = self._via or (self._host, self._port)
        prior: HttpVersion = "2" if self._http_version == "2" else "1.1"
        _, protocol = await asyncio.get_running_loop().create_connection(
            lambda: _Negotiated(self) if self._secure else self.speaking(prior), host, port,
            ssl=self._tls if self._secure else None, server_hostname=self._host if self._secure else None,
            local_addr=(self._source, 0) if self._source else None,
        )  # fmt: skip
        connection = protocol.connection if isinstance(protocol, _Negotiated) else protocol
        self._connections.append(connection)
        self.multiplexes = connection.multiplexes
        if self._http_version == "2" and not self.multiplexes:
            connection.abort()
            raise NotOpened("HTTP/1.1 was chosen with TLS, and not HTTP/2")
        if not self._reads:
            connection.stop_reading()
        await connection.settle()
        self.one_at_a_time = connection.one_at_a_time
        return connection

    def speaking(self, version: HttpVersion) -> "AnyConnection":
        """A connection that speaks this version of HTTP, still to be opened."""
        if version == "2":
            # Imported here: most targets and all over a WebSocket do without, and start sooner.
            from greenlight_gate.transport.http2_connection import Http2Connection  # noqa: PLC0415

            return Http2Connection(self, self._netloc, secure=self._secure)
        return HttpConnection(self, self._netloc)

    # What comes -----------------------------------------------------------------------------------------------

    def streams(self, post: Post) -> bool:
        """Whether the answer to this request may be a stream of messages: beside a channel, none is."""
        return not self._is_channel or post is self._opening

    def answered(self, post: Post, answer: HttpAnswer, at: float) -> None:
        """The head of an answer came, and all of it if it is not a stream."""
        if post is self._opening:
            self._take_opening(answer, at)
        elif self.is_open:
            self._count(0)
            self.receiver.on_answer(answer, at)

    def _take_opening(self, answer: HttpAnswer, at: float) -> None:
        opened = self._opened
        if opened is None or opened.done():
            return
        if answer.status >= _REDIRECTS or answer.problem:
            if self._is_channel and self._expects_refusal:
                self._accept(Accepted((), None, b""), at)
                opened.set_result(None)
                self.receiver.on_answer(answer, at)
                return
            text = answer.body[:_SHOWN].decode(errors="replace").strip()
            said = answer.problem or f"HTTP {answer.status}{f': {text}' if text else ''}"
            opened.set_exception(NotOpened(printable(said), answer.status, answer.headers, answer.body))
            return
        try:
            self._accept(Accepted(answer.headers, None, answer.head), at)
        except Exception as error:  # noqa: BLE001 -- the caller that opens the tab gets it
            opened.set_exception(error)
            return
        opened.set_result(None)
        if answer.body.strip():
            self.messages([answer.body], at)

    def messages(self, texts: list[bytes], at: float) -> None:
        """Messages came."""
        if not self.is_open:
            return
        if self._limits is None:
            self.frames += len(texts)
            self.receiver.on_texts(texts, at)
            return
        excess, taken = "", texts
        for count, text in enumerate(texts):
            excess = self._count(len(text))
            if excess:
                taken = texts[:count]
                break
        if taken:
            self.receiver.on_texts(taken, at)
        if excess and self.is_open:
            self.give_up(excess)

    def other(self, kind: str, data: bytes, at: float) -> None:
        """A comment, which is a heartbeat too, or a field that may hold something."""
        if not self.is_open:
            return
        excess = self._count(len(data))
        self.pings += kind == "comment"
        if len(data.strip()) >= _LEAST_SEARCHED:
            self.receiver.on_other(kind, data, at)
        if excess and self.is_open:
            self.give_up(excess)

    def stream_ended(self, post: Post, at: float) -> None:
        """The stream that answers this request has ended, and with a channel the tab."""
        if self.is_open and self._is_channel:
            self._end(Ending("server", None, "the event stream has ended"), at)
            self._abort_all()
        elif self.is_open:
            self._count(0)
            self.receiver.on_stream_end(post.label, at)

    def stream_reset(self, post: Post, error: str, at: float) -> None:
        """The server has given up the stream that answers this request; others go on, without a channel in vain."""
        if self.is_open and self._is_channel:
            self.broken(f"its stream was reset, {error}", at)
        elif self.is_open:
            self._count(0)
            self.receiver.on_stream_end(post.label, at, error)

    def control(self, at: float) -> None:
        """A frame came that belongs to no answer."""
        del at
        if self.is_open and (excess := self._count(0)):
            self.give_up(excess)

    def waits(self, at: float, *, over: bool) -> None:
        """Requests wait, for the server allows no more at the same time; `over`: none waits any longer."""
        if self.is_open:
            self.receiver.on_wait(at, over=over)

    def read(self, at: float) -> None:
        """All of one read has been handed over."""
        if self.is_open:
            self.receiver.on_read(at)

    def _count(self, size: int) -> str:
        """Counts what came; says which limit it exceeds."""
        self.frames += 1
        self._received_bytes += size
        limits = self._limits
        return "" if limits is None else limits.excess(self.frames, self._received_bytes, "messages")

    # Sending --------------------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether more is buffered than the server reads."""
        return any(connection.is_full for connection in self._connections)

    @property
    def first_event_id(self) -> str:
        """The first id that an event had."""
        return self.first_id.decode("latin-1")

    @property
    def last_event_id(self) -> str:
        """The id of the last event; in a header it is the bytes that came (HTML, section 9.2.3)."""
        return self.last_id.decode("latin-1")

    @property
    def unanswered(self) -> int:
        """How many requests wait for an answer that is no stream, or for a connection."""
        return len(self._connecting) + sum(connection.unanswered for connection in self._connections)

    @property
    def notices_loss(self) -> bool:
        """Whether an answer is under way, whose connection would be missed."""
        return any(connection.is_busy for connection in self._connections)

    def send(self, data: bytes, *, text: bool = True, post: Post | None = None) -> None:
        """Sends one message as the body of a request. Raises ConnectionEnded, NotOpened for what HTTP does not know."""
        assert post is not None, "a message by HTTP has an address"
        if not self.can_send:
            raise ConnectionEnded
        self._close_old(monotonic())
        self._send(post, data)

    def _send(self, post: Post, data: bytes, *, again: bool = False) -> None:
        for connection in self._connections:
            if connection.takes_more:
                connection.request(post, data, again=again)
                return
        check_request(post)
        if self.multiplexes:
            self._to_send.append((post, data, again))
            if self._connecting:
                return
        task = asyncio.get_running_loop().create_task(self._connect_and_request(post, data))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect_and_request(self, post: Post, data: bytes) -> None:
        is_queued = self.multiplexes
        try:
            connection = await self._connect()
        except OSError as error:
            self.broken(error.strerror or str(error) or type(error).__name__, monotonic())
            return
        except NotOpened as error:
            self.broken(str(error), monotonic())
            return
        if not self.can_send and self._opened is None:
            connection.abort()
        elif not is_queued:
            connection.request(post, data)
        else:
            to_send, self._to_send = self._to_send, []
            for each, body, again in to_send:
                self._send(each, body, again=again)

    def close_stream(self, label: str) -> bool:
        """Closes the stream that answers the request of this label; False if there is none."""
        return any(connection.close_stream(label) for connection in self._connections)

    def again(self, post: Post, body: bytes) -> None:
        """The server says that it has not begun with this request: another connection carries it."""
        if self.can_send or self._opened is not None:
            self._send(post, body, again=True)

    def ping(self) -> None:
        """HTTP has no pings of users: nobody asks for one. Raises ConnectionEnded."""
        raise ConnectionEnded("HTTP has no pings")

    async def drained(self) -> None:
        """Waits while the connection is full. Raises ConnectionEnded."""
        while self.is_full:
            await self._change()
        if not self.is_open:
            raise ConnectionEnded

    def stop_reading(self) -> None:
        """Reads nothing more, as if the network were very slow."""
        self._reads = False
        for connection in self._connections:
            connection.stop_reading()

    # Ending ---------------------------------------------------------------------------------------------------

    def freed(self, at: float) -> None:
        """An answer is complete: its connection may take the next request."""
        self._close_old(at)

    def _close_old(self, at: float) -> None:
        """Closes connections that have been idle for too long to be used again."""
        for connection in self._connections:
            if connection.is_idle and at - connection.idle_at >= _IDLE_S:
                connection.is_usable = False
                connection.close()

    def broken(self, reason: str, at: float, code: int | None = None) -> None:
        """A connection ended in the middle of an answer, or cannot be read on: the tab has ended."""
        opened = self._opened
        if opened is not None and not opened.done():
            opened.set_exception(NotOpened(printable(f"no HTTP answer ({reason})"[:_SHOWN])))
        self._end(Ending("nobody" if code is None else "client", code, printable(reason)[:_SHOWN]), at)
        self._abort_all()

    def close(self) -> None:
        """Closes the tab: its connections are closed, also those with a stream under way."""
        if self.can_send:
            self._leave(Ending("client", None, ""))

    def give_up(self, reason: str) -> None:
        """Ends the tab, because a limit was exceeded."""
        self._end(Ending("client", _LIMIT_EXCEEDED, reason), monotonic())
        self._abort_all()

    def abort(self) -> None:
        """Cuts all connections."""
        self._leave(Ending("nobody", None, ""))

    def _leave(self, ending: Ending) -> None:
        self.can_send = False
        self._ending = self._ending or ending
        self._abort_all()
        if not self._connections:
            asyncio.get_running_loop().call_soon(self._all_gone)

    def _abort_all(self) -> None:
        for task in self._connecting:
            task.cancel()
        for connection in self._connections:
            connection.abort()

    def gone(self, connection: "AnyConnection") -> None:
        """A connection of the operating system is gone."""
        if connection in self._connections:
            self._connections.remove(connection)
        if not self._connections and (self._ending is not None or not self.is_open):
            self._all_gone()
        self.changed()

    def _all_gone(self) -> None:
        self._end(self._ending or Ending("nobody", None, ""), monotonic())
        if not self._is_gone:
            self._is_gone = True
            self.receiver.on_gone()
        self.changed()

    def _end(self, ending: Ending, at: float) -> None:
        if self.is_open:
            self._ending = ending
            self.is_open = self.can_send = False
            self.receiver.on_close(ending, at)

    async def wait_gone(self, timeout_s: float) -> None:
        """Waits until all connections of the operating system are gone, and cuts them after `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._connections or self.is_open:
                    await self._change()
            return
        self.abort()
        while self._connections:
            await self._change()

    def changed(self) -> None:
        """Something has changed that is waited for."""
        if self._changed is not None:
            self._changed.set()

    async def _change(self) -> None:
        changed = self._changed = self._changed or asyncio.Event()
        changed.clear()
        await changed.wait()


def accepts(framing: Framing) -> str:
    """The `Accept` header of requests whose answer streams."""
    return f"{MEDIA_TYPES[framing][0]}, application/json;q=0.9"
