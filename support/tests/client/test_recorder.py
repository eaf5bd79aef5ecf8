"""What the loop has missed stands in the trace before the first record that had to wait for it."""

import time
from pathlib import Path

from greenlight_gate.client.recorder import Recorder
from greenlight_gate.events import Unmapped
from greenlight_gate.evidence.replay import Meter, replay
from greenlight_gate.measure.host_load import CrowdedTime
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.trace import ClockMoved, Closed, Crowded, Expect, Opened, Received, Sent, Stalled, TimedOut
from greenlight_gate.transport.loop_watch import Clocks, LoopStall, LoopWatch

from support.tests.rules.talk import PROFILE

PONG = b'{"type":"pong"}'


def test_a_stall_is_noted_once_before_the_first_message_that_waited() -> None:
    watch = LoopWatch(lambda: Clocks(0.0, 0.0, 0.0))
    recorder = Recorder("a scenario", None, PROFILE, TimeBudgets(), bytes, watch=watch)
    watch.look(recorder.began + 1.0)
    watch.stalls.clear()
    for after_s in (0.05, 0.55, 0.5501):
        recorder.received(PONG, False, recorder.began + 1.0 + after_s, "c1")

    records = [entry.record for entry in recorder.entries]
    assert [type(record) for record in records] == [Received, Stalled, Received, Received]
    assert isinstance(records[1], Stalled)
    assert (records[1].at, records[1].for_s) == (1.55, 0.5)


def test_a_stall_that_a_tick_has_noticed_first_is_noted_as_well() -> None:
    watch = LoopWatch(lambda: Clocks(0.0, 0.0, 0.0))
    recorder = Recorder("a scenario", None, PROFILE, TimeBudgets(), bytes, watch=watch)
    watch.look(recorder.began + 1.0)
    watch.stalls.clear()
    watch.look(recorder.began + 8.0)
    recorder.received(PONG, False, recorder.began + 8.001, "c1")

    stalled = [entry.record for entry in recorder.entries if isinstance(entry.record, Stalled)]
    assert [(record.at, record.for_s) for record in stalled] == [(8.0, 7.0)]


def test_a_wall_clock_that_was_moved_is_noted() -> None:
    wall = 1000.0
    watch = LoopWatch(lambda: Clocks(0.0, 0.0, wall))
    recorder = Recorder("a scenario", None, PROFILE, TimeBudgets(), bytes, watch=watch)
    wall = 1060.0
    recorder.received(PONG, False, recorder.began, "c1")

    moved = [entry.record for entry in recorder.entries if isinstance(entry.record, ClockMoved)]
    assert [record.by_s for record in moved] == [60.0]
    assert watch.epoch_s == 1060.0


def test_no_wait_passes_while_the_loop_stands_still() -> None:
    watch = LoopWatch()
    recorder = Recorder("a scenario", None, PROFILE, TimeBudgets(), bytes, watch=watch)
    now = time.monotonic()
    assert recorder.wait_s(now - 8.0, 5.0) <= -3.0
    watch.stalls.append(LoopStall(now, 7.0))
    watch.begin()
    assert recorder.lost_s(now - 8.0) >= 7.0
    assert recorder.lost_s(now - 3.0) >= 3.0
    assert recorder.wait_s(now - 8.0, 60.0) - 52.0 > 6.0


def test_what_came_meanwhile_may_still_be_read() -> None:
    watch = LoopWatch()
    recorder = Recorder("a scenario", None, PROFILE, TimeBudgets(), bytes, watch=watch)
    ended_at = time.monotonic()
    watch.stalls.append(LoopStall(ended_at, 7.0))
    watch.begin()
    assert recorder.wait_s(ended_at - 7.0, 0.0) >= ended_at + 0.5 - time.monotonic()


