"""An answer as the user who asked sees it, and the canary that names its owner."""

from typing import Any

import pytest
from greenlight_gate.client.canary_factory import MARKER, canary_of
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import Event, EventKind
from greenlight_gate.rules.engine.deadlines import Deadlines, TimeBudgets
from greenlight_gate.trace import Expect, Opened, Received, Sent

from support.tests.rules.talk import ANSWER, PROFILE, Talk


def question(*events: Event) -> UserRequest:
    asked = UserRequest("Ada", "What is 17*23?", request="q1", expect=Expect(), at=10.0)
    for number, event in enumerate(events, 1):
        asked.take(event, 10.0 + number)
    return asked


STARTED = Event(EventKind.STARTED, run="r1", thread="t1", request="q1")
HELPER_ENDS = Event(EventKind.COMPLETED, run="h1", parent="r1", request="q1", text="144")
INPUTS_IN_ORDER = (EventKind.INPUT_REQUESTED, EventKind.INPUT_RECEIVED)
HELPER = {"run": "h1", "parent_run_id": "r1"}


def shown(talk: Talk) -> dict[str, UserRequest]:
    """What was asked in a talk, by request, as a recorder has it that hears the talk."""
    recorder = Recorder("a scenario", None, PROFILE, TimeBudgets(), bytes)
    found: dict[str, UserRequest] = {}
    for record in talk.records:
        at, connection = recorder.began + record.at, record.connection
        if isinstance(record, Sent) and record.request is not None:
            found[record.request] = UserRequest("Ada", "?", request=record.request, expect=Expect(), at=at)
            recorder.answers.asked(found[record.request])
        if isinstance(record, Received):
            recorder.received(record.raw(), False, at, connection)
        elif isinstance(record, Opened):
            recorder.add(Opened, connection, at, user=record.user, user_id=record.user_id)
        else:
            assert isinstance(record, Sent)
            recorder.add(Sent, connection, at, what="start", text="{}", request=record.request, expect=record.expect)
    return found


def asked() -> Talk:
    return Talk().open().ask(expect=Expect())


def test_the_first_own_event_names_run_and_thread() -> None:
    asked = question(HELPER_ENDS, STARTED)

    assert (asked.run, asked.thread, asked.last_at) == ("r1", "t1", 12.0)


def test_only_the_own_end_is_the_end_and_only_the_own_answer_the_answer() -> None:
    talk = asked().started().started(**HELPER).completed(**HELPER, result="144")

    before = shown(talk)["q1"]
    assert (before.over, before.has_end, before.answer, before.has(EventKind.COMPLETED)) == (False, False, None, False)
    after = shown(talk.completed())["q1"]
    assert (after.over, after.has_end, after.answer, len(after.events)) == (True, True, ANSWER, 4)


@pytest.mark.parametrize("end", ["completed", "failed", "stopped"])
def test_each_way_to_end(end: str) -> None:
    found = shown(getattr(asked().started(), end)())["q1"]

    assert (found.over, found.has_end) == (True, True)


def error(request: str | None) -> dict[str, Any]:
    return {"type": "error_message", "error_code": "BUSY", "error_message": "not now", "request_id": request}


def test_an_error_in_place_of_an_answer_is_an_end() -> None:
    found = shown(asked().frame(error("q1")))["q1"]

    assert (found.over, found.has_end, found.answer) == (True, False, None)
    assert found.outcome is not None
    assert found.outcome.error is not None
    assert found.outcome.error.values["code"] == "BUSY"


def test_an_error_in_the_middle_of_an_answer_is_not_its_end() -> None:
    assert not shown(asked().started().frame(error("q1")))["q1"].over
    assert not shown(asked().frame(error("another")))["q1"].over


@pytest.mark.parametrize(
    ("ids", "owner"),
    [
        ({}, "q1"),
        ({"request": None}, "q1"),
        ({**HELPER, "request": None}, "q1"),
        ({"request": "q2", "run": "r2", "thread": "t2"}, "q2"),
        ({"request": None, "run": "r2", "thread": "t2"}, "q2"),
        # Between the run and the request that it names, the request is what was asked (IDENTITY-1).
        ({"request": "q2", "run": "r1"}, "q2"),
        ({"request": None, "run": "r3", "thread": "t3"}, None),
        ({"request": None, "run": None}, None),
    ],
)
def test_to_which_of_two_answers_an_event_belongs(ids: dict[str, Any], owner: str | None) -> None:
    talk = asked().ask("q2", Expect()).started().started("r2", request="q2", thread="t2")

    found = shown(talk.thinking(**ids))
    thoughts = {request for request, each in found.items() if EventKind.THINKING in [e.kind for e in each.events]}
    assert thoughts == ({owner} if owner is not None else set())


def test_what_was_delivered_before_is_shown_once() -> None:
    talk = asked().started()
    found = shown(talk.frame(talk.last_text()).completed())["q1"]

    assert [event.kind for event in found.events] == [EventKind.STARTED, EventKind.COMPLETED]


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


def test_the_time_of_the_user_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenlight_gate.rules.engine.deadlines.MARGIN_S", 0.0)
    patience = Deadlines(TimeBudgets(run_s=20, silence_s=5))
    asks, received = (Event(kind, run="r1", request="q1") for kind in INPUTS_IN_ORDER)
    asked = question(STARTED)
    asked.take(asks, 12.0)
    asked.take(received, 62.0)
    assert asked.patience_ends(patience) == 62.0 + 5
    answered = question(STARTED)
    answered.take(asks, 12.0)
    answered.answered(62.0)
    answered.answered(63.0)
    assert answered.patience_ends(patience) == 62.0 + 5
    unasked = question(STARTED)
    unasked.take(STARTED, 62.0)
    assert unasked.patience_ends(patience) == 10.0 + 20
