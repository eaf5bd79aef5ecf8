"""Which failure patterns the timeline of a session shows. Pure."""

from collections.abc import Callable, Sequence

import msgspec

from greenlight_gate.findings import numbered
from greenlight_gate.measure.rule_counts import RuleCount
from greenlight_gate.measure.thresholds import Thresholds, too_slow
from greenlight_gate.measure.time_series import TimeWindow
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.verdict.failure_patterns import (
    BURST_ERRORS,
    BURST_S,
    DELAY_RATIO,
    LOAD_LEAST,
    LOAD_RATIO,
    PATTERNS,
    SUSTAINED_S,
    SUSTAINED_SAMPLES,
    UNSTABLE_LEAST,
    UNSTABLE_PERCENT,
    Occurrence,
    occurrence,
)

_STEP_S = 1.0
_LEAST_SAMPLES = 10
_EXAMPLES = 5


class Memory(msgspec.Struct, frozen=True):
    """What is known of the backend's memory, in MB; `faults` are the violations that a probe's measurements show."""

    start_mb: float | None = None
    end_mb: float | None = None
    faults: tuple[str, ...] = ()


def detect(timeline: Timeline, thresholds: Thresholds, memory: Memory = Memory()) -> tuple[Occurrence, ...]:  # noqa: B008 -- frozen
    """All patterns that occurred, in the order of the catalogue."""
    looks: dict[str, Callable[[], Occurrence | None]] = {
        "SUSTAINED_HIGH_LATENCY": lambda: _sustained(timeline, thresholds),
        "CONNECTION_INSTABILITY": lambda: _unstable(timeline),
        "MEMORY_LEAK": lambda: _leak(timeline, thresholds, memory),
        "ERROR_BURST": lambda: _error_burst(timeline),
        "LATENCY_GROWS_WITH_LOAD": lambda: _grows_with_load(timeline, thresholds),
    }
    seen = [looks[name]() if name in looks else _of_findings(timeline, name) for name in PATTERNS]
    return tuple(each for each in seen if each is not None)


def _of_findings(timeline: Timeline, name: str) -> Occurrence | None:
    pattern = PATTERNS[name]
    broken: list[tuple[str, RuleCount]] = [
        (rule, timeline.broken[rule]) for rule in timeline.broken if rule in pattern.rules
    ]
    answers = _answers([each for _, each in broken])
    if answers < pattern.least:
        return None
    times = ", ".join(f"{rule} {numbered(each.times, 'time')}" for rule, each in sorted(broken))
    when = min(each.first_at for _, each in broken), max(each.last_at for _, each in broken)
    evidence = tuple(example for _, each in broken for example in each.examples)[:_EXAMPLES]
    return occurrence(name, f"{numbered(answers, 'answer')}: {times}", when, evidence)


def _answers(broken: Sequence[RuleCount]) -> int:
    """The number of answers with findings of any of these rules; of a load it is known for each rule alone."""
    loads = {load for each in broken for load in each.under_load}
    traced = set().union(*(each.runs for each in broken))
    return len(traced) + sum(max(each.under_load.get(load, 0) for each in broken) for load in loads)


def _sustained(timeline: Timeline, thresholds: Thresholds) -> Occurrence | None:
    """The longest stretch in which every second with enough samples was too slow."""
    worst: list[tuple[float, TimeWindow]] = []
    stretch: list[tuple[float, TimeWindow]] = []
    width = max(_STEP_S, timeline.windows.width_s)
    for begin, window in timeline.windows.joined(_STEP_S):
        if not window.samples:
            continue
        if not too_slow(thresholds, window.delay_ms):
            stretch = []
            continue
        stretch.append((begin, window))
        if stretch[-1][0] - stretch[0][0] >= (worst[-1][0] - worst[0][0] if worst else 0.0):
            worst = list(stretch)
    samples = sum(window.samples for _, window in worst)
    lasted = worst[-1][0] + width - worst[0][0] if worst else 0.0
    if lasted < SUSTAINED_S or samples < SUSTAINED_SAMPLES:
        return None
    average = sum(window.delay_us for _, window in worst) / samples / 1e3
    measured = (
        f"{average:.0f} ms on average for {lasted:.0f} s (allowed: {thresholds.latency_ms_avg:g} ms), "
        f"{numbered(samples, 'event')}"
    )
    slowest = sorted(worst, key=lambda one: -one[1].delay_ms)[:_EXAMPLES]
    evidence = tuple(
        f"{begin - timeline.windows.start:.0f} s in: {window.delay_ms:.0f} ms" for begin, window in slowest
    )
    return occurrence("SUSTAINED_HIGH_LATENCY", measured, (worst[0][0], worst[-1][0] + width), evidence)


