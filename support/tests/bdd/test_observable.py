"""A step that waits for an event: what becomes of it where the event does not come."""

import pytest
from greenlight_gate.bdd.actions.load import judgeable
from greenlight_gate.bdd.matchers.event_patterns import EventPattern
from greenlight_gate.bdd.matchers.observable import NotExercised, claimable, must_have_shown
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import Event, EventKind
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.trace import Expect


def answer(*kinds: EventKind, tools: int = 1) -> UserRequest:
    question = UserRequest("Ada", "What is 17*23?", request="q", expect=Expect(prompt="17*23", tools=tools), at=10.0)
    for kind in kinds:
        question.take(Event(kind, run="r"), 11.0)
    return question


def test_an_event_that_came_is_enough() -> None:
    must_have_shown(answer(EventKind.STARTED, EventKind.TOOL_EXECUTING), EventKind.TOOL_EXECUTING)


def test_an_event_that_was_owed_and_did_not_come_fails_the_step() -> None:
    with pytest.raises(AssertionError, match="tool_executing was expected, but was not received"):
        must_have_shown(answer(EventKind.STARTED), EventKind.TOOL_EXECUTING)
    with pytest.raises(AssertionError, match="agent_started was expected, but was not received"):
        must_have_shown(answer(tools=0), EventKind.STARTED)


def test_a_tool_that_the_question_does_not_need_is_not_exercised() -> None:
    with pytest.raises(NotExercised, match="needs no tool"):
        must_have_shown(answer(EventKind.STARTED, EventKind.COMPLETED, tools=0), EventKind.TOOL_EXECUTING)


def test_an_event_that_the_wire_does_not_show_is_not_exercised() -> None:
    question = answer(EventKind.STARTED)
    question.absent = {EventKind.TOOL_EXECUTING: "the protocol has none"}
    with pytest.raises(NotExercised, match="not observable here: the protocol has none"):
        must_have_shown(question, EventKind.TOOL_EXECUTING)


def test_a_tool_that_the_target_accepts_not_to_show_is_claimed_of_no_answer() -> None:
    question = answer(EventKind.STARTED, EventKind.COMPLETED, tools=0)
    question.expect = Expect(prompt="17*23", hidden=(EventKind.TOOL_EXECUTING,))
    patterns = [EventPattern(kind) for kind in (EventKind.STARTED, EventKind.TOOL_EXECUTING, EventKind.COMPLETED)]
    assert [pattern.kind for pattern in claimable(question, patterns)] == [EventKind.STARTED, EventKind.COMPLETED]


def test_a_generator_that_was_too_busy_judges_no_speed() -> None:
    rested = LoadResult(busy=0.2)
    assert judgeable(rested) is rested
    with pytest.raises(SuiteFault, match=r"generator was 95% busy \(85% are allowed\), so speed cannot be judged"):
        judgeable(LoadResult(busy=0.95))
