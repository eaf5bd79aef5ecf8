"""What is measured of runs: the time of a user who is asked is none of theirs."""

import pytest
from greenlight_gate.measure.run_observations import ObservedRun, RunObservations
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.rules.engine.trace_checker import TraceChecker

from support.tests.rules.broken.inputs import DENIED, answers, asks, begun, received, rest
from support.tests.rules.talk import EPOCH_S, PROFILE, Talk


class Watched(RunObservations):
    """As an observer of a trace, which hears of pieces of a text as well."""

    def on_more(self, run: RunState, at: float) -> None:
        """They count for nothing here."""


def observed(talk: Talk) -> ObservedRun:
    """The only run of a talk."""
    found: list[ObservedRun] = []
    observations = Watched(EPOCH_S, "unknown", ran=found.append, delivered=lambda seconds, parallel: None)
    checker = TraceChecker(PROFILE, TimeBudgets(), EPOCH_S)
    checker.observe_events(observations)
    for record in talk.records:
        observations.take(record, checker.feed(record))
    observations.finish()
    (run,) = found
    return run


@pytest.mark.parametrize(
    "talk",
    [
        rest(received(answers(asks(begun()).wait(60)))),
        rest(answers(asks(begun()).wait(60)).wait(0.1)),
        received(asks(begun()).wait(60), "expired").wait(0.1).completed(result=DENIED),
    ],
)
def test_the_time_of_the_user_is_none_of_the_run(talk: Talk) -> None:
    run = observed(talk)
    assert run.duration_s == pytest.approx(0.7, abs=0.21)
    assert run.silence_s <= 0.21
