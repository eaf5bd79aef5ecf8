"""What the dashboard and the timeline say in words: of a session of loads, of one of conversations, and of neither."""

from typing import Any

import pytest
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.measure.thresholds import Thresholds
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.report.performance_dashboard import draw_dashboard
from greenlight_gate.report.session_timeline import draw_timeline
from greenlight_gate.verdict.criteria import LoadOfScenario
from greenlight_gate.verdict.facts import Observed
from matplotlib.figure import Figure

from support.tests.evidence.test_loads import WHOLE, timeline
from support.tests.measure.test_load_timeline import gathered
from support.tests.measure.test_timeline import timeline_of
from support.tests.rules.talk import asked
from support.tests.verdict.test_criteria import of

NOBODY = "no user was connected in this session"
UNTIMED = "no reliable latency:\nscenarios ran in parallel,\nor the server clock is unknown"
NO_MEMORY = "memory cannot be read:\nthe suite did not start the backend\non this machine"
LOAD = LoadOfScenario("stress/a.feature:7", "stress", "a load", LoadResult(**WHOLE, delivery=of(5.0)))


def panels(figure: Figure) -> dict[str, tuple[list[str], int]]:
    """The texts of each panel, and how many ticks it has."""
    return {
        axis.get_title(loc="left"): (
            [text.get_text() for text in axis.texts], len(axis.get_xticks()) + len(axis.get_yticks())
        )
        for axis in figure.axes
    }  # fmt: skip


def dashboard(seen: Timeline, observed: Observed, *loads: LoadOfScenario) -> dict[str, Any]:
    return panels(draw_dashboard(seen, observed, None, (), loads, thresholds=Thresholds()))


def test_an_empty_panel_says_why_and_has_no_scale() -> None:
    found = dashboard(Timeline(0.0), Observed())

    panel = ([NOBODY], 0)
    names = ("Latency of events", "Latency over time", "Events each second", "Users", "Success")
    assert found == {**dict.fromkeys(names, panel), "Memory of the backend": ([NO_MEMORY], 0)}


def test_without_a_known_time_latency_says_so() -> None:
    talk = asked().frame({"type": "pong", "nonce": "n"}).close()
    found = dashboard(timeline_of(talk), Observed(connections_tried=1, connections_made=1, expected_events=5))

    assert found["Latency of events"] == found["Latency over time"] == ([UNTIMED], 0)
    assert found["Success"][0] == [
        "in scenarios: 16.67 % of 6",
        "connections: 100.00 % of 1",
        "events: 0.00 % of 5",
    ]


def test_a_session_of_loads_fills_every_panel() -> None:
    found = dashboard(gathered(*timeline()), Observed(), LOAD)

    assert found["Success"][0] == ["under load: 100.00 % of 1,025"]
    assert [name for name, (texts, _) in found.items() if texts] == ["Memory of the backend", "Success"]
    assert all(ticks > 2 for name, (_, ticks) in found.items() if name != "Memory of the backend")


@pytest.mark.parametrize(
    ("observed", "loads", "said"),
    [
        (Observed(), (), "No latency could be measured"),
        (Observed(), (LOAD,), "Latency under load 5.0 ms on average, p95 5.0, p99 5.0 (1 sample)"),
    ],
)
def test_the_title_says_how_late_events_came(observed: Observed, loads: tuple[LoadOfScenario, ...], said: str) -> None:
    figure = draw_dashboard(Timeline(0.0), observed, None, (), loads, thresholds=Thresholds())

    assert [text.get_text() for text in figure.texts] == ["Performance of the session", said]


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (gathered(*timeline()), "1,200 events of 200 requests; 1,200 of them under load, where answers are only"),
        (timeline_of(asked().answer().close()), "5 events of 1 request; below, 1 selected answer, 0 of them"),
    ],
    ids=["load", "conversation"],
)
def test_the_timeline_says_what_was_only_counted(seen: Timeline, said: str) -> None:
    assert draw_timeline(seen).texts[1].get_text().startswith(said)
