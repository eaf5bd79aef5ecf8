"""All that comes on a connection is kept and searched for canaries: control frames, closes, headers and refusals."""

import json
from typing import Any

import msgspec
import pytest
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.scenario_session import ScenarioSession
from greenlight_gate.rules.engine.canary import canary_word
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.targets.access import Token
from greenlight_gate.trace import AnyRecord, Closed, Header, Opened, Other, encode_header, encode_record, read_trace

from support.tests.client.scene import ASKED, QUICK, accept, closed, frame, lose, play
from support.tests.hostile import conduct as does
from support.tests.hostile.server import CLOSE, PING, PONG, TEXT, Act, Wire
from support.tests.rules.talk import PROFILE

BASHIRS = canary_word("Bashir", "abcdefgh")
ADAS = canary_word("Ada", "abcdefgh")
NORMALLY = frame(CLOSE, b"\x03\xe8")
SAID = f'{{"type": "heartbeat", "a": "{BASHIRS}"}}'.encode()


def seen(recorder: Recorder) -> list[str]:
    """What ISOLATION-1 has found; a replay of what was kept has to find the same."""
    found = [finding.actual for finding in recorder.findings if finding.rule == "ISOLATION-1"]
    lines = [encode_header(Header("a scenario", 0.0)), *[encode_record(entry.record) for entry in recorder.entries]]
    header, records = read_trace(lines)
    again = TraceChecker(PROFILE, QUICK, header.epoch_s)
    for record in records:
        again.feed(record)
    again.finish()
    assert [finding.actual for finding in again.findings if finding.rule == "ISOLATION-1"] == found
    return found


def others(records: list[AnyRecord]) -> list[tuple[str, bytes]]:
    return [(record.what, record.raw()) for record in records if isinstance(record, Other)]


async def leave(session: ScenarioSession) -> bool:
    return session.open


def answering_our_close(payload: bytes) -> Act:
    """A server that has the last word: it answers the user's close frame with one of its own."""

    async def act(wire: Wire) -> None:
        await does.greet(wire)
        while (await wire.reader.readexactly(2))[0] & 15 != CLOSE:
            pass
        await wire.frame(CLOSE, payload)

    return act


def opening(*headers: str) -> Act:
    async def act(wire: Wire) -> None:
        await wire.upgrade(extra="".join(f"{header}\r\n" for header in headers))
        await wire.say({"type": "connection_established", "connection_id": "c"})
        await wire.close(1000)
        await does.forever(wire)

    return act


def refusing(body: str, *headers: str) -> Act:
    return lambda wire: wire.respond("403 No", body.encode(), extra="".join(f"{header}\r\n" for header in headers))


@pytest.mark.parametrize(
    ("act", "part", "kept", "found"),
    [
        (accept(frame(PING, BASHIRS.encode()), NORMALLY), lose, [("ping", BASHIRS.encode())], ["in a ping frame"]),
        (accept(frame(PONG, BASHIRS.encode()), NORMALLY), lose, [("pong", BASHIRS.encode())], ["in a pong frame"]),
        (accept(frame(PING, b"\xff" + BASHIRS.encode()), NORMALLY), lose, [("ping", b"\xff" + BASHIRS.encode())],
         ["in a ping frame"]),
        (accept(frame(PING, b""), frame(PONG, b""), frame(PING, ADAS.encode()), NORMALLY), lose,
         [("ping", ADAS.encode())], []),
        (accept(frame(CLOSE, b"\x03\xe8" + BASHIRS.encode())), lose, [], ["in the reason of the close"]),
        (accept(frame(CLOSE, b"\x07\xd0" + BASHIRS.encode())), lose, [("close", BASHIRS.encode())],
         ["in a close frame"]),
        (accept(frame(CLOSE, b"\x03\xe8\xff" + BASHIRS.encode())), lose, [("close", b"\xff" + BASHIRS.encode())],
         ["in a close frame"]),
        (answering_our_close(b"\x03\xe8" + BASHIRS.encode()), leave, [("close", BASHIRS.encode())],
         ["in a close frame"]),
        (accept(frame(TEXT, SAID, fin=False), frame(CLOSE, b"\x03\xe8")), lose, [("part", SAID)],
         ["in part of a message"]),
    ],
)  # fmt: skip
def test_control_frames_are_kept_and_searched(
    act: Act, part: Any, kept: list[tuple[str, bytes]], found: list[str]
) -> None:
    records, _, recorder = play(act, part)

    assert others(records) == kept
    assert seen(recorder) == [f"canary of Bashir, plain, {where}" for where in found]
    assert len([record for record in records if isinstance(record, Closed)]) == 1


def test_what_comes_with_the_greeting_is_in_order() -> None:
    async def at_once(wire: Wire) -> None:
        await wire.upgrade()
        greeting = json.dumps({"type": "connection_established", "connection_id": "c"}).encode()
        await wire.raw(b"\x89\x02hi\x81" + bytes([len(greeting)]) + greeting + b"\x8a\x01x\x88\x02\x03\xe8")
        await does.forever(wire)

    records, _, _ = play(at_once, lose)

    assert [type(record).__name__ for record in records] == [
        "Opened",
        "Other",
        "Received",
        "Other",
        "Closed",
    ]


