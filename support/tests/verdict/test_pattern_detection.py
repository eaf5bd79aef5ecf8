"""Failure patterns: each is seen where it is, at its threshold; a healthy session of any size has none."""

from collections.abc import Callable

import pytest
from greenlight_gate.findings import Finding, Severity
from greenlight_gate.measure.thresholds import Thresholds
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.measure.trace_timeline import TraceTimeline
from greenlight_gate.trace import Cut
from greenlight_gate.verdict.failure_patterns import PATTERNS, as_markdown
from greenlight_gate.verdict.pattern_detection import Memory, detect

from support.tests.measure.test_timeline import timeline_of
from support.tests.rules.talk import EPOCH_S, Talk, asked

LIMITS = Thresholds(latency_ms_avg=100.0, memory_mb_growth=500.0)


def seen(timeline: Timeline, memory: Memory | None = None) -> list[str]:
    return [occurrence.pattern for occurrence in detect(timeline, LIMITS, memory or Memory())]


def steady(delays_ms: list[float], busy: int = 1, timeline: Timeline | None = None) -> Timeline:
    """A course in which twenty events come each second, this late on average."""
    timeline = timeline or Timeline(0.0)
    for second, delay in enumerate(delays_ms):
        for number in range(20):
            window = timeline.window(EPOCH_S + second + number / 20)
            window.events += 1
            window.messages += 1
            window.busy_most = max(window.busy_most, busy)
            window.delay(int(delay * 1000))
    return timeline


def with_findings(rule: str, answers: int, times: int = 1) -> Timeline:
    timeline = steady([5.0])
    trace_timeline = TraceTimeline(timeline, "a scenario", EPOCH_S)
    for number in range(answers):
        for _ in range(times):
            trace_timeline.found(Finding(rule, Severity.NORMAL, "", "", "", "Ada", "c1", f"r{number}", (number + 1,)))
    return timeline


BY_FINDINGS = [(pattern.id, rule, pattern.least) for pattern in PATTERNS.values() for rule in sorted(pattern.rules)]


@pytest.mark.parametrize(("pattern", "rule", "least"), BY_FINDINGS)
def test_findings_become_a_pattern_at_the_threshold(pattern: str, rule: str, least: int) -> None:
    assert pattern in seen(with_findings(rule, least))
    assert seen(with_findings(rule, least - 1, times=9)) == []


def test_every_pattern_is_reached_by_a_test() -> None:
    measured = {
        "SUSTAINED_HIGH_LATENCY", "CONNECTION_INSTABILITY", "MEMORY_LEAK", "ERROR_BURST", "LATENCY_GROWS_WITH_LOAD"
    }  # fmt: skip
    assert {pattern for pattern, _, _ in BY_FINDINGS} | measured == set(PATTERNS)


@pytest.mark.parametrize(
    ("delays", "expected"),
    [
        ([5.0] * 60, []),
        ([5.0, 900.0, 5.0] * 20, []),
        ([5.0] * 5 + [120.0] * 9 + [5.0] * 5, []),
        ([5.0] * 5 + [120.0] * 10 + [5.0] * 5, ["SUSTAINED_HIGH_LATENCY"]),
        ([100.0] * 60, []),
    ],
)
def test_latency_has_to_stay_high(delays: list[float], expected: list[str]) -> None:
    assert seen(steady(delays)) == expected


def test_few_events_a_second_are_enough_if_they_are_late_for_long() -> None:
    timeline = Timeline(0.0)
    for number in range(60):
        timeline.window(EPOCH_S + number).delay(300_000)

    assert seen(timeline) == ["SUSTAINED_HIGH_LATENCY"]


def test_what_was_measured_is_told() -> None:
    (occurrence,) = detect(steady([5.0] * 5 + [120.0] * 10 + [5.0] * 5), LIMITS)

    assert occurrence.measured == "120 ms on average for 10 s (allowed: 100 ms), 200 events"
    assert (occurrence.first_at - EPOCH_S, occurrence.last_at - EPOCH_S) == (5.0, 15.0)
    assert occurrence.evidence[0] == "5 s in: 120 ms"


def test_latency_that_grows_with_load() -> None:
    growing = steady([10.0] * 8, busy=2)
    for second in range(8):
        for number in range(20):
            window = growing.window(EPOCH_S + 100 + second + number / 20)
            window.busy_most = 40
            window.delay(150_000)

    assert seen(growing) == ["LATENCY_GROWS_WITH_LOAD"]
    assert seen(steady([10.0] * 8, busy=40, timeline=steady([5.0] * 8, busy=2))) == []


def drops(count: int, of: int) -> Timeline:
    timeline = Timeline(0.0)
    for number in range(of):
        talk = asked().started()
        timeline_of(talk.close("server", 1011) if number < count else talk.close(), timeline)
    timeline.broken.clear()
    return timeline


@pytest.mark.parametrize(("count", "of", "expected"), [
    (0, 400, []), (2, 2, []), (3, 3, ["CONNECTION_INSTABILITY"]), (4, 400, []), (5, 400, ["CONNECTION_INSTABILITY"]),
])  # fmt: skip
def test_lines_that_break(count: int, of: int, expected: list[str]) -> None:
    assert seen(drops(count, of)) == expected


def failures(count: int, apart_s: float, way: str = "") -> Timeline:
    talk = Talk().open()
    if way:
        talk.open("Bashir", "c2").add(Cut, "c2", way=way, user="Bashir")
    for number in range(count):
        talk.ask(f"q{number}").started(f"r{number}", request=f"q{number}").failed(f"r{number}", request=f"q{number}")
        talk.wait(apart_s)
    timeline = timeline_of(talk.close())
    timeline.broken.clear()
    return timeline


@pytest.mark.parametrize(
    ("count", "apart_s", "expected"),
    [(4, 0.1, []), (5, 0.1, ["ERROR_BURST"]), (20, 3.0, []), (5, 2.0, ["ERROR_BURST"])],
)
def test_failures_that_come_close_together(count: int, apart_s: float, expected: list[str]) -> None:
    assert seen(failures(count, apart_s)) == expected


@pytest.mark.parametrize(("way", "expected"), [("FIN", ["ERROR_BURST"]), ("kill", []), ("restart", [])])
def test_failures_once_the_suite_took_the_backend_away_are_its_own_doing(way: str, expected: list[str]) -> None:
    assert seen(failures(5, 0.1, way)) == expected


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (Memory(), []),
        (Memory(100.0, 600.0), []),
        (Memory(100.0, 600.1), ["MEMORY_LEAK"]),
        (Memory(100.0, 110.0, ("leaks 40 KB a run",)), ["MEMORY_LEAK"]),
    ],
)
def test_memory_that_does_not_come_back(memory: Memory, expected: list[str]) -> None:
    assert seen(steady([5.0]), memory) == expected


HEALTHY: list[Callable[[], Timeline]] = [
    lambda: timeline_of(asked().answer().close()),
    lambda: steady([3.0] * 3600, busy=1),
    lambda: steady([60.0] * 60, busy=5000, timeline=steady([1.0] * 60, busy=1)),
    lambda: Timeline(None),
]


@pytest.mark.parametrize("timeline", HEALTHY)
def test_a_healthy_backend_shows_none(timeline: Callable[[], Timeline]) -> None:
    assert seen(timeline()) == []


def test_the_table_of_patterns_is_current() -> None:
    from pathlib import Path

    text = (Path(__file__).parents[2] / "greenlight_gate/rules/README.md").read_text(encoding="utf-8")

    assert as_markdown() in text
