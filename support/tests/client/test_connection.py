"""One connection against a server that controls every byte: what becomes of it in the trace."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from support.access import Pass
from support.client import stamped
from support.client.recorder import Recorder
from support.client.session import NotConnected, Session
from support.client.stamped import Most
from support.targets.model import Target
from support.targets.sections import Budgets, Persona, Prompt, Prompts
from support.tests.hostile import conduct as does
from support.tests.hostile.server import BINARY, CLOSE, CONTINUATION, PING, TEXT, Act, HostileServer, Wire
from support.tests.rules.talk import PROFILE
from support.trace import AnyRecord, Closed, Expect, Opened, Received, Sent, TimedOut

QUICK = Budgets(handshake_s=0.3, start_s=0.3, silence_s=0.3, tool_s=0.3, run_s=2, ping_s=0.2, refusal_s=0.2)
ASKED = Expect(prompt="What is 17*23?", thinking=True, tools=1, contains=(("391",),))
Part = Callable[[Session], Awaitable[Any]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.client.session._MARGIN_S", 0.0)


def play(door: Act, part: Part, *, secret: bytes = b"") -> tuple[list[AnyRecord], Any, Recorder]:
    """Ada connects and plays her part; then she leaves. What is returned or raised stands second."""
    recorder = Recorder(
        "a scenario", None, PROFILE, QUICK, lambda data: data.replace(secret, b"[token of Ada]") if secret else data
    )

    async def scene(url: str) -> Any:
        target = Target(name="here", url=url, prompts=Prompts(with_tool=Prompt(ask="x", tools=("y",))), budgets=QUICK)
        session = Session("Ada", Persona(name="Ada"), target, profile=PROFILE, recorder=recorder)
        try:
            await session.connect(Pass("Ada", "none"), None)
            return await part(session)
        except NotConnected as error:
            return error
        finally:
            await session.close()
            recorder.finish()

    with HostileServer(door, does.health()) as server:
        result = asyncio.run(asyncio.wait_for(scene(server.url), 20))
    return [entry.record for entry in recorder.entries], result, recorder


def closed(records: list[AnyRecord]) -> tuple[str, int | None, str]:
    (end,) = [record for record in records if isinstance(record, Closed)]
    return end.by, end.code, end.reason


async def lose(session: Session) -> bool:
    return await session.wait_closed(5)


def door(*acts: Callable[[Wire], Awaitable[None]]) -> Act:
    """Greets, does these things, and then neither speaks nor hangs up."""

    async def act(wire: Wire) -> None:
        await does.greet(wire)
        for each in acts:
            await each(wire)
        await does.forever(wire)

    return act


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> Callable[[Wire], Awaitable[None]]:
    return lambda wire: wire.frame(opcode, payload, fin=fin)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (frame(CLOSE, b"\x03\xf3sorry"), ("server", 1011, "sorry")),
        (frame(CLOSE, b"\x11\x94"), ("server", 4500, "")),
        (frame(CLOSE, b""), ("server", 1005, "")),
        (frame(CLOSE, b"\x03\xed"), ("server", 1005, "")),
        (frame(CLOSE, b"\x07\xd0why"), ("server", 2000, "")),
        (frame(CLOSE, b"\x03"), ("client", 1002, "close frame too short")),
        (frame(CLOSE, b"\x03\xe8\xff"), ("client", 1007, "invalid start byte at position 0")),
        (frame(7, b"x"), ("client", 1002, "invalid opcode")),
        (frame(CONTINUATION, b"x"), ("client", 1002, "unexpected continuation frame")),
        (frame(PING, b"x" * 126), ("client", 1002, "control frame too long")),
        (frame(TEXT, b"x" * 1_048_577),
         ("client", 1009, "a message too large: frame with 1048577 bytes exceeds limit of 1048576 bytes")),
        (lambda wire: wire.raw(b"HTTP/1.1 500 Oh\r\n" * 20), ("client", 1002, "reserved bits must be 0")),
    ],
)  # fmt: skip
def test_the_end_is_seen_though_the_server_keeps_the_line(sent: Act, expected: tuple[str, int | None, str]) -> None:
    records, seen, _ = play(door(sent), lose)

    # The end may come together with the greeting, or after it.
    assert seen is True or isinstance(seen, NotConnected)
    assert closed(records) == expected


def test_a_line_that_breaks() -> None:
    async def hang_up(_: Wire) -> None:
        raise EOFError

    records, seen, _ = play(door(hang_up), lose)

    assert seen is True or str(seen) == "Ada's connection broke without a close frame"
    assert closed(records) == ("nobody", None, "")


def test_leaving_politely_is_the_clients_doing() -> None:
    async def stay(session: Session) -> bool:
        return session.open

    records, was_open, recorder = play(does.conversation(does.rightly), stay)

    assert (was_open, closed(records)) == (True, ("client", 1000, ""))
    assert recorder.findings == []


def test_fragments_are_one_message_and_pings_may_come_in_between() -> None:
    text = json.dumps({"type": "pong", "nonce": "é"}, ensure_ascii=False).encode()
    cut = text.index(b"\xc3") + 1
    parts = [frame(TEXT, text[:cut], fin=False), frame(PING, b"you?"), frame(CONTINUATION, b"", fin=False)]

    records, _, recorder = play(door(*parts, frame(CONTINUATION, text[cut:]), frame(CLOSE, b"\x03\xe8")), lose)

    assert [record.text for record in records if isinstance(record, Received)][1:] == [text.decode()]
    assert {finding.rule for finding in recorder.findings} == {"CONNECTION-1"}


def test_binary_and_broken_text_are_kept_as_bytes() -> None:
    records, _, _ = play(door(frame(BINARY, b"{}"), frame(TEXT, b"\xff"), frame(CLOSE, b"\x03\xe8")), lose)

    received = [record for record in records if isinstance(record, Received)][1:]
    assert [(each.text, each.data, each.binary) for each in received] == [(None, b"{}", True), (None, b"\xff", False)]


@pytest.mark.parametrize("most", [Most(messages=3), Most(bytes=200)])
def test_more_than_anybody_takes_ends_the_connection(monkeypatch: pytest.MonkeyPatch, most: Most) -> None:
    monkeypatch.setattr(stamped, "Most", lambda: most)
    records, _, recorder = play(door(*[frame(TEXT, b'{"type": "heartbeat"}' + b" " * 50)] * 9), lose)

    assert len([record for record in records if isinstance(record, Received)]) <= 3
    assert closed(records)[:2] == ("client", 1008)
    assert "CONTENT-2" in {finding.rule for finding in recorder.findings}


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (does.page("401 Unauthorized"), 401, "HTTP 401: <html><body>\\x1b[31mnot here\\x07</body></html>"),
        (does.page("307 Moved", "Location: ws://127.0.0.1:9/?token=x\r\n"), 307, "HTTP 307, a redirect to ws://127.0.0.1:9/"),
        (does.forever, None, "no answer to the upgrade in time"),
        (lambda wire: wire.raw(b"hello\r\n\r\n"), None, "no HTTP answer to the upgrade "),
    ],
)  # fmt: skip
def test_a_door_that_stays_shut(answer: Act, status: int | None, said: str) -> None:
    records, error, recorder = play(answer, lose)

    assert isinstance(error, NotConnected)
    assert str(error).startswith(f"Ada was not let in: {said}")
    (end,) = records
    assert isinstance(end, Closed)
    assert (end.during, end.status) == ("handshake", status)
    assert [finding.rule for finding in recorder.findings] == ["CONNECTION-1"]


def test_a_backend_that_never_says_that_it_is_ready() -> None:
    records, error, _ = play(does.never_ready, lose)

    assert str(error) == "Ada was let in, but not told that the backend is ready"
    assert [type(record) for record in records] == [Opened, TimedOut, Closed]


def test_what_was_said_before_anybody_listened_is_not_lost() -> None:
    async def at_once(wire: Wire) -> None:
        greeting = b'{"type": "connection_established", "connection_id": "c"}'
        await wire.upgrade()
        await wire.raw(b"\x81" + bytes([len(greeting)]) + greeting + b"\x88\x02\x03\xf3")
        await does.forever(wire)

    records, error, _ = play(at_once, lose)

    assert [type(record) for record in records] == [Opened, Received, Closed]
    assert str(error) == "Ada's connection was closed by the backend with 1011"


def test_a_secret_is_gone_before_anything_is_kept() -> None:
    async def ask(session: Session) -> None:
        await session.wait_end(await session.ask("is it hunter2-hunter2?", ASKED))

    async def tell(talk: does.Talk) -> None:
        await talk.wire.say({"type": "error_message", "error_message": "hunter2-hunter2", "request_id": talk.request})
        await talk.wire.close(1008, "hunter2-hunter2")
        await does.forever(talk.wire)

    records, _, recorder = play(does.conversation(tell), ask, secret=b"hunter2-hunter2")
    kept = repr(records) + repr(recorder.findings)

    sent = next(record for record in records if isinstance(record, Sent))
    assert "[token of Ada]" in sent.text
    assert kept.count("[token of Ada]") >= 3
    assert "hunter2" not in kept.replace(msgspec.json.encode(sent.expect).decode(), "").replace(repr(sent.expect), "")
