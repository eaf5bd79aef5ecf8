"""A hostile backend whose chat is by HTTP: GET /session greets, and POST /chat is answered as a test wants it."""

import asyncio
import json
import uuid

from support.tests.hostile.conduct import Say, Talk, forever
from support.tests.hostile.server import Act, Wire

_STREAM = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
_HTML = b"<html><body>\x1b[31mnot here\x07</body></html>"
_MEGABYTE = 1 << 20


class StreamWire(Wire):
    """One connection, on which what is said is an event of a stream, in a chunk of its own."""

    async def say(self, value: object) -> None:
        text = value if isinstance(value, bytes) else json.dumps(value).encode()
        await self.chunk(b"data: %b\n\n" % text)

    async def chunk(self, data: bytes) -> None:
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data))

    async def head(self, *fields: str) -> None:
        await self.raw("\r\n".join([_STREAM.strip(), *fields, "", ""]).encode())


def chat(answer: Say) -> Act:
    """Greets each tab, and answers each question by `answer`."""

    async def door(wire: Wire) -> None:
        stream = StreamWire(wire.reader, wire.writer)
        stream.path, stream.headers = wire.path, wire.headers
        number = 0
        while True:
            body = await stream.reader.readexactly(int(stream.headers.get("content-length", "0")))
            if stream.path.startswith("/session"):
                await stream.respond_json(
                    "200 OK", {"type": "connection_established", "connection_id": uuid.uuid4().hex}
                )
            else:
                number += 1
                await answer(Talk(stream, json.loads(body), number))
            await stream.read_request()

    return door


def _stream(talk: Talk) -> StreamWire:
    assert isinstance(talk.wire, StreamWire)
    return talk.wire


async def _begin(talk: Talk) -> StreamWire:
    stream = _stream(talk)
    await stream.head("Transfer-Encoding: chunked")
    await talk.begin()
    return stream


async def rightly(talk: Talk) -> None:
    stream = await _begin(talk)
    await talk.finish()
    await stream.raw(b"0\r\n\r\n")


async def page(talk: Talk) -> None:
    await talk.wire.respond("200 OK", _HTML)


async def login_page(talk: Talk) -> None:
    await talk.wire.respond("302 Found", _HTML, extra="Location: http://127.0.0.1:9/login?next=chat\r\n")


async def gzip_without_flush(talk: Talk) -> None:
    stream = _stream(talk)
    await stream.head("Transfer-Encoding: chunked", "Content-Encoding: gzip")
    await stream.chunk(b"\x1f\x8b\x08\0\0\0\0\0\0\x03")
    await forever(stream)


async def broken_chunks(talk: Talk) -> None:
    stream = await _begin(talk)
    await stream.raw(b"no size of a chunk\r\n")
    await forever(stream)


async def length_too_short(talk: Talk) -> None:
    """The stream is cut after its first bytes, and what is left of it follows all the same."""
    stream = _stream(talk)
    await stream.head("Content-Length: 40")
    await stream.raw(b"data: %b\n\n" % json.dumps(talk.event("agent_started", message="on it")).encode())
    await forever(stream)


async def header_bomb(talk: Talk) -> None:
    stream = _stream(talk)
    await stream.raw(_STREAM.encode())
    for number in range(100_000):
        await stream.raw(b"X-%d: %b\r\n" % (number, b"x" * 1_000))
    await forever(stream)


async def line_without_end(talk: Talk) -> None:
    """A hundred megabytes of one line."""
    stream = await _begin(talk)
    await stream.chunk(b"data: ")
    for _ in range(100):
        await stream.chunk(b"x" * _MEGABYTE)
    await forever(stream)


async def never_ending(talk: Talk) -> None:
    stream = await _begin(talk)
    await talk.finish()
    while True:
        await stream.chunk(b": still here\n\n")
        await asyncio.sleep(0.05)


async def not_utf8(talk: Talk) -> None:
    stream = await _begin(talk)
    await stream.say(b'{"type": "\xff\xfe"}')
    await talk.finish()
    await stream.raw(b"0\r\n\r\n")


async def without_head(talk: Talk) -> None:
    """As HTTP/0.9: the body alone, which the end of the connection ends."""
    stream = _stream(talk)
    await stream.raw(b"data: %b\n\n" % json.dumps(talk.event("agent_started", message="on it")).encode())
    raise EOFError


async def cut(talk: Talk) -> None:
    """Half an answer, and an end of the connection that TLS does not announce."""
    stream = _stream(talk)
    await stream.head("Connection: close")
    for event in (talk.event("agent_started", message="on it"), talk.event("agent_thinking", reasoning="well")):
        await stream.raw(b"data: %b\n\n" % json.dumps(event).encode())
    raise EOFError


async def silent(talk: Talk) -> None:
    await forever(talk.wire)
