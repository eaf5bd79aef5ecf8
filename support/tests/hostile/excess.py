"""More than anybody takes: bombs, floods and answers without end, each as fast as it is read."""

import asyncio
import json
import zlib

from support.tests.hostile.conduct import Say, Talk, forever
from support.tests.hostile.server import CONTINUATION, PING, TEXT, Act, Wire, head_of

_MEGABYTE = 1 << 20
_DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
_RSV1 = 0x40


def _zeros(megabytes: int) -> bytes:
    """So many megabytes of zeros, deflated: blocks that know nothing of each other can be repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(_MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * megabytes


async def _deflated(wire: Wire, opcode: int, data: bytes, *, fin: bool = True) -> None:
    head = bytearray(head_of(opcode, len(data), fin=fin))
    head[0] |= _RSV1 if opcode == TEXT else 0
    await wire.raw(bytes(head) + data)


async def greet_deflated(wire: Wire) -> None:
    await wire.upgrade(_DEFLATE)
    await wire.say({"type": "connection_established", "connection_id": "c", "config": {}})
    # The question comes deflated, and may be read by who wants to.
    await wire.reader.readexactly(1)


async def bomb(wire: Wire) -> None:
    """Nine hundred megabytes in one frame of less than one."""
    await greet_deflated(wire)
    await _deflated(wire, TEXT, _zeros(900)[:-4])
    await forever(wire)


async def bomb_in_fragments(wire: Wire) -> None:
    """Four gigabytes, one megabyte to a fragment."""
    await greet_deflated(wire)
    await _deflated(wire, TEXT, _zeros(1), fin=False)
    for _ in range(4096):
        await _deflated(wire, CONTINUATION, _zeros(1), fin=False)
    await forever(wire)


async def small_bombs(wire: Wire) -> None:
    """A thousand messages, each as large as a message may be."""
    await greet_deflated(wire)
    # The last four bytes of a message are understood (RFC 7692, section 7.2.1).
    packed = _zeros(1)[:-4]
    for _ in range(1000):
        await _deflated(wire, TEXT, packed)
    await forever(wire)


async def no_deflate(wire: Wire) -> None:
    """Says that it deflates, and sends what is none."""
    await greet_deflated(wire)
    await _deflated(wire, TEXT, b"\xff" * 1000)
    await forever(wire)


async def frame_without_end(talk: Talk) -> None:
    """A frame that is allowed, of which the last byte never comes."""
    await talk.begin()
    await talk.wire.raw(head_of(TEXT, _MEGABYTE) + b"x" * (_MEGABYTE - 1))
    await forever(talk.wire)


async def frame_of_exabytes(talk: Talk) -> None:
    await talk.begin()
    await talk.wire.raw(head_of(TEXT, 1 << 62))
    while True:
        await talk.wire.raw(b"x" * _MEGABYTE)


async def empty_fragments(talk: Talk) -> None:
    await talk.begin()
    await talk.wire.frame(TEXT, b"{", fin=False)
    while True:
        await talk.wire.raw(head_of(CONTINUATION, 0, fin=False) * 10_000)


async def pings(talk: Talk) -> None:
    await talk.begin()
    while True:
        await talk.wire.raw((head_of(PING, 4) + b"ping") * 10_000)


async def unknown_frames(talk: Talk) -> None:
    await talk.begin()
    while True:
        await talk.wire.raw((head_of(TEXT, 2) + b"[]") * 10_000)


async def long_answer(talk: Talk) -> None:
    """Few events, of half a megabyte each."""
    await talk.begin()
    while True:
        await talk.wire.say(talk.event("agent_thinking", reasoning="so " * 170_000))


def endless_answer(head: bytes, more: bytes) -> Act:
    """An answer to the upgrade that goes on and on."""

    async def door(wire: Wire) -> None:
        await wire.raw(head)
        while True:
            await wire.raw(more)

    return door


async def dripping_answer(wire: Wire) -> None:
    """An answer to the upgrade of which a byte comes now and then."""
    for byte in b"HTTP/1.1 101 Switching Protocols\r\n" * 1000:
        await wire.raw(bytes([byte]))
        await asyncio.sleep(0.05)


PROTO = {"__proto__": {"polluted": True}, "constructor": {"prototype": {"polluted": True}}, "__class__": "x"}


async def prototype_keys(talk: Talk) -> None:
    """A right answer that has the names in it with which JavaScript and Python are led astray."""
    talk.run = "__proto__"
    await talk.begin()
    await talk.wire.say({**talk.event("agent_thinking", reasoning="hm", **PROTO), **PROTO})
    call = {"tool_name": "constructor", "tool_call_id": "__proto__"}
    await talk.wire.say(talk.event("tool_executing", **call, parameters=PROTO))
    await talk.wire.say(talk.event("tool_completed", **call, status="ok", result="391", **PROTO))
    await talk.wire.say(talk.event("agent_completed", result="It is 391."))


def number(field: str, written: str) -> Say:
    """A right answer with a frame in it in which a field is this number."""

    async def answer(talk: Talk) -> None:
        await talk.begin()
        event = talk.event("agent_thinking", reasoning="hm")
        event[field] = "HERE"
        await talk.wire.say(json.dumps(event).replace('"HERE"', written))
        await talk.finish()

    return answer
