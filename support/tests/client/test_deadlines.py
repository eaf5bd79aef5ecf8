"""How long a user waits for the next event, and what is learnt from having waited in vain."""

import pytest
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import Event, EventKind
from greenlight_gate.rules.engine.deadlines import Deadlines, TimeBudgets
from greenlight_gate.trace import Expect

BUDGETS = TimeBudgets(start_s=2.0, silence_s=5.0, tool_s=60.0, run_s=300.0)
STARTED = Event(EventKind.STARTED, run="r1")
NOTES, WEATHER = (Event(EventKind.TOOL_EXECUTING, run="r1", tool=name) for name in ("notes", "weather"))


def question(*events: Event, at: float = 100.0) -> UserRequest:
    asked = UserRequest("Ada", "Anything new?", request="q1", expect=Expect(), at=100.0)
    for event in events:
        asked.take(event, at)
    return asked


@pytest.mark.parametrize(
    ("asked", "ends"),
    [
        (question(), 102.0),
        (question(STARTED), 105.0),
        (question(STARTED, at=397.0), 400.0),
        (question(STARTED, NOTES), 160.0),
        (question(STARTED, NOTES, at=399.0), 400.0),
    ],
)
def test_the_budget_of_what_is_waited_for(asked: UserRequest, ends: float) -> None:
    assert asked.patience_ends(Deadlines(BUDGETS)) == ends


@pytest.mark.parametrize(
    ("hung", "asked", "ends"),
    [
        ({"notes"}, question(STARTED, NOTES), 105.0),
        ({"notes"}, question(STARTED, WEATHER), 160.0),
        ({"notes"}, question(STARTED, NOTES, WEATHER), 160.0),
        ({"notes", "weather"}, question(STARTED, NOTES, WEATHER), 105.0),
    ],
)
def test_a_tool_that_hung_is_given_no_more_than_any_silence(hung: set[str], asked: UserRequest, ends: float) -> None:
    assert asked.patience_ends(Deadlines(BUDGETS, hung)) == ends


@pytest.mark.parametrize(
    ("asked", "at", "hung"),
    [
        (question(STARTED, NOTES), 161.5, {"notes"}),
        (question(STARTED, NOTES), 160.0, set()),
        (question(STARTED, NOTES), 110.0, set()),
        (question(STARTED, NOTES, at=399.0), 401.5, set()),
        (question(STARTED), 161.5, set()),
    ],
)
def test_only_a_tool_that_had_its_whole_budget_is_remembered(asked: UserRequest, at: float, hung: set[str]) -> None:
    patience = Deadlines(BUDGETS)

    patience.ended(asked.last_at, at, asked.open_tools)

    assert patience.hung == hung
