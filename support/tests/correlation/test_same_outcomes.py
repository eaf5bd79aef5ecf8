"""The same trace through a scenario's session, a load's users and a replay: the same outcomes, findings and figures."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import Control
from greenlight_gate.evidence.replay import Meter, replay
from greenlight_gate.findings import Finding
from greenlight_gate.load.checker import LoadChecker
from greenlight_gate.load.meters import Meters
from greenlight_gate.measure.thresholds import Thresholds
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.monitor.monitor import RealTimeEventMonitor
from greenlight_gate.monitor.monitoring_summary import summarise
from greenlight_gate.rules.engine.connection_checker import ConnectionChecker
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import (
    KILL,
    AnyRecord,
    Closed,
    Expect,
    Header,
    Opened,
    Received,
    Sent,
    TimedOut,
    encode_header,
    encode_record,
)
from greenlight_gate.verdict.pattern_detection import detect
from hypothesis import given
from hypothesis import strategies as st

from support.tests.rules.model import scenes
from support.tests.rules.mutations import MUTATIONS
from support.tests.rules.talk import EPOCH_S, PROFILE, TOOL_QUESTION, Talk, asked

BUDGETS = TimeBudgets()
# (expected, seen, excused, how the run ended, answered by an error, seconds to agent_started)
Settled = tuple[Any, ...]


class Came:
    """What came of a trace on one way."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = sorted((*msgspec.structs.astuple(each),) for each in findings)
        self.outcomes: dict[int, Settled] = {}
        self.counts: tuple[int, ...] = ()


def settled(outcome: Outcome) -> Settled:
    took_s = outcome.acknowledgement_s
    return (
        outcome.expected, outcome.seen, outcome.excused, outcome.ended_by, outcome.error is not None,
        None if took_s is None else round(took_s, 6),
    )  # fmt: skip


def timeline(session_timeline: Timeline) -> Any:
    """All figures of a timeline, and each answer that it keeps, event by event."""
    tracks = [
        (track.run, track.marks, track.bars, track.found, track.cut, track.last)
        for track in session_timeline.tracks.chosen(100)
    ]
    return summarise(session_timeline, "monitoring", detect(session_timeline, Thresholds())), tracks


# A scenario's session ---------------------------------------------------------------------------------------------


def in_a_scenario(records: Sequence[AnyRecord]) -> tuple[Came, dict[int, UserRequest], Any]:
    """A recorder as the sessions of a scenario use it, and a live monitor that listens."""
    recorder = Recorder("a scenario", None, PROFILE, BUDGETS, lambda data: data)
    recorder.checker.epoch_s = EPOCH_S
    questions: dict[int, UserRequest] = {}
    monitor = RealTimeEventMonitor()
    monitor.start_monitoring()
    for record in records:
        if isinstance(record, Sent) and record.what == "start" and record.request is not None:
            expect = record.expect or Expect()
            user = recorder.checker.connections[record.connection].user
            question = UserRequest(user, "?", request=record.request, expect=expect, at=record.at)
            questions[record.n] = question
            recorder.answers.asked(question)
        values = msgspec.structs.asdict(record)
        at = recorder.began + values.pop("at")
        made = recorder.add(type(record), values.pop("connection"), at, **{k: v for k, v in values.items() if k != "n"})
        assert made == record
    recorder.finish()
    monitor.stop_monitoring()
    came = Came(recorder.findings)
    came.outcomes = {n: settled(each.outcome) for n, each in questions.items() if each.outcome is not None}
    return came, questions, timeline(monitor._timeline)


# A load's users ---------------------------------------------------------------------------------------------------


class User:
    """A virtual user's idea of what comes of their requests."""

    def __init__(self, meters: Meters, outcomes: dict[int, Settled]) -> None:
        self.meters = meters
        self.outcomes = outcomes

    def on_settled(self, outcome: Outcome) -> None:
        assert outcome.request.n not in self.outcomes, "a request is settled once"
        self.outcomes[outcome.request.n] = settled(outcome)
        self.meters.settled(outcome)

    def on_control(self, control: Control, at: float) -> None:
        """Nothing here depends on control messages."""


