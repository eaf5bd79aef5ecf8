"""A legal trace, then one change: the responsible rule objects; and nothing that arrives makes the rules fail."""

import json
from typing import Any

import msgspec
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import Closed, Cut, Expect, Opened, Received, Sent, TimedOut
from hypothesis import given
from hypothesis import strategies as st

from support.tests.rules.talk import EPOCH_S, PROFILE, Talk
from support.tests.wire.frames import any_frame

EXPECT = Expect(prompt="What?", thinking=True)
PLAIN = ("started", "thinking", "completed")
TOOLS = ("started", "thinking", "executing", "tool_done", "thinking", "completed")


@st.composite
def legal(draw: st.DrawFn) -> Talk:
    """One to three runs, side by side or one after the other, on one connection and up to two threads."""
    talk = Talk().open()
    plans = draw(st.lists(st.sampled_from([PLAIN, TOOLS]), min_size=1, max_size=3))
    left: dict[int, list[str]] = {}
    for number, plan in enumerate(plans):
        talk.ask(f"q{number}", EXPECT)
        left[number] = list(plan)
    while left:
        number = draw(st.sampled_from(sorted(left)))
        step = left[number].pop(0)
        getattr(talk, step)(f"r{number}", request=f"q{number}", thread=f"t{number % 2}")
        if not left[number]:
            del left[number]
    return talk


def events(talk: Talk) -> list[int]:
    """Where the events stand in the records."""
    return [i for i, r in enumerate(talk.records) if isinstance(r, Received) and '"run_id"' in (r.text or "")]


def body(talk: Talk, index: int) -> dict[str, Any]:
    record = talk.records[index]
    assert isinstance(record, Received)
    value: dict[str, Any] = json.loads(record.text or "")
    return value


def put(talk: Talk, index: int, value: Any) -> None:
    talk.records[index] = msgspec.structs.replace(talk.records[index], text=json.dumps(value))


@given(legal())
def test_legal_traces_are_never_accused(talk: Talk) -> None:
    assert talk.whole() == []


@given(legal(), st.data())
def test_a_dropped_event_is_missed(talk: Talk, data: st.DataObject) -> None:
    index = data.draw(st.sampled_from(events(talk)))
    gone = body(talk, index)
    del talk.records[index]
    expected = {
        "agent_started": "LIFECYCLE-1", "tool_executing": "PAIRING-1", "tool_completed": "PAIRING-2",
        "agent_completed": "LIFECYCLE-2", "agent_thinking": "CONTINUITY-3",
    }[gone["type"]]  # fmt: skip
    rules = talk.rules()
    # The very first number of a thread cannot be missed: the thread may be older than the trace.
    assert expected in rules or (expected == "CONTINUITY-3" and gone["seq"] == 1)


@given(legal(), st.data())
def test_an_event_that_comes_twice_is_seen(talk: Talk, data: st.DataObject) -> None:
    index = data.draw(st.sampled_from(events(talk)))
    later = data.draw(st.integers(index + 1, len(talk.records)))
    talk.records.insert(later, talk.records[index])
    kind = body(talk, index)["type"]
    rules = talk.rules()
    assert "CONTINUITY-3" in rules
    assert rules & {"CONTINUITY-2", "LIFECYCLE-2" if kind == "agent_completed" else "LIFECYCLE-3"}


@given(legal(), st.data())
def test_events_of_one_thread_that_change_places_are_seen(talk: Talk, data: st.DataObject) -> None:
    places = events(talk)
    pairs = [
        (a, b) for a in places for b in places if a < b and body(talk, a)["thread_id"] == body(talk, b)["thread_id"]
    ]
    first, second = data.draw(st.sampled_from(pairs))
    one, other = body(talk, first), body(talk, second)
    put(talk, first, other)
    put(talk, second, one)
    assert talk.rules() & {"CONTINUITY-3", "LIFECYCLE-1"}


