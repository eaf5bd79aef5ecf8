"""One HTTP/2 connection of a client: requests at the same time, each on a stream of its own (RFC 9113).

h2 keeps the state of the protocol. Frames are given to it one by one, so that what came before a broken one counts, and
GOAWAY is not: h2 would read nothing more, while the streams that the server still serves go on (section 6.8).
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, Protocol, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error, NoSuchStreamError
from h2.settings import SettingCodes, Settings

from greenlight_gate.transport.exchange import BODILESS, HttpExchange, StreamOwner, check_request
from greenlight_gate.transport.interface import NotOpened, Post
from greenlight_gate.wire.event_stream import StreamError

monotonic = time.monotonic
# Section 4.1: the length (3 bytes), type and flags of a frame, and its stream (4 bytes).
_HEAD_BYTES, _GOAWAY = 9, 7
_LEAST_GOAWAY_BYTES = 8
_LARGEST_FRAME_BYTES = 16_384
# How much a server may send before what it has sent is read: as much as browsers allow, or less.
_STREAM_WINDOW_BYTES = 1 << 20
_CONNECTION_WINDOW_BYTES = 1 << 24
_MOST_HEADER_BYTES = 65_536
_FULL_BYTES = 65_536
_SHOWN = 100
# Section 8.2.2: headers of a connection of HTTP/1.1.
_OF_A_CONNECTION = frozenset({"connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})


class MultiplexedOwner(StreamOwner, Protocol):
    """The tab that a connection belongs to."""

    def control(self, at: float) -> None:
        """A frame came that belongs to no answer."""

    def read(self, at: float) -> None:
        """All of one read has been handed over."""

    def freed(self, at: float) -> None:
        """An answer is complete."""

    def waits(self, at: float, *, over: bool) -> None:
        """Requests wait, for the server allows no more at the same time; `over`: no request waits any longer."""

    def again(self, post: Post, body: bytes) -> None:
        """The server says that it has not begun with this request, which another connection may carry."""

    def stream_reset(self, post: Post, error: str, at: float) -> None:
        """The server has given up the stream that answers this request."""

    def broken(self, reason: str, at: float, code: int | None = None) -> None:
        """The connection ended in the middle of an answer (code None), or cannot be read on."""

    def gone(self, connection: "Http2Connection") -> None:
        """The connection of the operating system is gone."""

    def changed(self) -> None:
        """It may be full now, or no longer."""


class _AnswerHead(NamedTuple):
    status: int
    fields: list[tuple[bytes, bytes]]
    named: dict[bytes, bytes]
    version: str = "2"


class _Stream:
    """A request, what is left of its body, and its answer. `again`: a server has refused to begin with it before."""

    __slots__ = ("again", "body", "exchange", "has_head", "left", "post")

    def __init__(self, owner: StreamOwner, post: Post, body: bytes, *, again: bool) -> None:
        self.exchange = HttpExchange(owner)
        self.post = post
        self.body = b"" if post.method in BODILESS else body
        self.left = memoryview(self.body)
        self.has_head = False
        self.again = again


class Http2Connection(asyncio.Protocol):
    """The only connection of a tab. `is_idle`: nothing is under way on it, since `idle_at`.

    It can be used once the server's settings have come (`settle`): only then is it known how many streams it allows,
    and that it speaks HTTP/2 at all.
    """

    multiplexes = True

    def __init__(self, owner: MultiplexedOwner, host: str, *, secure: bool) -> None:
        self._owner = owner
        self._usual = [(b":scheme", b"https" if secure else b"http"), (b":authority", host.encode("latin-1"))]
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._h2.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW_BYTES,
                SettingCodes.MAX_HEADER_LIST_SIZE: _MOST_HEADER_BYTES,
            },
        )
        self._rest = bytearray()
        self._streams: dict[int, _Stream] = {}
        self._waiting: deque[_Stream] = deque()
        self._has_waited = False
        self._farewell = ""
        self._is_paused = False
        self._is_reading = True
        self.transport: asyncio.Transport | None = None
        self._settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_usable = True
        self.idle_at = monotonic()

    @property
    def takes_more(self) -> bool:
        """Whether a request can be sent on it; it may have to wait."""
        return self.is_usable and self.transport is not None

    @property
    def is_busy(self) -> bool:
        """Whether an answer is under way."""
        return bool(self._streams or self._waiting)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way on a connection that can still be used."""
        return self.takes_more and not self.is_busy

    @property
    def one_at_a_time(self) -> bool:
        """Whether the server allows one stream at a time (SETTINGS_MAX_CONCURRENT_STREAMS)."""
        return self._h2.remote_settings.max_concurrent_streams == 1

    @property
    def unanswered(self) -> int:
        """How many requests that have been sent wait for an answer that is no stream."""
        return sum(stream.exchange.is_unanswered for stream in self._streams.values())

    @property
    def is_full(self) -> bool:
        """Whether more is buffered than the server reads, or than its windows allow."""
        return self._is_paused or any(len(stream.left) > _FULL_BYTES for stream in self._streams.values())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection of the operating system is open: our preface goes out."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's classes are not asyncio's
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_CONNECTION_WINDOW_BYTES)
        self._flush()

    async def settle(self) -> None:
        """Waits until requests can be sent. Raises NotOpened."""
        await self._settled

    # Sending --------------------------------------------------------------------------------------------------

    def request(self, post: Post, body: bytes, *, again: bool = False) -> None:
        """Sends a request, as soon as the server allows it. Raises NotOpened for what HTTP does not allow."""
        check_request(post)
        self._waiting.append(_Stream(self._owner, post, body, again=again))
        self._send_waiting(monotonic())
        self._flush()

    def _send_waiting(self, at: float) -> None:
        """Section 5.1.2: no more streams at the same time than the server allows; the others wait."""
        h2, waiting = self._h2, self._waiting
        while waiting and self.is_usable and h2.open_outbound_streams < h2.remote_settings.max_concurrent_streams:
            self._begin(waiting.popleft())
        if bool(waiting) is not self._has_waited:
            self._has_waited = bool(waiting)
            self._owner.waits(at, over=not waiting)

    def _begin(self, stream: _Stream) -> None:
        post, size = stream.post, len(stream.body)
        fields = [
            (name.lower().encode(), value.encode("latin-1")) for name, value in post.headers
            if name.lower() not in _OF_A_CONNECTION
        ]  # fmt: skip
        if post.method not in BODILESS:
            fields.append((b"content-length", b"%d" % size))
        stream_id = self._h2.get_next_available_stream_id()
        asked = [(b":method", post.method.encode()), *self._usual, (b":path", post.path.encode())]
        self._h2.send_headers(stream_id, [*asked, *fields], end_stream=not size)
        self._streams[stream_id] = stream
        stream.exchange.ask(post)
        self._send_body(stream_id, stream)

    def _send_body(self, stream_id: int, stream: _Stream) -> None:
        """Section 6.9: as much of the body as the windows of the server allow."""
        h2 = self._h2
        while stream.left:
            size = min(h2.local_flow_control_window(stream_id), h2.max_outbound_frame_size)
            if size <= 0:
                return
            part, stream.left = bytes(stream.left[:size]), stream.left[size:]
            h2.send_data(stream_id, part, end_stream=not stream.left)

    def _send_bodies(self) -> None:
        for stream_id, stream in self._streams.items():
            self._send_body(stream_id, stream)
        self._owner.changed()

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    # What comes -----------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes have been read: they are stamped at once."""
        at = monotonic()
        self._rest += data
        try:
            if not self._settled.done() and self._rest.startswith(b"HTTP/"):
                line = self._rest.partition(b"\r\n")[0][:_SHOWN].decode("latin-1")
                self._broken(f"{line} in place of HTTP/2", at)
                return
            for frame in self._frames():
                if frame[3] == _GOAWAY and len(frame) >= _HEAD_BYTES + _LEAST_GOAWAY_BYTES:
                    self._go_away(frame[_HEAD_BYTES:], at)
                    continue
                for event in self._h2.receive_data(frame):
                    self._take(event, at)
        except StreamError as error:
            self._broken(str(error), at, 1009)
            return
        except H2Error as error:
            self._flush()  # the server gets to know what was wrong
            self._broken(f"no HTTP/2: {_described(error)}", at)
            return
        self._flush()
        self._owner.read(at)

    def _frames(self) -> Iterator[bytes]:
        """The whole frames that have come, until the connection ends; one that is too large as far as it came."""
        rest, start = self._rest, 0
        try:
            while len(rest) - start >= _HEAD_BYTES and self.transport is not None and not self._is_over:
                size = _HEAD_BYTES + int.from_bytes(rest[start : start + 3])
                end = start + size if size <= _HEAD_BYTES + _LARGEST_FRAME_BYTES else len(rest)
                if end > len(rest):
                    return
                frame, start = bytes(rest[start:end]), end
                yield frame
        finally:
            del rest[:start]

    @property
    def _is_over(self) -> bool:
        return self.transport is None or self.transport.is_closing()

    def _take(self, event: Event, at: float) -> None:
        if self._is_over:
            return
        stream_id = getattr(event, "stream_id", None)
        stream = self._streams.get(stream_id) if stream_id else None
        if isinstance(event, DataReceived):
            self._data(event, stream, at)
        elif isinstance(event, ResponseReceived) and stream is not None:
            self._head(event, stream, at)
        elif isinstance(event, StreamEnded) and stream is not None:
            self._complete(stream_id, stream, at)
        elif isinstance(event, StreamReset) and stream is not None:
            self._reset(stream_id, stream, _name_of(event.error_code), at)
        else:
            if isinstance(event, RemoteSettingsChanged):
                if not self._settled.done():
                    self._settled.set_result(None)
                self._send_waiting(at)
            if isinstance(event, RemoteSettingsChanged | WindowUpdated):
                self._send_bodies()
            self._owner.control(at)

    def _head(self, event: ResponseReceived, stream: _Stream, at: float) -> None:
        fields = [(bytes(name), bytes(value)) for name, value in event.headers or ()]
        status = next((value for name, value in fields if name == b":status"), b"")
        if len(status) != 3 or not status.isdigit():
            self._broken(f"an answer with the status {status[:_SHOWN].decode('latin-1')!r}", at)
            return
        fields = [(name, value) for name, value in fields if not name.startswith(b":")]
        named: dict[bytes, bytes] = {}
        for name, value in fields:
            named.setdefault(name, value)
        stream.has_head = True
        if not stream.exchange.begin(_AnswerHead(int(status), fields, named), at):
            self._complete(event.stream_id, stream, at)

    def _data(self, event: DataReceived, stream: _Stream | None, at: float) -> None:
        if stream is not None and event.data:
            more = stream.exchange.data(event.data, at)
            if not more and event.stream_id in self._streams:
                self._complete(event.stream_id, stream, at)
        else:
            self._owner.control(at)
        # What was read may be sent again: a connection that reads nothing opens no window either.
        if event.flow_controlled_length:
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def _complete(self, stream_id: int | None, stream: _Stream, at: float) -> None:
        """The answer has ended, or as much of its body came as is read."""
        stream.exchange.complete(at)
        self._forget(stream_id, at)

    def _forget(self, stream_id: int | None, at: float) -> None:
        """Nothing more is sent or read on a stream."""
        assert stream_id is not None
        if self._streams.pop(stream_id, None) is None:
            return
        with contextlib.suppress(NoSuchStreamError):  # both sides have ended it
            self._h2.reset_stream(stream_id, ErrorCodes.CANCEL)
        self.idle_at = at
        self._send_waiting(at)
        if not self.is_usable and not self.is_busy:
            self.close()
        self._owner.changed()
        self._owner.freed(at)

    def _reset(self, stream_id: int | None, stream: _Stream, error: str, at: float) -> None:
        """Section 5.4.2: a stream has ended by itself. Section 8.7: with REFUSED_STREAM, nothing was done yet."""
        if error == ErrorCodes.REFUSED_STREAM.name and not stream.has_head and not stream.again:
            self._waiting.appendleft(_Stream(self._owner, stream.post, stream.body, again=True))
            if not self.is_usable:
                self._hand_over(at)
        else:
            stream.exchange.reset(error, at)
        self._forget(stream_id, at)

    def _go_away(self, payload: bytes, at: float) -> None:
        """Section 6.8: the server takes no more requests here, and has begun with none after the last one it names."""
        last = int.from_bytes(payload[:4]) & 0x7FFFFFFF
        error = _name_of(int.from_bytes(payload[4:8]))
        said = payload[8:]
        self.is_usable = False
        self._farewell = f"GOAWAY with {error}" + (f": {said[:_SHOWN].decode(errors='replace')}" if said else "")
        if said:
            self._owner.other("goaway", said, at)
        self._owner.control(at)
        untouched = {stream_id: stream for stream_id, stream in self._streams.items() if stream_id > last}
        if any(stream.again for stream in untouched.values()):
            self._broken(f"{self._farewell}, for the second time", at)
            return
        if untouched and error != ErrorCodes.NO_ERROR.name:
            self._broken(self._farewell, at)
            return
        for stream_id, stream in reversed(untouched.items()):
            del self._streams[stream_id]
            self._waiting.appendleft(_Stream(self._owner, stream.post, stream.body, again=True))
        self._hand_over(at)
        if not self.is_busy:
            self.close()

    def _hand_over(self, at: float) -> None:
        """What waits goes to another connection."""
        waiting = list(self._waiting)
        self._waiting.clear()
        self._send_waiting(at)
        for stream in waiting:
            self._owner.again(stream.post, stream.body)

    def _broken(self, reason: str, at: float, code: int | None = None) -> None:
        """What is under way here ends without its end."""
        was_busy = self.is_busy
        if not self._settled.done():
            self._settled.set_exception(NotOpened(reason))
        self.abort()
        if was_busy:
            self._owner.broken(reason, at, code)

    # How it ends ----------------------------------------------------------------------------------------------

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection of the operating system is gone."""
        self.transport = None
        said = f" ({self._farewell})" if self._farewell else ""
        how = "was reset" if exc is not None else "was closed"
        answers = any(stream.has_head for stream in self._streams.values())
        where = "in the middle of an answer" if answers else "in place of an answer"
        self._broken(f"the connection {how} {where}{said}", monotonic())
        self._owner.gone(self)

    def close(self) -> None:
        """Ends the connection, on which nothing is under way."""
        self.is_usable = False
        if self.transport is not None and not self.transport.is_closing():
            self._h2.close_connection()
            self._flush()
            self.transport.close()

    def close_stream(self, label: str) -> bool:
        """Resets the stream that answers the request of this label; False if there is none."""
        for stream_id, stream in self._streams.items():
            if stream.post.streams and stream.post.label == label:
                self._forget(stream_id, monotonic())
                self._flush()
                return True
        return False

    def abort(self) -> None:
        """Cuts the connection; what is under way on it is not reported."""
        self.is_usable = False
        self._streams.clear()
        self._waiting.clear()
        if self.transport is not None:
            self.transport.abort()

    def stop_reading(self) -> None:
        """Reads nothing more, so that no window of the server is opened any more."""
        if self.transport is not None and self._is_reading:
            self._is_reading = False
            self.transport.pause_reading()

    def pause_writing(self) -> None:
        """More is buffered than the server reads."""
        self._is_paused = True
        self._owner.changed()

    def resume_writing(self) -> None:
        """The connection takes more again."""
        self._is_paused = False
        self._owner.changed()


def _name_of(code: int | None) -> str:
    """What an error code of section 7 is called."""
    named = {int(each): str(each.name) for each in ErrorCodes}
    return named.get(code or 0, f"the error code {code}")


def _described(error: H2Error) -> str:
    if isinstance(error, NoSuchStreamError):
        return f"a frame on stream {error.stream_id}, which is not open"
    return str(error)[:_SHOWN] or type(error).__name__