class LoadTrace:
    """Feeds a trace to the checkers of a load, the frames of each read together."""

    def __init__(self) -> None:
        self.trace = TraceChecker(PROFILE, BUDGETS, EPOCH_S)
        self.meters = Meters(EPOCH_S, 0.0)
        self.outcomes: dict[int, Settled] = {}

    def take(self, record: AnyRecord) -> None:
        """Any record but a message."""
        self._checker(record)
        self.trace.feed(record)

    def read(self, read: Sequence[Received]) -> None:
        """All messages of one read."""
        first, frames = read[0], [record.raw() for record in read]
        self._checker(first).received_together(b"".join(frames), frames, first.at, first.n)
        self.trace._last = read[-1]

    def _checker(self, record: AnyRecord) -> ConnectionChecker:
        known = self.trace.connections
        if record.connection not in known:
            name = record.user if isinstance(record, Opened | Closed) else ""
            user = User(self.meters, self.outcomes)
            known[record.connection] = LoadChecker(
                PROFILE, BUDGETS, self.trace.registry, record.connection, user=user, name=name, meters=self.meters,
                found=self.trace._found, on_control=user.on_control,
            )  # fmt: skip
        return known[record.connection]


def under_load(records: Sequence[AnyRecord]) -> Came:
    load = LoadTrace()
    waiting: list[Received] = []
    for record in (*records, None):
        together = waiting and isinstance(record, Received) and _is_same_read(waiting[-1], record)
        if waiting and not together:
            load.read(waiting)
            waiting = []
        if isinstance(record, Received):
            waiting.append(record)
        elif record is not None:
            load.take(record)
    load.trace.finish()
    came, meters = Came(load.trace.findings), load.meters
    came.outcomes = load.outcomes
    came.counts = (meters.expected, meters.arrived, meters.five_expected, meters.five_shown)
    return came


def _is_same_read(last: Received, record: Received) -> bool:
    return (last.connection, last.at, last.n + 1) == (record.connection, record.at, record.n)


# A replay ---------------------------------------------------------------------------------------------------------


def replayed(records: Sequence[AnyRecord], path: Path) -> tuple[Came, Any]:
    meter, session_timeline = Meter("same-host"), Timeline(None)
    path.write_bytes(b"".join([encode_header(Header("a scenario", EPOCH_S)), *map(encode_record, records)]))
    checker = replay(path, PROFILE, BUDGETS, meter, session_timeline)
    came, seen = Came(checker.findings), meter.observed()
    came.counts = (seen.expected_events, seen.arrived_events, seen.five_expected, seen.five_shown)
    return came, timeline(session_timeline)


# All three --------------------------------------------------------------------------------------------------------


def trace_of(talk: Talk, chance: random.Random) -> list[AnyRecord]:
    """The records of a talk, numbered anew, with messages that come together in one read."""
    records: list[AnyRecord] = []
    for number, record in enumerate(talk.records, 1):
        last = records[-1] if records else None
        at = record.at
        if isinstance(record, Received) and isinstance(last, Received) and last.connection == record.connection:
            at = last.at if chance.random() < 0.5 else at
        records.append(msgspec.structs.replace(record, n=number, at=round(at, 6)))
    return records


