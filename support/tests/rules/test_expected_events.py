"""What a request is owed, and what was seen of it: literal values."""

import pytest
from greenlight_gate.events import Event, EventKind
from greenlight_gate.rules.engine.expected import NO_EVENTS, Events, expected_events
from greenlight_gate.rules.engine.outcome import INFERRED, seen_events
from greenlight_gate.rules.engine.run_state import RunState, Stage, ThreadOrder
from greenlight_gate.trace import Expect

THINKING = Event(EventKind.THINKING, run="r1", synthesised=True)
ALL = Events(1, 1, 1, 1, 1)


def run_of(thoughts: int = 0) -> RunState:
    """A run that has started."""
    run = RunState("r1", THINKING, 1, "Ada", "c1", {}, ThreadOrder(None), asked_at=0.0, at=0.0)
    run.started_at, run.thoughts = 0.1, thoughts
    return run


@pytest.mark.parametrize(
    ("expect", "owed"),
    [
        (None, NO_EVENTS),
        (Expect(thinking=True, tools=2), Events(1, 1, 2, 2, 1)),
        (Expect(thinking=True, tools=2, end=EventKind.FAILED), Events(1, 1, 0, 0, 1)),
        (Expect(tools=1, hidden=("agent_started",)), Events(0, 0, 1, 1, 1)),
        (Expect(tools=1, hidden=("agent_completed",)), Events(1, 0, 1, 1, 0)),
    ],
)
def test_what_is_owed(expect: Expect | None, owed: Events) -> None:
    assert expected_events(expect) == owed


@pytest.mark.parametrize(
    ("seen", "expected", "count"),
    [
        (ALL, ALL, 5),
        (Events(1, 1, 1, 1, 0), ALL, 4),
        (Events(2, 7, 1, 1, 1), ALL, 5),
        (Events(0, 7, 1, 1, 1), ALL, 4),
        (NO_EVENTS, NO_EVENTS, 0),
    ],
)
def test_no_more_count_than_were_expected(seen: Events, expected: Events, count: int) -> None:
    assert seen.of(expected) == count


def test_what_a_profile_inferred_was_not_seen() -> None:
    run = run_of(thoughts=1)
    INFERRED.on_event(run, THINKING, 0.2)
    assert seen_events(run, Expect(thinking=True)) == Events(1, 0, 0, 0, 0)

    # More than were counted, since sub-agents think as well.
    INFERRED.on_event(run, THINKING, 0.3)
    assert seen_events(run, Expect(thinking=True)) == Events(1, 0, 0, 0, 0)


def test_nothing_is_inferred_of_a_run_that_has_ended() -> None:
    run = run_of(thoughts=1)
    run.stage = Stage.ENDED

    INFERRED.on_event(run, THINKING, 0.2)

    assert seen_events(run, Expect(thinking=True)) == Events(1, 1, 0, 0, 0)