@given(legal(), st.data())
def test_an_event_under_another_name_is_seen(talk: Talk, data: st.DataObject) -> None:
    index = data.draw(st.sampled_from(events(talk)))
    event = body(talk, index)
    names = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed", "agent_failed"]
    event["type"] = data.draw(st.sampled_from([name for name in names if name != event["type"]]))
    put(talk, index, event)
    assert {rule.partition("-")[0] for rule in talk.rules()} & {"LIFECYCLE", "PAIRING", "CONTENT"}


@given(legal(), st.data())
def test_an_event_of_a_run_that_nobody_asked_for_is_seen(talk: Talk, data: st.DataObject) -> None:
    index = data.draw(st.sampled_from(events(talk)))
    # A run that never had another id than this one is not relabelled: agent_started decides what the id is.
    event = body(talk, index)
    event["run_id"] = data.draw(st.sampled_from(["other", None, "registry", ""]))
    put(talk, index, event)
    assert "IDENTITY-1" in talk.rules()


@given(legal(), st.data())
def test_two_events_that_change_their_runs_are_seen(talk: Talk, data: st.DataObject) -> None:
    places = events(talk)
    pairs = [(a, b) for a in places for b in places if body(talk, a)["run_id"] < body(talk, b)["run_id"]]
    if not pairs:
        return
    first, second = data.draw(st.sampled_from(pairs))
    one, other = body(talk, first), body(talk, second)
    put(talk, first, {**one, "run_id": other["run_id"]})
    put(talk, second, {**other, "run_id": one["run_id"]})
    assert "IDENTITY-1" in talk.rules()


@given(legal(), st.data())
def test_a_trace_that_just_stops_has_a_run_without_an_end(talk: Talk, data: st.DataObject) -> None:
    ends = [i for i in events(talk) if body(talk, i)["type"] == "agent_completed"]
    del talk.records[data.draw(st.integers(events(talk)[0], ends[-1])) :]
    assert "LIFECYCLE-2" in talk.rules()


ids = st.sampled_from([None, "q0", "q1", "r0", "r1", "t0", "t1", "user-ada", ""])
common = {"n": st.just(1), "at": st.floats(0, 1e4), "connection": st.sampled_from(["c1", "c2", "c3"])}
codes = st.sampled_from([None, 0, 1000, 1005, 1006, 1011, 2000, 4401])
record = st.one_of(
    st.builds(Opened, **common, user=st.sampled_from(["Ada", "Bashir"]), user_id=ids),
    st.builds(
        Sent, **common, what=st.sampled_from(["start", "stop", "ping", "restore", "hello", "invalid"]),
        text=st.text(max_size=3), request=ids, run=ids, thread=ids, nonce=ids,
        last_seq=st.sampled_from([None, 0, 3]), expect=st.none() | st.builds(Expect, prompt=st.text(max_size=5)),
    ),
    st.builds(Received, **common, data=any_frame, binary=st.booleans()),
    st.builds(Closed, **common, by=st.sampled_from(["client", "server", "nobody"]), code=codes,
              during=st.sampled_from(["session", "handshake"])),
    st.builds(Cut, **common, way=st.sampled_from(["FIN", "restart", "kill"]), user=st.sampled_from(["", "Ada"])),
    st.builds(TimedOut, **common, after_s=st.floats(0, 100), request=ids, run=ids,
              waiting_for=st.sampled_from(["ready", "start", "end", "pong", "refusal", "close", "restored"])),
)  # fmt: skip


@given(st.lists(record, max_size=30))
def test_no_trace_makes_the_rules_fail(records: list[Any]) -> None:
    checker = TraceChecker(PROFILE, Talk().budgets, EPOCH_S)
    for number, entry in enumerate(records, 1):
        checker.feed(msgspec.structs.replace(entry, n=number))
    checker.finish()
    assert all(finding.actual for finding in checker.findings)