def agree(records: Sequence[AnyRecord], path: Path) -> tuple[dict[int, Settled], tuple[int, ...]]:
    """The outcomes, by the record that asked, and what was counted; all ways agree on both, and on the findings."""
    scenario, questions, live = in_a_scenario(records)
    load = under_load(records)
    again, session_timeline = replayed(records, path)

    assert scenario.findings == load.findings == again.findings
    assert scenario.outcomes == load.outcomes
    assert set(scenario.outcomes) == set(questions), "every request is settled in the end"
    assert load.counts == again.counts
    assert live == session_timeline
    counted = [one for one in scenario.outcomes.values() if not one[2]]
    assert load.counts[:2] == (sum(one[0].total for one in counted), sum(one[1].of(one[0]) for one in counted))
    for n, question in questions.items():
        ended_by = scenario.outcomes[n][3]
        assert question.has_end is (ended_by is not None)
        assert question.over is (question.has_end or scenario.outcomes[n][4])
    return scenario.outcomes, load.counts


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a trace lies while it is replayed."""
    return tmp_path_factory.mktemp("traces") / "1.jsonl"


seeds = st.integers(0, 2**48).map(random.Random)


@given(scenes(), seeds)
def test_legal_traces(path: Path, talk: Talk, chance: random.Random) -> None:
    agree(trace_of(talk, chance), path)


@given(scenes(), seeds, st.sampled_from(sorted(MUTATIONS)), st.sampled_from(["", "close", "break", "kill", "wait"]))
def test_broken_traces(path: Path, talk: Talk, chance: random.Random, name: str, end: str) -> None:
    MUTATIONS[name](talk, chance)
    open_ones = [record.connection for record in talk.records if isinstance(record, Opened) and not record.unwelcome]
    gone = {record.connection for record in talk.records if isinstance(record, Closed)}
    here = [connection for connection in open_ones if connection not in gone]
    if end == "wait":
        for sent in [r for r in talk.records if isinstance(r, Sent) and r.what == "start" and r.connection in here]:
            talk.timeout("end", 6.5, sent.connection, request=sent.request)
    for connection in here if end in ("close", "break", "kill") else ():
        if end == "kill":
            talk.cut(KILL, "in the middle", connection)
        talk.close("server" if end == "close" else "nobody", 1011 if end == "close" else None, connection)
    agree(trace_of(talk, chance), path)


@pytest.mark.parametrize(
    ("talk", "counts", "excused", "ended"),
    [
        (asked().answer().close(), (5, 5, 1, 1), False, True),
        (asked().started().close("server", 1011), (5, 1, 1, 0), False, False),
        (asked().started().timeout("end", 6.5, request="q1"), (5, 1, 1, 0), False, False),
        (asked().started().timeout("end", 6.5, request="q1").thinking().completed(), (5, 1, 1, 0), False, False),
        (asked().started().close(), (0, 0, 0, 0), True, False),
        (asked().close(), (0, 0, 0, 0), True, False),
        (asked().started().send("stop", run="r1").stopped(), (0, 0, 0, 0), True, True),
        (asked().started().cut(KILL).close("nobody", None), (0, 0, 0, 0), True, False),
        (asked().started().cut("RST").close("nobody", None), (0, 0, 0, 0), True, False),
        (asked().started().failed(), (5, 1, 1, 0), False, True),
        (asked(msgspec.structs.replace(TOOL_QUESTION, tools=2)).answer(), (7, 5, 1, 1), False, True),
    ],
    ids=[
        "whole", "the-backend-closes", "in-vain", "late", "the-user-leaves", "the-user-leaves-before", "stopped",
        "backend-taken-away", "cut", "failed", "one-tool-of-two",
    ],
)  # fmt: skip
def test_each_way_to_be_settled(path: Path, talk: Talk, counts: tuple[int, ...], excused: bool, ended: bool) -> None:
    outcomes, counted = agree(trace_of(talk, random.Random(1)), path)

    (outcome,) = outcomes.values()
    assert (counted, outcome[2], outcome[3] is not None) == (counts, excused, ended)


def test_what_was_lost_and_comes_whole_in_the_end_counts(path: Path) -> None:
    talk = asked().started().close("server", 1011).open("Ada", "c2").restore("c2", 1).thinking(connection="c2")
    talk.executing(connection="c2").tool_done(connection="c2").completed(connection="c2")

    assert agree(trace_of(talk, random.Random(1)), path)[1] == (5, 5, 1, 1)


def test_an_error_in_place_of_a_run_is_an_outcome(path: Path) -> None:
    error = {"type": "error_message", "error_code": "BUSY", "error_message": "not now", "request_id": "q1"}
    outcomes, counted = agree(trace_of(asked().frame(error), random.Random(1)), path)

    assert counted == (5, 0, 1, 0)
    assert [(outcome[2], outcome[4]) for outcome in outcomes.values()] == [(False, True)]


def test_what_waits_in_vain_is_waited_for_once(path: Path) -> None:
    talk = asked().add(TimedOut, "c1", waiting_for="start", after_s=5.0, request="q1").close("server", 1011)

    assert agree(trace_of(talk, random.Random(1)), path)[1] == (5, 0, 1, 0)
