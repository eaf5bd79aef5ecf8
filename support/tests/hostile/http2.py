"""A hostile backend whose chat is by HTTP/2: whole requests come in, and frames go out as a test wants it."""

import contextlib
import json
import uuid
from collections.abc import Awaitable, Callable, Sequence

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes, Settings
from hyperframe.frame import ContinuationFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame

from support.tests.hostile.conduct import Say, Talk, forever
from support.tests.hostile.server import Act, Wire

Fields = Sequence[tuple[str, str]]
STREAM: Fields = ((":status", "200"), ("content-type", "text/event-stream"))
JSON: Fields = ((":status", "200"), ("content-type", "application/json"))
_REST_OF_PREFACE = b"SM\r\n\r\n"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\n" + _REST_OF_PREFACE
_HEALTHY = b'{"status": "healthy", "version": "2.1.0", "service": "hostile"}'
_MEGABYTE = 1 << 20


def _hpack_size(size: int) -> bytes:
    """RFC 7541 section 5.1: what follows a prefix of 7 bits that are all set."""
    size -= 127
    parts = []
    while size >= 128:
        parts.append(size % 128 + 128)
        size //= 128
    return bytes([*parts, size])


# A few kilobytes that are a megabyte of headers: a long one comes again and again from the table.
HEADER_BOMB = b"\x88\x40\x01x\x7f" + _hpack_size(3_000) + b"y" * 3_000 + b"\xbe" * 400


class Asked:
    """A whole request that came on a stream."""

    def __init__(self, stream: int, fields: list[tuple[str, str]]) -> None:
        self.stream = stream
        self.fields = fields
        self.body = b""

    @property
    def path(self) -> str:
        return dict(self.fields)[":path"]


class Http2Wire(Wire):
    """The server's end of one connection; `requests` are all that came whole."""

    def __init__(self, wire: Wire, settings: dict[SettingCodes, int] | None = None) -> None:
        super().__init__(wire.reader, wire.writer)
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.local_settings = Settings(client=False, initial_values=settings or {})
        self.requests: list[Asked] = []
        self.resets: list[int] = []
        self._open: dict[int, Asked] = {}
        self._whole: list[Asked] = []
        self.stream = 0
        self.latest: Asked

    async def begin(self) -> None:
        """Reads the rest of the preface, and sends the server's."""
        assert await self.reader.readexactly(len(_REST_OF_PREFACE)) == _REST_OF_PREFACE
        self.h2.initiate_connection()
        self.h2.receive_data(_PREFACE)
        await self.flush()

    async def flush(self) -> None:
        await self.raw(self.h2.data_to_send())

    async def read(self) -> None:
        """Takes what comes next. Raises EOFError."""
        data = await self.reader.read(65_536)
        if not data:
            raise EOFError
        for event in self.h2.receive_data(data):
            if isinstance(event, RequestReceived):
                assert event.stream_id is not None
                self._open[event.stream_id] = Asked(event.stream_id, [(str(n), str(v)) for n, v in event.headers or ()])
            elif isinstance(event, DataReceived):
                assert event.stream_id is not None
                self._open[event.stream_id].body += event.data or b""
                self.h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            elif isinstance(event, StreamEnded):
                assert event.stream_id is not None
                self.requests.append(asked := self._open[event.stream_id])
                self._whole.append(asked)
            elif isinstance(event, StreamReset):
                assert event.stream_id is not None
                self.resets.append(event.stream_id)
        await self.flush()

    async def request(self) -> Asked:
        """The next whole request."""
        while not self._whole:
            await self.read()
        asked = self._whole.pop(0)
        self.stream = asked.stream
        return asked

    async def head(self, asked: Asked, fields: Fields = STREAM, *, end: bool = False) -> None:
        self.h2.send_headers(asked.stream, list(fields), end_stream=end)
        await self.flush()

    async def data(self, asked: Asked, data: bytes, *, end: bool = False) -> None:
        """Sends a part of a body, once the client's windows allow it."""
        while data or end:
            size = min(self.h2.local_flow_control_window(asked.stream), self.h2.max_outbound_frame_size, len(data))
            if data and not size:
                await self.read()
                continue
            self.h2.send_data(asked.stream, data[:size], end_stream=end and size == len(data))
            data = data[size:]
            await self.flush()
            if not data:
                return

    async def whole(self, asked: Asked, *events: bytes) -> None:
        """An answer that streams these and ends in order."""
        await self.head(asked)
        for event in events:
            await self.data(asked, event)
        await self.data(asked, b"", end=True)

    async def frame(self, frame: Frame) -> None:  # type: ignore[override] # the frames are others
        """A frame that h2 knows nothing of."""
        await self.raw(frame.serialize())

    async def reset(self, asked: Asked, code: int) -> None:
        await self.frame(RstStreamFrame(asked.stream, error_code=code))

    async def go_away(self, last: int, code: int = 0, said: bytes = b"") -> None:
        await self.frame(GoAwayFrame(0, last_stream_id=last, error_code=code, additional_data=said))

    async def say(self, value: object) -> None:
        """One event on the stream of the latest request."""
        text = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.h2.send_data(self.stream, b"data: %b\n\n" % text)
        await self.flush()