def test_a_flood_of_pings_is_answered_and_bounded() -> None:
    async def flood(wire: Wire) -> None:
        await does.greet(wire)
        await wire.hear()
        for _ in range(1000):
            await wire.raw(b"\x89\x04ping" * 1000)
        await does.forever(wire)

    async def outlast(session: ScenarioSession) -> bool:
        await session.ask("go on", ASKED)
        return await session.wait_closed(20)

    records, _, recorder = play(flood, outlast)

    assert closed(records) == ("client", 1008, "more than 50000 frames on one connection")
    assert len(others(records)) < 50_000
    assert "CONTENT-2" in {finding.rule for finding in recorder.findings}


def test_the_answers_to_our_own_pings_say_nothing_new() -> None:
    async def answer(wire: Wire) -> None:
        await does.greet(wire)
        await wire.answer_pings(3)
        await wire.frame(PONG, b"unasked")
        await wire.close(1000)
        await does.forever(wire)

    async def flood(session: ScenarioSession) -> bool:
        await session.flood(3)
        return await session.wait_closed(5)

    records, _, _ = play(answer, flood)

    assert others(records) == [("pong", b"unasked")]


def test_headers_of_the_upgrade_are_kept_and_searched() -> None:
    records, _, recorder = play(opening(f"X-Note: {BASHIRS}", "X-Mine: " + ADAS, "Server: old/1"), lose)
    opened = records[0]

    assert isinstance(opened, Opened)
    assert opened.headers[-3:] == (f"X-Note: {BASHIRS}", f"X-Mine: {ADAS}", "Server: old/1")
    assert seen(recorder) == ["canary of Bashir, plain, in the handshake"]


def test_a_cookie_is_a_session_and_is_left_out_unless_it_may_hold_a_canary() -> None:
    hidden = f"Set-Cookie: note={BASHIRS.encode().hex()}; Path=/"
    records, _, recorder = play(opening("Set-Cookie: sid=let-me-in; Path=/; HttpOnly", hidden), lose)
    opened = records[0]

    assert isinstance(opened, Opened)
    assert opened.headers[-2:] == ("Set-Cookie: sid=[cookie]; Path=/; HttpOnly", hidden)
    assert seen(recorder) == ["canary of Bashir, hex, in the handshake"]


@pytest.mark.parametrize(
    ("body", "headers", "found"),
    [
        (f"<p>{BASHIRS}</p>", (), True),
        ("no" * 5_000 + BASHIRS + "no" * 50_000, (), True),
        ("no", (f"X-Note: {BASHIRS}",), True),
        ("no" * 50_000, ("Set-Cookie: sid=let-me-in",), False),
    ],
)
def test_a_refusal_is_kept_and_searched(body: str, headers: tuple[str, ...], found: bool) -> None:
    records, error, recorder = play(refusing(body, *headers), lose)
    (end,) = records

    assert isinstance(error, NotConnected)
    assert isinstance(end, Closed)
    assert (end.status, end.user, end.persona) == (403, "Ada", "Ada")
    assert seen(recorder) == ["canary of Bashir, plain, in the answer to the handshake"] * found
    assert end.body == (body if BASHIRS in body else body[:2_000])
    assert "let-me-in" not in repr(records)


def test_who_is_called_otherwise_is_not_accused_of_their_own_canary_in_a_refusal() -> None:
    lines = [Closed(n=1, at=0.0, connection="c1", by="server", during="handshake", user="Ada", persona="Bashir",
                    status=403, body=BASHIRS)]  # fmt: skip
    checker = TraceChecker(PROFILE, QUICK, 0.0)
    for record in lines:
        checker.feed(record)

    assert [finding.rule for finding in checker.findings] == ["CONNECTION-1"]


@pytest.mark.parametrize("echo", ["jwt.aHVudGVyMi1odW50ZXIy", "jwt-auth"])
def test_a_token_that_is_echoed_in_the_handshake_is_not_kept(echo: str) -> None:
    shown = Token("Ada", "subprotocol", "hunter2-hunter2", subprotocols=["jwt-auth", "jwt.aHVudGVyMi1odW50ZXIy"])
    records, _, _ = play(
        opening(f"Sec-WebSocket-Protocol: {echo}"), lose, secret=b"aHVudGVyMi1odW50ZXIy", shown=shown
    )  # fmt: skip
    opened = records[0]

    assert isinstance(opened, Opened)
    assert opened.subprotocol == ("jwt.[token of Ada]" if "." in echo else "jwt-auth")
    assert "aHVudGVyMi1odW50ZXIy" not in repr(records)


def test_a_token_in_a_ping_or_a_close_is_not_kept() -> None:
    payload = b"for hunter2-hunter2"
    records, _, _ = play(
        accept(frame(PING, payload), frame(CLOSE, b"\x07\xd0" + payload)), lose, secret=b"hunter2-hunter2"
    )

    assert others(records) == [("ping", b"for [token of Ada]"), ("close", b"for [token of Ada]")]


def test_evidence_of_before_stays_readable() -> None:
    lines = [
        b'{"scenario": "a", "epoch_s": 0.0}',
        b'{"record":"opened","n":1,"at":0.1,"connection":"c1","person":"Ada","handshake_ms":1.0}',
        b'{"record":"closed","n":2,"at":0.2,"connection":"c2","by":"server","during":"handshake","status":403}',
        b'{"record":"received","n":3,"at":0.3,"connection":"c1","text":"{}"}',
    ]
    _, records = read_trace(lines)

    assert [type(record).__name__ for record in records] == ["Opened", "Closed", "Received"]
    with pytest.raises(msgspec.ValidationError):
        list(read_trace([lines[0], b'{"record":"other","n":1,"at":0.1,"connection":"c1"}'])[1])
