"""What a hostile server does: at the health check, at the door, and in the conversation."""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from support.tests.hostile.server import BINARY, CONTINUATION, TEXT, Act, Wire, head_of

Say = Callable[["Talk"], Awaitable[None]]
_MEGABYTE = 1 << 20


async def forever(_: Wire) -> None:
    await asyncio.Event().wait()


def health(http: str = "200 OK", **said: Any) -> Act:
    async def answer(wire: Wire) -> None:
        await wire.respond_json(http, {"status": "healthy", "version": "2.1.0", "service": "hostile", **said})

    return answer


def page(status: str, extra: str = "") -> Act:
    async def answer(wire: Wire) -> None:
        await wire.respond(status, b"<html><body>\x1b[31mnot here\x07</body></html>", extra=extra)

    return answer


class Talk:
    """One question to a server, and the events that answer it."""

    def __init__(self, wire: Wire, asked: dict[str, Any], number: int) -> None:
        self.wire = wire
        self.request = asked["request_id"]
        # No other connection has a run of this id.
        self.run = f"run-{number}-of-{self.request}"
        self.seq = 0

    def event(self, kind: str, **payload: Any) -> dict[str, Any]:
        self.seq += 1
        stamp = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return {
            "type": kind, "request_id": self.request, "run_id": self.run, "thread_id": f"t-{self.run}",
            "user_id": None, "agent_name": "hostile", "seq": self.seq, "event_id": f"{self.run}-{self.seq}",
            "timestamp": stamp, "payload": payload,
        }  # fmt: skip

    async def begin(self) -> None:
        await self.wire.say(self.event("agent_started", message="on it"))
        await self.wire.say(self.event("agent_thinking", reasoning="first the tool"))

    async def finish(self, answer: str = "It is 391.") -> None:
        call = {"tool_name": "calculator", "tool_call_id": f"call-{self.run}"}
        await self.wire.say(self.event("tool_executing", **call, parameters={}))
        await self.wire.say(self.event("tool_completed", **call, status="ok", result="391"))
        await self.wire.say(self.event("agent_completed", result=answer))


async def greet(wire: Wire) -> None:
    await wire.upgrade()
    await wire.say({"type": "connection_established", "connection_id": uuid.uuid4().hex, "config": {}})


def conversation(answer: Say, *, pongs: bool = True) -> Act:
    """A door that opens: greets, answers pings, and each question by `answer`."""

    async def door(wire: Wire) -> None:
        await greet(wire)
        number = 0
        while True:
            received = await wire.hear()
            if received["type"] == "ping" and pongs:
                await wire.say({"type": "pong", "nonce": received["nonce"]})
            elif received["type"] == "start_agent":
                number += 1
                await answer(Talk(wire, received, number))

    return door


async def rightly(talk: Talk) -> None:
    await talk.begin()
    await talk.finish()


def inserting(*frames: Any) -> Say:
    """A right answer, with these frames (text, bytes or JSON values) in its middle."""

    async def answer(talk: Talk) -> None:
        await talk.begin()
        for frame in frames:
            await talk.wire.say(frame)
        await talk.finish()

    return answer


def ending(code: int | None, reason: str = "") -> Say:
    """Half an answer, and a close frame with this code."""

    async def answer(talk: Talk) -> None:
        await talk.begin()
        await talk.wire.close(code, reason)
        await forever(talk.wire)

    return answer


def closing_at_once(code: int, reason: str) -> Act:
    async def door(wire: Wire) -> None:
        await greet(wire)
        await wire.close(code, reason)
        await forever(wire)

    return door


async def never_ready(wire: Wire) -> None:
    await wire.upgrade()
    await forever(wire)


async def saying_nothing(_: Talk) -> None:
    pass


async def hanging_up(talk: Talk) -> None:
    await talk.begin()
    raise EOFError


async def huge_frame(talk: Talk) -> None:
    await talk.begin()
    await talk.wire.raw(head_of(TEXT, 100 * _MEGABYTE))
    for _ in range(100):
        await talk.wire.raw(b"x" * _MEGABYTE)


async def endless_fragments(talk: Talk) -> None:
    await talk.begin()
    await talk.wire.frame(TEXT, b'{"type": "', fin=False)
    while True:
        await talk.wire.frame(CONTINUATION, b"x" * 1000, fin=False)


async def binary(talk: Talk) -> None:
    await talk.begin()
    await talk.wire.frame(BINARY, json.dumps(talk.event("agent_thinking", reasoning="in bytes")).encode())
    await talk.finish()


async def bad_opcode(talk: Talk) -> None:
    await talk.begin()
    await talk.wire.frame(5, b"what?")
    await forever(talk.wire)


async def flood(talk: Talk) -> None:
    """A million tiny events as fast as they are taken, in blocks of a thousand."""
    await talk.begin()
    for _ in range(1000):
        block = bytearray()
        for _ in range(1000):
            data = json.dumps(talk.event("agent_thinking", reasoning=".")).encode()
            block += head_of(TEXT, len(data)) + data
        await talk.wire.raw(bytes(block))
    await talk.finish()


async def echo_of_the_token(talk: Talk) -> None:
    token = talk.wire.token
    await talk.begin()
    await talk.wire.say(talk.event("agent_thinking", reasoning=f"you are {token}"))
    await talk.wire.say({"type": "error_message", "error_code": "X", "error_message": f"bad {token}"})
    await talk.wire.close(1008, f"for {token.rpartition('.')[2]}")
    raise EOFError


ESCAPES = '\x1b[31mred\x1b[0m\x07\x08\x9b31m\u202e<script>alert("x")</script>[bold]b[/bold]\r\nINJECTED=1'


async def escapes(talk: Talk) -> None:
    """Control codes, markup and half a surrogate pair wherever a user could read them."""
    talk.run = f"run {ESCAPES}"
    await talk.begin()
    lone = json.dumps(talk.event("agent_thinking", reasoning="half")).replace("half", "half \\ud800 of it")
    await talk.wire.say(lone)
    await talk.wire.say(talk.event("agent_thinking", reasoning=ESCAPES))
    await talk.wire.say({"type": ESCAPES})
    call = {"tool_name": ESCAPES, "tool_call_id": ESCAPES}
    await talk.wire.say(talk.event("tool_executing", **call, parameters={}))
    await talk.wire.say(talk.event("agent_failed", error_message=ESCAPES, error_code=ESCAPES))


async def path_tricks(talk: Talk) -> None:
    talk.run = "../../../../tmp/greenlight-was-here\x00/etc/passwd"
    await talk.begin()
    await talk.finish("../../etc/passwd")