def test_what_comes_after_the_end_of_a_trace_is_judged_neither_live_nor_in_its_replay(tmp_path: Path) -> None:
    path = tmp_path / "0001.jsonl"
    recorder = Recorder("a scenario", path, PROFILE, TimeBudgets(), bytes)
    recorder.add(Opened, "c1", user="Ada", user_id="u")
    recorder.received(b'{"type": "connection_established", "user_id": "u"}', False, recorder.began, "c1")
    recorder.finish()

    recorder.add(Closed, "c1", by="nobody")
    late = recorder.received(b"no JSON", False, recorder.began, "c1")

    again = replay(path, PROFILE, TimeBudgets(), Meter("unknown"))
    assert isinstance(late, Unmapped)
    assert (len(recorder.findings), len(again.findings), again.records) == (0, 0, 2)


def test_a_crowded_machine_is_noted_before_what_came_then_also_if_it_was_so_just_before() -> None:
    now = time.monotonic()
    crowded = [CrowdedTime(now - 60.0, 1.0, "long ago"), CrowdedTime(now - 0.1, 1.0, "just before")]
    recorder = Recorder("a scenario", None, PROFILE, TimeBudgets(), bytes, crowded=crowded)
    recorder.received(PONG, False, recorder.began + 1.0, "c1")
    crowded.append(CrowdedTime(recorder.began + 1.5, 1.0, "now"))
    recorder.received(PONG, False, recorder.began + 2.0, "c1")

    records = [entry.record for entry in recorder.entries]
    assert [type(record) for record in records] == [Crowded, Received, Crowded, Received]
    assert [record.why for record in records if isinstance(record, Crowded)] == ["just before", "now"]
    assert recorder.checker.registry.stalls.crowded == "just before"


def test_what_was_late_is_no_finding_once_the_machine_is_known_to_have_been_busy_then(tmp_path: Path) -> None:
    path, crowded = tmp_path / "trace.jsonl", list[CrowdedTime]()
    # The first look is too early to tell.
    seen = iter([[], [CrowdedTime(time.monotonic() + 6.4, 1.0, "just now")]])
    recorder = Recorder(
        "a scenario", path, PROFILE, TimeBudgets(), bytes, crowded=crowded,
        look_at_host=lambda: crowded.extend(next(seen)),
    )  # fmt: skip
    recorder.add(Opened, "c1", recorder.began, user="Ada", user_id="u-ada", handshake_ms=1.0)
    recorder.add(Sent, "c1", recorder.began, what="start", text="?", request="q1")
    recorder.add(TimedOut, "c1", recorder.began + 6.0, waiting_for="start", after_s=6.0, request="q1")
    before = {finding.rule for finding in recorder.findings}
    recorder.finish()

    again = replay(path, PROFILE, TimeBudgets(), Meter("unknown"))
    assert before == {"TIMELINESS-1", "LIFECYCLE-2"}
    assert (recorder.findings, again.findings) == ([], [])
    assert set(again.registry.stalls.unjudged) == before


def test_the_machine_is_looked_at_before_a_wait_in_vain_is_judged(tmp_path: Path) -> None:
    path, crowded = tmp_path / "trace.jsonl", list[CrowdedTime]()
    recorder = Recorder(
        "a scenario", path, PROFILE, TimeBudgets(), bytes, crowded=crowded,
        look_at_host=lambda: crowded.append(CrowdedTime(recorder.began + 6.0, 1.0, "just now")),
    )  # fmt: skip
    recorder.add(Opened, "c1", recorder.began, user="Ada", user_id="u-ada", handshake_ms=1.0)
    recorder.add(
        Sent, "c1", recorder.began, what="start", text="?", request="q1", expect=Expect(prompt="?", thinking=True)
    )
    recorder.add(TimedOut, "c1", recorder.began + 6.0, waiting_for="start", after_s=6.0, request="q1")
    recorder.finish()

    meter = Meter("unknown")
    again = replay(path, PROFILE, TimeBudgets(), meter)
    assert (recorder.findings, again.findings) == ([], [])
    assert set(again.registry.stalls.unjudged) == {"TIMELINESS-1", "LIFECYCLE-2"}
    # What was owed does not count as missing either.
    assert (meter.expected, meter.arrived, meter.five_expected) == (0, 0, 0)
