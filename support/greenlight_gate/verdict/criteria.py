"""The criterion, and the criteria that loads and probes decide: LATENCY, losses under load and MEMORY."""

from enum import StrEnum

import msgspec

from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.latency_summary import LatencySummary
from greenlight_gate.measure.load_result import OF_THE_MODEL, LoadResult, figures
from greenlight_gate.measure.thresholds import LEAST_SUCCESS, Thresholds, too_slow
from greenlight_gate.rules.engine.suite_stalls import AGAIN
from greenlight_gate.verdict.memory_trend import MemorySamples, judge_watch

# The category of the load of a load session, which belongs to no scenario.
LOAD = "load"
_TIMED = frozenset({"performance", LOAD})


class Status(StrEnum):
    """The state of a criterion: met, not met, unknown, or not met for nothing but what is waived."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    WAIVED = "waived"


class Criterion(msgspec.Struct, frozen=True):
    """One requirement with its threshold, what was measured and from how many samples."""

    id: str
    requirement: str
    threshold: str
    measured: str
    samples: int
    status: Status


class LoadOfScenario(msgspec.Struct, frozen=True):
    """One load of a scenario, or that of a load session.

    `fast`: its latency is judged. `discarded`: it was repeated, because the generator was too busy to measure latency.
    """

    scenario: str
    category: str
    label: str
    summary: LoadResult
    fast: bool = False
    discarded: bool = False


def latency(
    loads: tuple[LoadOfScenario, ...], traced: dict[str, LatencySummary], thresholds: Thresholds,
    ping: LatencySummary | None = None,
) -> Criterion:  # fmt: skip
    """LATENCY of the events of the loads that are judged for it, with how busy the generator was.

    Judged are loads of the performance category, and a load session with a threshold. Without any, the latency in the
    traces is judged (`traced`, by the kind of latency). `ping`: the round trip of a ping, which says how far the target
    is away.
    """
    judged = [load for load in loads if load.category in _TIMED and load.fast and not load.discarded]
    requirement, allowed = "Events arrive without delay: latency is within the thresholds.", thresholds.latency_allowed
    known = _of_loads(judged) or traced
    if not known:
        return Criterion("LATENCY", requirement, allowed, "no latency was measured", 0, Status.INCONCLUSIVE)
    parts = [
        f"{each.avg_ms:.1f} ms {name}; p50 {each.p50_ms:.1f}, p95 {each.p95_ms:.1f}, "
        f"p99 {each.p99_ms:.1f}, max {each.max_ms:.1f} ms"
        for name, each in known.items()
    ]
    if judged:
        busy, lag = max(load.summary.busy for load in judged), max(load.summary.lag_ms_p99 for load in judged)
        parts.append(f"load generator at most {busy:.0%} busy and {lag:.1f} ms late")
    saturated = next((f"'{load.label}': {load.summary.saturated}" for load in judged if load.summary.saturated), "")
    samples = sum(each.samples for each in known.values())
    if saturated:
        parts.append(f"this machine was too busy to measure latency: {saturated}; {AGAIN}")
        status = Status.INCONCLUSIVE
    else:
        slow = any(_too_slow(thresholds, each) for each in known.values())
        status = Status.FAILED if slow else Status.PASSED
    if ping is not None:
        parts.append(f"ping round trip p50 {ping.p50_ms:.1f} ms")
        if status is Status.FAILED and not any(_too_slow(thresholds, each) for each in _nearer(known, ping)):
            parts.append(
                "without that they would be within the thresholds: the distance to the target is the cause, not the "
                "backend; run the suite nearer to it, or raise the thresholds"
            )
    return Criterion("LATENCY", requirement, allowed, "; ".join(parts), samples, status)


def slow_under_load(summary: LoadResult, thresholds: Thresholds) -> list[str]:
    """The latencies of a load above a threshold, in words; empty if the generator was too busy to measure them."""
    if summary.saturated:
        return []
    known = {name: figures(encoded) for name, encoded in summary.latency.items()}
    return [f"{name}: {said}" for name, each in known.items() if each for said in _too_slow(thresholds, each)]


def _too_slow(thresholds: Thresholds, measured: LatencySummary) -> tuple[str, ...]:
    return too_slow(thresholds, measured.avg_ms, measured.p95_ms, measured.p99_ms)


def _nearer(known: dict[str, LatencySummary], ping: LatencySummary) -> list[LatencySummary]:
    """The latencies without the way: there and back to an acknowledgement, one way to a delivery."""
    ways_ms = [(each, ping.p50_ms / 2 if name == "delivery" else ping.p50_ms) for name, each in known.items()]
    return [
        msgspec.structs.replace(
            each, avg_ms=each.avg_ms - way_ms, p95_ms=each.p95_ms - way_ms, p99_ms=each.p99_ms - way_ms
        )
        for each, way_ms in ways_ms
    ]


def _of_loads(loads: list[LoadOfScenario]) -> dict[str, LatencySummary]:
    known: dict[str, Histogram] = {}
    for load in loads:
        for name, encoded in load.summary.latency.items():
            known.setdefault(name, Histogram()).merge(Histogram.decode(encoded))
    return {name: merged for name, each in known.items() if (merged := each.summary()) is not None}


def losses(loads: tuple[LoadOfScenario, ...]) -> Status:
    """Whether the success rate under load is high enough. Each load is judged alone: none compensates for another.

    Inconclusive where the generator or its machine was too busy: what is missing may only have been read too late.
    """
    asked = [load.summary for load in loads if load.summary.expected_events + load.summary.connections_tried]
    lossy = [summary for summary in asked if summary.success_percent < LEAST_SUCCESS]
    if any(not summary.hindered for summary in lossy):
        return Status.FAILED
    return Status.INCONCLUSIVE if lossy else Status.PASSED


def memory(watched: tuple[MemorySamples, ...], most_mb: float) -> Criterion:
    """MEMORY: limited growth in extended operation, no leak by slope, and nothing kept for closed connections."""
    requirement = (
        "The backend does not leak: growth of memory is limited, and the memory and runs of closed connections are "
        "released."
    )
    threshold = f"<= {most_mb:g} MB"
    if not watched:
        return Criterion("MEMORY", requirement, threshold, "memory was not measured", 0, Status.INCONCLUSIVE)
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


def gaps_of(loads: tuple[LoadOfScenario, ...]) -> list[str]:
    """The reasons why the evidence of the loads is incomplete."""
    gaps = []
    for load in loads:
        summary = load.summary
        gaps += [f"'{load.label}': {lost}" for lost in (*summary.lost, *summary.short)]
        # What is late for a generator that is too busy itself, LATENCY says; of a wrong answer, nothing else does.
        late = {rule: n for rule, n in summary.late.items() if not summary.saturated or rule in OF_THE_MODEL}
        if late:
            said = ", ".join(f"{rule} ({times})" for rule, times in sorted(late.items()))
            gaps.append(f"'{load.label}': {summary.hindered}, so that {said} cannot be judged; {AGAIN}")
        if summary.interrupted:
            gaps.append(f"'{load.label}' was interrupted")
        unshown = summary.counts.keys() - {offence.finding.rule for offence in summary.offences}
        gaps += [f"'{load.label}': findings of {rule} were counted, but none was stored" for rule in sorted(unshown)]
        if summary.canaries_seen < summary.canaries_expected and summary.success_percent >= LEAST_SUCCESS:
            unseen = summary.canaries_expected - summary.canaries_seen
            gaps.append(
                f"'{load.label}': {unseen} users never received their own canary: leaks to them would not be detected"
            )
    return gaps
