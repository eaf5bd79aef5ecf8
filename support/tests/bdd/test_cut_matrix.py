"""The cut-point matrix against a real backend: the cuts are exact, nothing is left behind, and broken backends show."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from greenlight_gate.bdd.actions.cut_matrix import CutMatrix, cut_cells_of, places, places_in_progress
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.proxied_user import ConnectionLoss
from greenlight_gate.bdd.world.world import World
from greenlight_gate.events import Event, EventKind
from greenlight_gate.evidence.cut_matrix import CutResult, as_table
from greenlight_gate.evidence.judge import judge
from greenlight_gate.evidence.session_folder import Ended, Evidence, Finished, Selected
from greenlight_gate.session.validation_session import SessionPlan, ValidationSession
from greenlight_gate.targets.settings import suite_root
from greenlight_gate.trace import Closed, Received, Sent
from greenlight_gate.verdict.facts import ScenarioOutcome

from support.tests.backend.users import eventually
from support.tests.cli.process import environ

EMBEDDED = suite_root() / "support/greenlight_gate/targets/embedded.toml"


@contextmanager
def world(folder: Path, *defects: str, environment: str = "embedded") -> Iterator[World]:
    plan = SessionPlan(environment=environment, defects=defects, output_dir=folder / "reports", environ=environ())
    suite = ValidationSession(plan)
    try:
        suite.start()
        yield World(suite, "resilience/cuts.feature:1", 1)
    finally:
        suite.stop()


def play(scene: World, prompt: str = "with_tool") -> CutMatrix:
    matrix = CutMatrix(scene)
    matrix.rehearse(prompt)
    matrix.play()
    scene.suite.loop.call(scene.linger(), 20)
    return matrix


def shown_before_the_cut(scene: World) -> dict[str, list[int | None]]:
    """For each cut, the numbers of the events of its answer that arrived on the line that was cut."""
    shown = {}
    for recorder in scene.further:
        asked = [entry.record for entry in recorder.entries if isinstance(entry.record, Sent)]
        request = [sent.request for sent in asked if sent.what == "start"][1]
        shown[recorder.scenario] = [
            entry.reading.seq
            for entry in recorder.entries
            if isinstance(entry.reading, Event) and entry.record.connection == "c1" and entry.reading.request == request
        ]
    return shown


def test_every_cut_is_exact_every_answer_whole_nothing_is_left_and_the_trace_says_the_same(tmp_path: Path) -> None:
    # What the event loop keeps for the whole process comes with the first one.
    with world(tmp_path) as first:
        first.suite.loop.call(first.linger(), 20)
    before, threads = psutil.Process().num_fds(), threading.active_count()
    with world(tmp_path) as scene:
        matrix = play(scene)
        assert matrix.broken() == []
        assert scene.findings == []
        cells = cut_cells_of(scene)
        assert len(cells) == 4 * (2 * 6 + 1)
        assert {cell.became for cell in cells} == {CutResult.WHOLE}
        for name, numbers in shown_before_the_cut(scene).items():
            cell = next(cell for cell in cells if f"{cell.way} {cell.where}" == name)
            assert numbers == list(range(7, 7 + cell.after)), name
        for recorder in scene.further:
            events = [e.reading for e in recorder.entries if isinstance(e.reading, Event)]
            assert [event.seq for event in events] == list(range(1, 13)), recorder.scenario
    # What earlier tests have left may go meanwhile.
    assert eventually(lambda: psutil.Process().num_fds() <= before and threading.active_count() <= threads)
    assert_the_trace_says_the_same(scene)


def assert_the_trace_says_the_same(scene: World) -> None:
    live = cut_cells_of(scene)
    records = [entry.record for recorder in scene.further for entry in recorder.entries]
    assert any(isinstance(record, Closed) for record in records)
    assert any(isinstance(record, Received) for record in records)
    evidence = Evidence(scene.suite.folder)
    evidence.append(Selected(scene.key, "cuts", "resilience", "Cuts"))
    further = tuple(f"traces/{each.path.name}" for each in scene.further if each.path)
    evidence.append(Finished(scene.key, ScenarioOutcome.PASSED, "", 0, scene.trace, 1.0, (), further))
    evidence.end(Ended(0.0, "", "", (scene.key,)))
    judged = judge(scene.suite.folder)
    assert list(judged.cells) == live
    assert judged.findings == ()
    assert judged.observed.recovery is not None
    assert judged.observed.recovery.samples == len(live)


def test_silent_ways_leave_the_line_to_the_user_and_others_end_it() -> None:
    assert [way.is_silent for way in ConnectionLoss] == [False, False, True, True]


def test_lost_events_are_found_in_exactly_the_cuts_that_lose_some(tmp_path: Path) -> None:
    with world(tmp_path, "replay_duplicates") as scene:
        matrix = play(scene)
        cells = cut_cells_of(scene)
        broken = {(cell.after, cell.inside) for cell in cells if cell.became is CutResult.BROKEN}
        # Where nothing was missed, nothing is replayed, and nothing can be doubled.
        assert broken == {(cell.after, cell.inside) for cell in cells} - {(6, False)}
        assert {rule for cell in cells for rule in cell.rules} == {"CONTINUITY-2"}
        assert len(matrix.broken()) == 48
        assert all("cut by the suite: " in finding.actual for finding in scene.findings)
        assert as_table(cells).splitlines()[0].endswith("black hole  half-open")


def test_without_resume_nothing_is_cut(tmp_path: Path) -> None:
    target = tmp_path / "no-resume.toml"
    text = EMBEDDED.read_text("utf-8")
    assert "[capabilities]\n" in text
    target.write_text(text.replace("[capabilities]\n", "[capabilities]\nresume = false\n"), "utf-8")
    with world(tmp_path, environment=str(target)) as scene:
        with pytest.raises(NotExercised, match="resume = false"):
            play(scene)
        scene.suite.loop.call(scene.linger(), 20)
        assert scene.further == []


@pytest.mark.parametrize(("took_s", "cuts"), [(150.0, 3 * (2 * 6 + 1)), (301.0, 0)])
def test_at_the_pace_of_a_slow_target_fewer_cuts_are_made(tmp_path: Path, took_s: float, cuts: int) -> None:
    with world(tmp_path) as scene:
        matrix = CutMatrix(scene)
        matrix.rehearse("with_tool")
        matrix.took_s = took_s
        if cuts:
            matrix.play()
            assert scene.fitted == [
                f"{cuts} of 52 cuts were made: at 150.0 s for an answer, and 24 at a time, "
                "all of them would take 15 min"
            ]
            assert matrix.broken() == []
        else:
            with pytest.raises(NotExercised, match="an answer takes 301 s: no 4 cuts fit into 10 min"):
                matrix.play()
        assert len(cut_cells_of(scene)) == cuts
        scene.suite.loop.call(scene.linger(), 20)


def test_places_in_progress_leave_something_to_miss_and_something_to_come() -> None:
    kinds = [EventKind.STARTED, *[EventKind.THINKING] * 4, EventKind.COMPLETED]
    events = [Event(kind, parent="r" if number in (2, 3) else None) for number, kind in enumerate(kinds)]
    seen_at = [0.0, 0.1, 0.2, 0.4, 0.7, 0.9]
    found = [(place.after, round(place.away_s or 0.0, 3)) for place in places_in_progress(events, seen_at)]
    # The user is back when three more events were made, or the last but one.
    assert found == [(1, 0.3), (2, 0.5), (3, 0.3), (4, 0.0)]
    near = places_in_progress(events, seen_at, sub_agent=True)
    assert [place.after for place in near] == [2, 3, 4]
    assert len(places_in_progress([Event(EventKind.THINKING)] * 100, [0.0] * 100)) == 8
    assert places_in_progress(events[:2], seen_at[:2]) == []


def test_an_answer_of_n_events_can_be_cut_at_2_n_and_1_places() -> None:
    events = [Event(EventKind.STARTED), Event(EventKind.COMPLETED)]
    assert [(place.after, place.inside) for place in places(events)] == [
        (0, False), (0, True), (1, False), (1, True), (2, False),
    ]  # fmt: skip
