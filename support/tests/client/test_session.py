"""One connection against a server that controls every byte: what becomes of it in the trace."""

import asyncio
import json
import time

import msgspec
import pytest
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.scenario_session import ScenarioSession
from greenlight_gate.rules.engine.deadlines import LEEWAY_S
from greenlight_gate.targets.access import Token
from greenlight_gate.targets.sections import Limits
from greenlight_gate.trace import Closed, Opened, Received, Sent, TimedOut
from greenlight_gate.wire.profile import Profile

from support.tests.client.scene import ASKED, QUICK, accept, closed, frame, lose, play
from support.tests.hostile import conduct as does
from support.tests.hostile.server import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Act, Wire
from support.tests.rules.talk import PROFILE


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
    records, seen, _ = play(accept(sent), lose)

    # The end may come together with the greeting, or after it.
    assert seen is True or isinstance(seen, NotConnected)
    assert closed(records) == expected


def test_a_line_that_breaks() -> None:
    async def hang_up(_: Wire) -> None:
        raise EOFError

    records, seen, _ = play(accept(hang_up), lose)

    assert seen is True or str(seen) == "Ada's connection ended without a close frame"
    assert closed(records) == ("nobody", None, "")


def test_leaving_politely_is_the_clients_doing() -> None:
    async def stay(session: ScenarioSession) -> bool:
        return session.open

    records, was_open, recorder = play(does.conversation(does.rightly), stay)

    assert (was_open, closed(records)) == (True, ("client", 1000, ""))
    assert recorder.findings == []


def test_fragments_are_one_message_and_pings_may_come_in_between() -> None:
    text = json.dumps({"type": "pong", "nonce": "é"}, ensure_ascii=False).encode()
    cut = text.index(b"\xc3") + 1
    parts = [frame(TEXT, text[:cut], fin=False), frame(PING, b"you?"), frame(CONTINUATION, b"", fin=False)]

    records, _, recorder = play(accept(*parts, frame(CONTINUATION, text[cut:]), frame(CLOSE, b"\x03\xe8")), lose)

    assert [record.text for record in records if isinstance(record, Received)][1:] == [text.decode()]
    assert {finding.rule for finding in recorder.findings} == {"CONNECTION-1"}


def test_binary_and_broken_text_are_kept_as_bytes() -> None:
    records, _, _ = play(accept(frame(BINARY, b"{}"), frame(TEXT, b"\xff"), frame(CLOSE, b"\x03\xe8")), lose)

    received = [record for record in records if isinstance(record, Received)][1:]
    assert [(each.text, each.data, each.binary) for each in received] == [(None, b"{}", True), (None, b"\xff", False)]


GREETING = 1
FRAMES = "more than 100 frames on one connection"
BEAT = frame(TEXT, b'{"type": "heartbeat"}' + b" " * 1024)
WHOLE = frame(TEXT, b'{"type": "heartbeat"', fin=False), *[frame(CONTINUATION, b"", fin=False)] * 98


def thinking(size: int) -> does.Say:
    """An answer of 120 events with so many letters each, and no end."""

    async def answer(talk: does.Talk) -> None:
        await talk.begin()
        for _ in range(120):
            await talk.wire.say(talk.event("agent_thinking", reasoning="x" * size))
        await does.forever(talk.wire)

    return answer


async def listen(session: ScenarioSession) -> None:
    await session.wait_end(await session.ask("go on", ASKED))


