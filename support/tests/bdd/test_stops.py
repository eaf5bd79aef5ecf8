"""Stops are demanded only of what a target can stop, and a stop beside other runs only where it names its run."""

from pathlib import Path

import pytest
from greenlight_gate.bdd.actions.stops import Stops, says_which_run
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.events import EventKind
from greenlight_gate.session.loop_thread import SuiteFault

from support.tests.bdd.test_healthy_worlds import world
from support.tests.hostile import conduct as does


def test_a_stop_names_its_run_by_the_run_the_request_or_the_thread() -> None:
    for name in ("run", "request", "thread"):
        assert says_which_run({"type": "stop", "of": {"id": f"{{{name}}}"}})
    assert not says_which_run({"type": "stop", "reason": "the user asked to stop", "token": "{token}"})


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
        with pytest.raises(SuiteFault, match="Ada has stopped no run"):
            stops.ended("Ada")
