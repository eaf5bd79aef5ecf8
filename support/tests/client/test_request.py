"""An answer as the person who asked sees it, and the canary that names its owner."""

import pytest
from greenlight_gate.client.persona_canary import MARKER, canary_of
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import Control, Event, EventKind
from greenlight_gate.trace import Expect


def question(*events: Event) -> UserRequest:
    asked = UserRequest("Ada", "What is 17*23?", request="q1", expect=Expect(), at=10.0)
    for number, event in enumerate(events, 1):
        asked.take(event, 10.0 + number)
    return asked


STARTED = Event(EventKind.STARTED, run="r1", thread="t1", request="q1")
HELPER_ENDS = Event(EventKind.COMPLETED, run="h1", parent="r1", request="q1", text="144")
ENDED = Event(EventKind.COMPLETED, run="r1", request="q1", text="391")


def test_the_first_own_event_names_run_and_thread() -> None:
    asked = question(HELPER_ENDS, STARTED)

    assert (asked.run, asked.thread, asked.last_at) == ("r1", "t1", 12.0)


def test_only_the_own_end_is_the_end_and_only_the_own_answer_the_answer() -> None:
    assert (question(STARTED, HELPER_ENDS).over, question(STARTED, HELPER_ENDS).answer) == (False, None)
    assert (question(STARTED, HELPER_ENDS, ENDED).over, question(STARTED, HELPER_ENDS, ENDED).answer) == (True, "391")


@pytest.mark.parametrize("kind", [EventKind.COMPLETED, EventKind.FAILED, EventKind.STOPPED])
def test_each_way_to_end(kind: EventKind) -> None:
    assert question(STARTED, Event(kind, run="r1")).over


def test_a_refusal_is_an_end() -> None:
    asked, error = question(), Control("error", {"code": "BAD_REQUEST"})

    asked.refused(error)

    assert (asked.over, asked.refusal, asked.answer) == (True, error, None)


@pytest.mark.parametrize(
    ("event", "known"),
    [
        (Event(EventKind.THINKING, request="q1"), True),
        (Event(EventKind.THINKING, request="q2", run="r1"), False),
        (Event(EventKind.THINKING, run="r1"), True),
        (Event(EventKind.THINKING, run="h1", parent="r1"), True),
        (Event(EventKind.THINKING, run="r2"), False),
        (Event(EventKind.THINKING), False),
    ],
)
def test_what_belongs_to_an_answer(event: Event, known: bool) -> None:
    assert question(STARTED).knows(event) is known


def test_a_tool_is_open_until_it_has_finished_as_often_as_it_began() -> None:
    begun, done = Event(EventKind.TOOL_EXECUTING, tool="notes"), Event(EventKind.TOOL_COMPLETED, tool="notes")
    other, unnamed = Event(EventKind.TOOL_EXECUTING, tool="weather"), Event(EventKind.TOOL_EXECUTING)

    cases = ((), (begun,), (begun, begun, done), (begun, done), (begun, other, done), (unnamed,))

    opened = [question(STARTED, *events).open_tools for events in cases]
    assert opened == [set(), {"notes"}, {"notes"}, set(), {"weather"}, {""}]


def test_a_canary_is_a_word_of_small_letters_and_never_the_same_again() -> None:
    canaries = {canary_of(name) for name in ("Ada", "Ada O'Neill") for _ in range(100)}

    assert len(canaries) == 200
    assert all(each.startswith(MARKER) and each.isalpha() and each.isascii() and each.islower() for each in canaries)