@pytest.mark.parametrize(
    ("act", "limits", "most_received", "said"),
    [
        (accept(*[BEAT] * 9), Limits(max_connection_bytes=4096), 4, "more than 4096 bytes on one connection"),
        (accept(*[BEAT] * 200), Limits(max_connection_frames=100), 100, FRAMES),
        (accept(*[frame(PING, b"")] * 200), Limits(max_connection_frames=100), 1, FRAMES),
        (accept(*[frame(PONG, b"a")] * 200), Limits(max_connection_frames=100), 1, FRAMES),
        (accept(*WHOLE, *WHOLE[1:]), Limits(max_connection_frames=100), 1, FRAMES),
        (does.conversation(thinking(1)), Limits(max_run_events=100), 102, "more than 100 events in one answer"),
        (does.conversation(thinking(500)), Limits(max_run_bytes=9_000), 20, "more than 9000 bytes in one answer"),
        (accept(frame(TEXT, b"x" * 2000)), Limits(max_frame_bytes=1024), 1,
         "a message too large: frame with 2000 bytes exceeds limit of 1024 bytes"),
    ],
)  # fmt: skip
def test_more_than_anybody_takes_ends_the_connection(act: Act, limits: Limits, most_received: int, said: str) -> None:
    records, _, recorder = play(act, listen if "answer" in said else lose, limits=limits)

    assert len([record for record in records if isinstance(record, Received)]) <= most_received
    assert closed(records)[0] == "client"
    assert closed(records)[1:] in ((1008, said), (1009, said))
    (finding,) = [finding for finding in recorder.findings if finding.rule == "CONTENT-2"]
    assert (finding.expected, finding.actual.startswith(said)) == ("messages that a client can read", True)


def test_what_several_connections_bring_is_bounded_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder("a scenario", None, PROFILE, QUICK, bytes, most_bytes=3_000)
    records, _, _ = play(accept(*[BEAT] * 9), lose, recorder=recorder)

    assert len([record for record in records if isinstance(record, Received)]) <= GREETING + 3
    assert closed(records) == ("client", 1008, "more than 3000 bytes in one scenario")
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
    assert str(error).startswith(f"Ada could not connect: {said}")
    (end,) = records
    assert isinstance(end, Closed)
    assert (end.during, end.status) == ("handshake", status)
    assert [finding.rule for finding in recorder.findings] == ["CONNECTION-1"]


def test_a_backend_that_never_says_that_it_is_ready() -> None:
    records, error, _ = play(does.never_ready, lose)

    assert str(error) == "Ada was accepted, but the backend did not report that it is ready"
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


def test_a_stop_of_a_run_whose_id_is_not_known_names_its_request_in_the_trace() -> None:
    async def stop(session: ScenarioSession) -> None:
        await session.stop(await session.ask("Who are you?", ASKED))

    records, _, _ = play(accept(), stop)
    asked, stopped = (record for record in records if isinstance(record, Sent))

    assert (stopped.what, stopped.run, stopped.request) == ("stop", None, asked.request)


def test_a_secret_is_gone_before_anything_is_kept() -> None:
    async def ask(session: ScenarioSession) -> None:
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


WITHOUT_IDS = Profile.from_toml("""
name = "without ids"
[connection]
runs = "one_at_a_time"
[every]
run = "$request"
request = "$request"
[[event]]
when = { type = "started" }
is = "agent_started"
[[event]]
when = { type = "thought" }
is = "agent_thinking"
text = "text"
[[event]]
when = { type = "final" }
is = "agent_completed"
text = "answer"
[send.start]
text = "{prompt}"
""")


def test_an_answer_that_goes_on_after_its_token_is_not_taken_for_that_of_another_request() -> None:
    async def goes_on(wire: Wire) -> None:
        await wire.upgrade()
        await wire.hear()
        await wire.say({"type": "started"})
        while True:
            await wire.say({"type": "thought", "text": "on it"})
            await asyncio.sleep(0.02)

    async def outlast(session: ScenarioSession) -> None:
        await session.ask("What is 17*23?", ASKED)
        await session.outlast_token("What is 17*23?")

    ends_soon = Token("Ada", "bearer", expires_s=time.time() - LEEWAY_S + 0.2)
    records, _, recorder = play(goes_on, outlast, shown=ends_soon, profile=WITHOUT_IDS)

    assert [record.what for record in records if isinstance(record, Sent)] == ["start"]
    assert {finding.rule for finding in recorder.checker.findings} == {"REFUSAL-3"}