def _unstable(timeline: Timeline) -> Occurrence | None:
    whole = timeline.windows.total()
    lost = whole.dropped + whole.refused
    if lost < UNSTABLE_LEAST or lost * 100.0 <= UNSTABLE_PERCENT * whole.tried:
        return None
    measured = (
        f"{numbered(whole.dropped, 'connection')} lost, {whole.refused} refused, of {numbered(whole.tried, 'attempt')}"
    )
    troubles = sorted(timeline.troubles)
    return occurrence("CONNECTION_INSTABILITY", measured, (troubles[0][0], troubles[-1][0]), _examples(troubles))


def _leak(timeline: Timeline, thresholds: Thresholds, memory: Memory) -> Occurrence | None:
    faults = list(memory.faults)
    if memory.start_mb is not None and memory.end_mb is not None:
        growth = memory.end_mb - memory.start_mb
        if growth > thresholds.memory_mb_growth:
            faults.insert(0, f"grew by {growth:.0f} MB, from {memory.start_mb:.0f} to {memory.end_mb:.0f} MB")
    if not faults:
        return None
    return occurrence(
        "MEMORY_LEAK", "; ".join(faults), (timeline.windows.start, timeline.ended_at), ("measurements.json",)
    )


def _error_burst(timeline: Timeline) -> Occurrence | None:
    # Traces are read one after the other, but scenarios may overlap in time.
    errors = sorted(timeline.errors)
    for last in range(BURST_ERRORS - 1, len(errors)):
        first = last - BURST_ERRORS + 1
        if errors[last][0] - errors[first][0] <= BURST_S:
            begin = errors[first][0]
            burst = [error for error in errors[first:] if error[0] - begin <= BURST_S]
            measured = f"{len(burst)} within {burst[-1][0] - begin:.1f} s, {len(errors)} in all"
            return occurrence("ERROR_BURST", measured, (begin, errors[-1][0]), _examples(burst))
    return None


def _grows_with_load(timeline: Timeline, thresholds: Thresholds) -> Occurrence | None:
    """Compares the quarter of the time with the fewest concurrent runs and the quarter with the most."""
    windows = [window for _, window in timeline.windows.joined(_STEP_S) if window.samples >= _LEAST_SAMPLES]
    windows.sort(key=lambda window: window.busy_most)
    quarter = len(windows) // 4
    if not quarter:
        return None
    idle, full = windows[:quarter], windows[-quarter:]
    few, many = _busy(idle), _busy(full)
    before, after = _delay(idle), _delay(full)
    grows = many >= LOAD_LEAST and many >= LOAD_RATIO * few and after >= DELAY_RATIO * before
    if not grows or not too_slow(thresholds, after):
        return None
    measured = f"{before:.1f} ms with {few:.0f} concurrent runs, {after:.1f} ms with {many:.0f}"
    return occurrence("LATENCY_GROWS_WITH_LOAD", measured, (timeline.windows.start, timeline.ended_at))


def _busy(windows: Sequence[TimeWindow]) -> float:
    return max(sum(window.busy_most for window in windows) / len(windows), 1.0)


def _delay(windows: Sequence[TimeWindow]) -> float:
    return sum(window.delay_us for window in windows) / sum(window.samples for window in windows) / 1e3


def _examples(happened: Sequence[tuple[float, str]]) -> tuple[str, ...]:
    return tuple(text for _, text in happened[:_EXAMPLES])
