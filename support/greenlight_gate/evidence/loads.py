"""Loads of the evidence as a part of the timeline: the same counts that a live monitor received."""

from collections.abc import Mapping, Sequence

from greenlight_gate.findings import numbered
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.latency_summary import LatencySummary
from greenlight_gate.measure.load_timeline import LoadTimeline
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.verdict.criteria import LoadOfScenario
from greenlight_gate.verdict.facts import Observed


def gather(timeline: Timeline, loads: Sequence[LoadOfScenario], names: Mapping[str, str]) -> None:
    """Adds the counts of loads to the timeline. `names` are those of scenarios, by their keys."""
    for load in loads:
        summary = load.summary
        counted = LoadTimeline(
            timeline, f"{names.get(load.scenario, load.scenario)}: {load.label}",
            convicting={offence.finding.rule for offence in summary.convicting()}, is_timed=not summary.saturated,
            offences=[offence.finding for offence in summary.offences],
        )  # fmt: skip
        for counts in summary.timeline:
            counted.take(counts)


def as_observed(loads: Sequence[LoadOfScenario]) -> Observed:
    """What loads have counted and measured, as it is said of traces."""

    def total(name: str) -> int:
        return sum(getattr(load.summary, name) for load in loads)

    return Observed(
        events=total("events"), kinds=tuple(sorted({kind for load in loads for kind in load.summary.kinds})),
        expected_events=total("expected_events"), arrived_events=total("arrived_events"),
        connections_tried=total("connections_tried"), connections_made=total("connections_made"),
        five_expected=total("five_expected"), five_shown=total("five_shown"), messages=total("messages"),
        unmapped=total("unmapped"), latency=_measured(loads, "delivery"),
        acknowledgement=_measured(loads, "acknowledgement"),
    )  # fmt: skip


def latency_under_load(loads: Sequence[LoadOfScenario]) -> LatencySummary | None:
    """How late events came in all loads that can say so: since the backend's stamp, or else since the question."""
    timed = [load for load in loads if not load.summary.saturated]
    return _measured(timed, "delivery") or _measured(timed, "acknowledgement")


def _measured(loads: Sequence[LoadOfScenario], kind: str) -> LatencySummary | None:
    whole = Histogram()
    for load in loads:
        if (encoded := load.summary.latency.get(kind)) is not None:
            whole.merge(Histogram.decode(encoded))
    return whole.summary()


def latency_in_words(observed: Observed, loads: tuple[LoadOfScenario, ...]) -> str:
    """How late events came, in conversations and under load; where neither says it, that."""
    known = {"in conversations": observed.latency or observed.acknowledgement, "under load": latency_under_load(loads)}
    said = [f"{where} {_in_words(figures)}" for where, figures in known.items() if figures is not None]
    return f"Latency {', '.join(said)}" if said else "No latency could be measured"


def _in_words(figures: LatencySummary) -> str:
    return (
        f"{figures.avg_ms:.1f} ms on average, p95 {figures.p95_ms:.1f}, p99 {figures.p99_ms:.1f} "
        f"({numbered(figures.samples, 'sample')})"
    )
