"""What a verdict is made of, and the criteria that loads and probes decide: LATENCY, SUCCESS under load and MEMORY."""

from enum import StrEnum

import msgspec

from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.latency import LatencySummary
from greenlight_gate.measure.load_result import LEAST_SUCCESS
from greenlight_gate.measure.load_result import LoadResult as LoadSummary
from greenlight_gate.verdict.memory_trend import Watched, judge_watch


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
    """One load of a scenario.

    `fast`: how fast it was counts. `discarded`: it was taken again, because the generator was too busy to judge that.
    """

    scenario: str
    category: str
    label: str
    summary: LoadSummary
    fast: bool = False
    discarded: bool = False


class Allowed(msgspec.Struct, frozen=True):
    """What latency is compared with, in milliseconds; None: not at all."""

    avg_ms: float = 100.0
    p95_ms: float | None = None
    p99_ms: float | None = None

    def __str__(self) -> str:
        parts = [f"<= {self.avg_ms:g} ms"]
        parts += [f"p95 <= {self.p95_ms:g} ms"] if self.p95_ms is not None else []
        parts += [f"p99 <= {self.p99_ms:g} ms"] if self.p99_ms is not None else []
        return ", ".join(parts)

    def allows(self, figures: LatencySummary) -> bool:
        """Whether a latency is within all that is allowed."""
        pairs = ((figures.avg_ms, self.avg_ms), (figures.p95_ms, self.p95_ms), (figures.p99_ms, self.p99_ms))
        return all(most is None or ms <= most for ms, most in pairs)


def latency(loads: tuple[Loaded, ...], traced: dict[str, LatencySummary], allowed: Allowed) -> Criterion:
    """LATENCY: of the events of the performance category's loads, with the generator's own load beside it.

    Without such a load, of the events in the traces (`traced`, by what it is the latency of).
    """
    judged = [load for load in loads if load.category == "performance" and load.fast and not load.discarded]
    requirement = "Events arrive as they happen: latency is within the thresholds."
    known = _of_loads(judged) or traced
    if not known:
        return Criterion("LATENCY", requirement, str(allowed), "no sample", 0, Status.INCONCLUSIVE)
    parts = [
        f"{figures.avg_ms:.1f} ms {name}; p50 {figures.p50_ms:.1f}, p95 {figures.p95_ms:.1f}, "
        f"p99 {figures.p99_ms:.1f}, max {figures.max_ms:.1f} ms"
        for name, figures in known.items()
    ]
    if judged:
        busy, lag = max(load.summary.busy for load in judged), max(load.summary.lag_ms_p99 for load in judged)
        parts.append(f"generator at most {busy:.0%} busy and {lag:.1f} ms late")
    saturated = next((f"'{load.label}': {load.summary.saturated}" for load in judged if load.summary.saturated), "")
    samples = sum(figures.samples for figures in known.values())
    if saturated:
        parts.append(f"the generator itself was too busy to judge this ({saturated})")
        status = Status.INCONCLUSIVE
    else:
        status = Status.PASSED if all(map(allowed.allows, known.values())) else Status.FAILED
    return Criterion("LATENCY", requirement, str(allowed), "; ".join(parts), samples, status)


def _of_loads(loads: list[Loaded]) -> dict[str, LatencySummary]:
    known: dict[str, Histogram] = {}
    for load in loads:
        for name, encoded in load.summary.latency.items():
            known.setdefault(name, Histogram()).merge(Histogram.decode(encoded))
    return {name: figures for name, each in known.items() if (figures := each.summary()) is not None}


def success_under_load(loads: tuple[Loaded, ...]) -> tuple[float, int] | None:
    """Percent of the events and connections that loads expected, and how many these were; None without any."""
    wanted = sum(load.summary.expected_events + load.summary.connections_tried for load in loads)
    if not wanted:
        return None
    came = sum(load.summary.arrived_events + load.summary.connections_made for load in loads)
    return 100.0 * came / wanted, wanted


def enough_under_load(loads: tuple[Loaded, ...]) -> bool:
    """SUCCESS holds for each load: what one has lost, others do not make good."""
    return all(
        load.summary.success_percent >= LEAST_SUCCESS
        for load in loads
        if load.summary.expected_events + load.summary.connections_tried
    )


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
        if summary.canaries_seen < summary.canaries_expected and summary.success_percent >= LEAST_SUCCESS:
            unseen = summary.canaries_expected - summary.canaries_seen
            gaps.append(f"'{load.label}': {unseen} people never saw their own canary, so that leaks might go unseen")
    return gaps
