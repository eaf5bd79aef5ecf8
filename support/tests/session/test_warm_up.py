"""Before anything counts, a target is asked as often as its file says: nothing of it is kept or judged."""

import os
from argparse import Namespace
from pathlib import Path

import pytest
from greenlight_gate.cli.doctor import doctor
from greenlight_gate.events import Event, EventKind, Reading, each
from greenlight_gate.measure import record_feed
from greenlight_gate.measure.load_counts import Counts
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.session.validation_session import SessionPlan, ValidationSession
from greenlight_gate.targets.access import TargetFault
from greenlight_gate.targets.settings import suite_root
from greenlight_gate.trace import AnyRecord

EMBEDDED = suite_root() / "support/greenlight_gate/targets/embedded.toml"


class Answers(record_feed.FeedListener):
    """How many answers were completed, by what was recorded."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}

    def on_record(self, source: record_feed.FeedSource, record: AnyRecord, reading: Reading | None) -> None:
        del record
        completed = [part for part in each(reading) if isinstance(part, Event) and part.kind is EventKind.COMPLETED]
        self.of[source.scenario] = self.of.get(source.scenario, 0) + len(completed)

    def on_event(self, source: record_feed.FeedSource, run: RunState, event: Event, at: float) -> None:
        pass

    def on_settled(self, source: record_feed.FeedSource, outcome: Outcome) -> None:
        pass

    def finished(self, source: record_feed.FeedSource) -> None:
        pass

    def counted(self, load: object, counts: Counts) -> None:
        pass


def session(folder: Path, warm_up_runs: int, *defects: str) -> ValidationSession:
    target = folder / "target.toml"
    text = EMBEDDED.read_text(encoding="utf-8")
    target.write_text(text.replace('start = "embedded"', f'start = "embedded"\nwarm_up_runs = {warm_up_runs}'))
    return ValidationSession(
        SessionPlan(str(target), output_dir=folder / "reports", environ=dict(os.environ), defects=defects)
    )


def test_a_target_is_asked_as_often_as_its_file_says_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    suite, answers = session(tmp_path, 2), Answers()
    record_feed.listen(answers)
    try:
        suite.start()
        assert answers.of == {"warm-up": 2}
        assert list(suite.evidence.traces.glob("*")) == []
        assert list(suite.evidence.lines()) == []
    finally:
        record_feed.leave(answers)
        suite.stop()


def test_a_target_that_lets_nobody_in_is_at_fault(tmp_path: Path) -> None:
    suite = session(tmp_path, 1, "closes_1011_at_start")
    try:
        with pytest.raises(TargetFault, match=r"warm-up: Ada was not let in|warm-up: Ada's connection"):
            suite.start()
        assert suite.begun
    finally:
        suite.stop()


class Failing(Answers):
    """What listens fails at the end of an answer: an error of the suite itself."""

    def on_record(self, source: record_feed.FeedSource, record: AnyRecord, reading: Reading | None) -> None:
        if any(isinstance(part, Event) and part.kind is EventKind.COMPLETED for part in each(reading)):
            raise ZeroDivisionError("while it listened")


def test_an_error_of_the_suite_itself_is_not_held_against_the_target(tmp_path: Path) -> None:
    suite, listener = session(tmp_path, 1), Failing()
    record_feed.listen(listener)
    try:
        with pytest.raises(SuiteFault, match="a message could not be processed: ZeroDivisionError"):
            suite.start()
    finally:
        record_feed.leave(listener)
        suite.stop()


def test_nor_does_doctor_hold_it_against_the_target(tmp_path: Path) -> None:
    session(tmp_path, 0)
    listener = Failing()
    record_feed.listen(listener)
    try:
        with pytest.raises(SuiteFault, match="a message could not be processed: ZeroDivisionError"):
            doctor(Namespace(environment=str(tmp_path / "target.toml"), record=None, wait=0.0))
    finally:
        record_feed.leave(listener)
