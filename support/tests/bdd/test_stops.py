"""Stops are demanded only of what a target can stop, and a stop beside other runs only where it names its run."""

from pathlib import Path

import msgspec
import pytest
from greenlight_gate.bdd.actions.stops import Stops, completed_at_once, goes_on, says_which_run
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import Event, EventKind
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.trace import Expect
from greenlight_gate.wire.connecting import HttpAddress

from support.tests.bdd.test_healthy_worlds import world
from support.tests.hostile import conduct as does
from support.tests.rules.talk import PROFILE


def test_a_stop_names_its_run_by_the_run_the_request_or_the_thread() -> None:
    spec = PROFILE.spec
    for name in ("run", "request", "thread"):
        stop = {"type": "stop", "of": {"id": f"{{{name}}}"}}
        assert says_which_run(msgspec.structs.replace(spec, send={**spec.send, "stop": stop}))
    stop = {"type": "stop", "reason": "the user asked to stop", "token": "{token}"}
    assert not says_which_run(msgspec.structs.replace(spec, send={**spec.send, "stop": stop}))
    by_http = {"stop": HttpAddress("/runs/{run}/stop")}
    assert says_which_run(msgspec.structs.replace(spec, send={**spec.send, "stop": {}}, addresses=by_http))


def test_a_target_without_stop_is_asked_for_none(tmp_path: Path) -> None:
    with world(tmp_path, does.conversation(does.rightly)) as here:
        stops = Stops(here)
        here.connect("Ada")
        question = here.ask("Ada", "with_tool")
        with pytest.raises(NotExercised, match=r"capabilities\.stop = false"):
            stops.begin_several("Ada", "with_tool")
        with pytest.raises(NotExercised, match=r"capabilities\.stop = false"):
            stops.stop_once(question, EventKind.STARTED)
        with pytest.raises(NotExercised, match=r"capabilities\.stop = false"):
            stops.stop_after_the_end(question)
        with pytest.raises(NotExercised, match=r"capabilities\.stop = false"):
            stops.begin_and_stop("Ada", "with_tool")
        with pytest.raises(SuiteFault, match="Ada has stopped no run"):
            stops.ended("Ada")


def run(*events: tuple[EventKind, float]) -> UserRequest:
    """A request whose run sent these events, at these times."""
    question = UserRequest("Ada", "Research the tides.", request="q1", expect=Expect(), at=10.0)
    for kind, at in events:
        question.take(Event(kind, run="r1", text="the tides"), at)
    return question


@pytest.mark.parametrize(("end", "at_once"), [(10.9, True), (11.2, True), (11.3, False)])
def test_a_run_that_completes_soon_after_a_stop_may_have_done_so_by_itself(end: float, *, at_once: bool) -> None:
    assert completed_at_once(run((EventKind.STARTED, 10.1), (EventKind.COMPLETED, end)), 11.0, 0.25) is at_once
    assert not completed_at_once(run((EventKind.STARTED, 10.1), (EventKind.STOPPED, end)), 11.0, 0.25)


def test_a_run_that_takes_twice_as_long_does_not_complete_at_once_by_itself() -> None:
    quick_tool = ((EventKind.STARTED, 10.1), (EventKind.TOOL_EXECUTING, 11.0), (EventKind.COMPLETED, 11.4))
    assert goes_on(run(*quick_tool), EventKind.STARTED, 0.25)
    assert goes_on(run(*quick_tool), None, 0.25)
    assert not goes_on(run(*quick_tool), EventKind.TOOL_EXECUTING, 0.25)
    assert not goes_on(run(*quick_tool), EventKind.THINKING, 0.25)
    assert not goes_on(run((EventKind.STARTED, 10.1), (EventKind.FAILED, 19.0)), None, 0.25)