Serve = Callable[[Http2Wire], Awaitable[None]]


def speaking(serve: Serve, settings: dict[SettingCodes, int] | None = None) -> Act:
    """Speaks HTTP/2 on each connection, and then does `serve`."""

    async def act(wire: Wire) -> None:
        http2 = Http2Wire(wire, settings)
        await http2.begin()
        with contextlib.suppress(EOFError):
            await serve(http2)

    return act


def chat(answer: Say, settings: dict[SettingCodes, int] | None = None) -> Act:
    """Is healthy, greets each tab, and answers each question by `answer`."""

    async def serve(wire: Http2Wire) -> None:
        number = 0
        while True:
            asked = await wire.request()
            wire.headers = dict(asked.fields)
            if asked.path.startswith("/health"):
                await wire.head(asked, JSON)
                await wire.data(asked, _HEALTHY, end=True)
            elif asked.path.startswith("/session"):
                greeting = {"type": "connection_established", "connection_id": uuid.uuid4().hex}
                await wire.head(asked, JSON)
                await wire.data(asked, json.dumps(greeting).encode(), end=True)
            else:
                number += 1
                wire.latest = asked
                await answer(Talk(wire, json.loads(asked.body), number))

    return speaking(serve, settings)


def _wire(talk: Talk) -> Http2Wire:
    assert isinstance(talk.wire, Http2Wire)
    return talk.wire


async def _begin(talk: Talk) -> Http2Wire:
    wire = _wire(talk)
    await wire.head(wire.latest)
    await talk.begin()
    return wire


async def rightly(talk: Talk) -> None:
    wire = await _begin(talk)
    await talk.finish()
    await wire.data(wire.latest, b"", end=True)


async def continuation_flood(talk: Talk) -> None:
    """Headers without an end."""
    wire = _wire(talk)
    await wire.frame(HeadersFrame(wire.stream, data=b""))
    for _ in range(100_000):
        await wire.frame(ContinuationFrame(wire.stream, data=b""))
    await forever(wire)


async def header_bomb(talk: Talk) -> None:
    wire = _wire(talk)
    await wire.frame(HeadersFrame(wire.stream, data=HEADER_BOMB, flags=["END_HEADERS"]))
    await forever(wire)


async def reset_before_head(talk: Talk) -> None:
    wire = _wire(talk)
    await wire.reset(wire.latest, 2)


async def reset_within(talk: Talk) -> None:
    wire = await _begin(talk)
    await wire.reset(wire.latest, 2)


async def going_away(talk: Talk) -> None:
    """An error of the connection, before the request was begun with."""
    wire = _wire(talk)
    await wire.go_away(max(wire.stream - 2, 0), 11, b"calm down")
    await forever(wire)


async def garbage(talk: Talk) -> None:
    wire = await _begin(talk)
    await wire.raw(b"\0\0\4\0\1\0\0\0\0....")  # data on stream 0
    await forever(wire)


async def hundred_megabytes(talk: Talk) -> None:
    """Of one line in one stream."""
    wire = await _begin(talk)
    await wire.data(wire.latest, b"data: ")
    for _ in range(100):
        await wire.data(wire.latest, b"x" * _MEGABYTE)
    await forever(wire)


async def silent(talk: Talk) -> None:
    await forever(talk.wire)
