"""Loads of the evidence, as part of the course of the session: the same that a live monitor was told."""

from collections.abc import Mapping, Sequence

from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.latency import LatencySummary
from greenlight_gate.measure.load_timeline import LoadTimeline
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.verdict.criteria import Loaded
from greenlight_gate.verdict.decision import Observed


def gather(course: Timeline, loads: Sequence[Loaded], names: Mapping[str, str]) -> None:
    """Takes what loads had counted into the course. `names` are those of scenarios, by their keys."""
    for load in loads:
        summary = load.summary
        counted = LoadTimeline(
            course, f"{names.get(load.scenario, load.scenario)}: {load.label}",
            convicting={offence.finding.rule for offence in summary.convicting()}, is_timed=not summary.saturated,
            offences=[offence.finding for offence in summary.offences],
        )  # fmt: skip
        for counts in summary.course:
            counted.take(counts)


def latency_under_load(loads: Sequence[Loaded]) -> LatencySummary | None:
    """How late events came in all loads that can say so: since the backend's stamp, or else since the question."""
    timed = [load.summary.latency for load in loads if not load.summary.saturated]
    for kind in ("delivery", "acknowledgement"):
        whole = Histogram()
        for known in timed:
            if kind in known:
                whole.merge(Histogram.decode(known[kind]))
        if whole.samples:
            return whole.summary()
    return None


def latency_in_words(observed: Observed, loads: tuple[Loaded, ...]) -> str:
    """How late events came, in conversations and under load; where neither says it, that."""
    known = {"in conversations": observed.latency or observed.acknowledgement, "under load": latency_under_load(loads)}
    said = [f"{where} {_in_words(figures)}" for where, figures in known.items() if figures is not None]
    return f"Latency {', '.join(said)}" if said else "No latency could be measured"


def _in_words(figures: LatencySummary) -> str:
    return (
        f"{figures.avg_ms:.1f} ms on average, p95 {figures.p95_ms:.1f}, p99 {figures.p99_ms:.1f} "
        f"({figures.samples:,} samples)"
    )
