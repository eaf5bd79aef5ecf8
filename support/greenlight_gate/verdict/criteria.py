"""What a verdict is made of, and what loads and probes decide: LATENCY, losses under load and MEMORY."""

from enum import StrEnum

import msgspec

from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.latency import LatencySummary
from greenlight_gate.measure.load_result import LoadResult, figures
from greenlight_gate.measure.thresholds import LEAST_SUCCESS, Thresholds, too_slow
from greenlight_gate.verdict.memory_trend import Watched, judge_watch

# The category of the load of a load session, which is of no scenario.
LOAD = "load"
_TIMED = frozenset({"performance", LOAD})


class Status(StrEnum):
    """Of a criterion: met, broken, or not to be told."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


class Criterion(msgspec.Struct, frozen=True):
    """One requirement with its threshold, what was measured and from how many samples."""

    id: str
    requirement: str
    threshold: str
    measured: str
    samples: int
    status: Status


class Loaded(msgspec.Struct, frozen=True):
    """One load of a scenario, or that of a load session.

    `fast`: how fast it was counts. `discarded`: it was taken again, because the generator was too busy to judge that.
    """

    scenario: str
    category: str
    label: str
    summary: LoadResult
    fast: bool = False
    discarded: bool = False


def latency(loads: tuple[Loaded, ...], traced: dict[str, LatencySummary], thresholds: Thresholds) -> Criterion:
    """LATENCY: of the events of the loads that are judged for it, with the generator's own load beside it.

    These are loads of the performance category, and a load session with a threshold. Without one, it is that of the
    events in the traces (`traced`, by what it is the latency of).
    """
    judged = [load for load in loads if load.category in _TIMED and load.fast and not load.discarded]
    requirement, allowed = "Events arrive as they happen: latency is within the thresholds.", thresholds.latency_allowed
    known = _of_loads(judged) or traced
    if not known:
        return Criterion("LATENCY", requirement, allowed, "no sample", 0, Status.INCONCLUSIVE)
    parts = [
        f"{each.avg_ms:.1f} ms {name}; p50 {each.p50_ms:.1f}, p95 {each.p95_ms:.1f}, "
        f"p99 {each.p99_ms:.1f}, max {each.max_ms:.1f} ms"
        for name, each in known.items()
    ]
    if judged:
        busy, lag = max(load.summary.busy for load in judged), max(load.summary.lag_ms_p99 for load in judged)
        parts.append(f"generator at most {busy:.0%} busy and {lag:.1f} ms late")
    saturated = next((f"'{load.label}': {load.summary.saturated}" for load in judged if load.summary.saturated), "")
    samples = sum(each.samples for each in known.values())
    if saturated:
        parts.append(f"the generator itself was too busy to judge this ({saturated})")
        status = Status.INCONCLUSIVE
    else:
        slow = any(_too_slow(thresholds, each) for each in known.values())
        status = Status.FAILED if slow else Status.PASSED
    return Criterion("LATENCY", requirement, allowed, "; ".join(parts), samples, status)


def slow_under_load(summary: LoadResult, thresholds: Thresholds) -> list[str]:
    """In what a load was slower than allowed, in words; nothing where the generator was too busy to tell."""
    if summary.saturated:
        return []
    known = {name: figures(encoded) for name, encoded in summary.latency.items()}
    return [f"{name}: {said}" for name, each in known.items() if each for said in _too_slow(thresholds, each)]


def _too_slow(thresholds: Thresholds, measured: LatencySummary) -> tuple[str, ...]:
    return too_slow(thresholds, measured.avg_ms, measured.p95_ms, measured.p99_ms)


def _of_loads(loads: list[Loaded]) -> dict[str, LatencySummary]:
    known: dict[str, Histogram] = {}
    for load in loads:
        for name, encoded in load.summary.latency.items():
            known.setdefault(name, Histogram()).merge(Histogram.decode(encoded))
    return {name: merged for name, each in known.items() if (merged := each.summary()) is not None}


def losses(loads: tuple[Loaded, ...]) -> Status:
    """Whether little enough was lost under load. It holds for each load: what one has lost, others do not make good.

    Where the generator was too busy itself, what is missing may have come too late for it alone: that is not known.
    """
    asked = [load.summary for load in loads if load.summary.expected_events + load.summary.connections_tried]
    lossy = [summary for summary in asked if summary.success_percent < LEAST_SUCCESS]
    if any(not summary.saturated for summary in lossy):
        return Status.FAILED
    return Status.INCONCLUSIVE if lossy else Status.PASSED


def memory(watched: tuple[Watched, ...], most_mb: float) -> Criterion:
    """MEMORY: the growth in extended operation, no leak by slope, and nothing left behind by those who have left."""
    requirement = "The backend does not leak: no large growth, no leak by slope, nothing left behind."
    threshold = f"<= {most_mb:g} MB"
    if not watched:
        return Criterion("MEMORY", requirement, threshold, "not watched", 0, Status.INCONCLUSIVE)
    judged = [judge_watch(each, most_mb) for each in watched]
    parts: list[str] = []
    for each, result in zip(watched, judged, strict=True):
        said = [*result.faults, result.measured, result.unknown]
        parts.append(f"{each.kind}: {', '.join(text for text in said if text)}")
    if any(result.faults for result in judged):
        status = Status.FAILED
    else:
        status = Status.INCONCLUSIVE if any(result.unknown for result in judged) else Status.PASSED
    samples = sum(result.samples for result in judged)
    return Criterion("MEMORY", requirement, threshold, "; ".join(parts), samples, status)


def gaps_of(loads: tuple[Loaded, ...]) -> list[str]:
    """Why what loads have shown is not complete."""
    gaps = []
    for load in loads:
        summary = load.summary
        gaps += [f"'{load.label}': {lost}" for lost in (*summary.lost, *summary.short)]
        if summary.interrupted:
            gaps.append(f"'{load.label}' was interrupted")
        unshown = summary.counts.keys() - {offence.finding.rule for offence in summary.offences}
        gaps += [f"'{load.label}': {rule} was counted, and no finding shows it" for rule in sorted(unshown)]
        if summary.canaries_seen < summary.canaries_expected and summary.success_percent >= LEAST_SUCCESS:
            unseen = summary.canaries_expected - summary.canaries_seen
            gaps.append(f"'{load.label}': {unseen} people never saw their own canary, so that leaks might go unseen")
    return gaps
