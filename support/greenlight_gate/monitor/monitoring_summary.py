"""monitoring_summary.json and failure_patterns.json: a session in figures, and the patterns with their definitions."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from greenlight_gate.events import EventKind
from greenlight_gate.measure.time_series import TimeWindow, percentiles_ms
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.verdict.failure_patterns import PATTERNS, Occurrence

_MOST_POINTS = 120


class Connections(msgspec.Struct, frozen=True):
    """Connections to the backend. `success_rate_percent`: of the attempts that should succeed; null without any."""

    tried: int
    made: int
    refused: int
    dropped: int
    open_most: int
    success_rate_percent: float | None


class Delays(msgspec.Struct, frozen=True):
    """Latency in milliseconds, known to an eighth of an octave (12.5 %)."""

    samples: int
    avg_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


class WindowFigures(msgspec.Struct, frozen=True):
    """The figures of one time window. `at_s`: its start, in seconds since that of the session."""

    at_s: float
    events: int
    questions: int
    connections_most: int
    answers_most: int
    errors: int
    dropped: int
    refused: int
    findings: int
    latency: Delays | None


class MonitoringSummary(msgspec.Struct, frozen=True):
    """A session in figures. Its size does not grow with its length.

    `event_kinds` are those of conversations: of loads, events are counted in `events` alone.
    """

    name: str
    began: str
    seconds: float
    messages: int
    events: int
    event_kinds: dict[str, int]
    questions: int
    answers_under_way_most: int
    errors: int
    connections: Connections
    latency: Delays | None
    findings: dict[str, int]
    patterns: tuple[str, ...]
    stretches: tuple[WindowFigures, ...]


class Definition(msgspec.Struct, frozen=True):
    """A pattern, and whether it occurred."""

    pattern: str
    severity: str
    definition: str
    threshold: str
    seen: bool


class FailurePatterns(msgspec.Struct, frozen=True):
    """The patterns that occurred, and all definitions."""

    session: str
    seen: tuple[Occurrence, ...]
    looked_for: tuple[Definition, ...]


def summarise(timeline: Timeline, name: str, patterns: Sequence[Occurrence]) -> MonitoringSummary:
    """The figures of a timeline so far."""
    whole, start = timeline.windows.total(), timeline.windows.start
    span = max(timeline.ended_at - start, 0.0)
    rate = round(100.0 * whole.made / whole.tried, 3) if whole.tried else None
    return MonitoringSummary(
        name=name, began=datetime.fromtimestamp(start, UTC).isoformat(timespec="milliseconds"), seconds=round(span, 3),
        messages=whole.messages, events=whole.events,
        event_kinds={str(kind): whole.kinds[number] for number, kind in enumerate(EventKind)},
        questions=whole.asked, answers_under_way_most=whole.busy_most, errors=whole.errors,
        connections=Connections(whole.tried, whole.made, whole.refused, whole.dropped, whole.open_most, rate),
        latency=_delays(whole), findings={rule: broken.times for rule, broken in sorted(timeline.broken.items())},
        patterns=tuple(seen.pattern for seen in patterns),
        stretches=tuple(_stretch(at - start, window) for at, window in timeline.windows.joined(span / _MOST_POINTS)),
    )  # fmt: skip


def explain(name: str, patterns: Sequence[Occurrence]) -> FailurePatterns:
    """The patterns of a session with their definitions."""
    seen = {occurrence.pattern for occurrence in patterns}
    return FailurePatterns(
        name, tuple(patterns),
        tuple(Definition(p.id, str(p.severity), p.definition, p.threshold, p.id in seen) for p in PATTERNS.values()),
    )  # fmt: skip


def _stretch(at_s: float, window: TimeWindow) -> WindowFigures:
    return WindowFigures(
        at_s=round(at_s, 3), events=window.events, questions=window.asked, connections_most=window.open_most,
        answers_most=window.busy_most, errors=window.errors, dropped=window.dropped, refused=window.refused,
        findings=window.findings, latency=_delays(window),
    )  # fmt: skip


def _delays(window: TimeWindow) -> Delays | None:
    if not window.samples:
        return None
    p50, p95, p99 = (round(value, 3) for value in percentiles_ms(window.delays, (50, 95, 99)))
    return Delays(window.samples, round(window.delay_ms, 3), p50, p95, p99)
