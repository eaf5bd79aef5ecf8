"""Whether a backend leaks, from samples of its memory and its descriptors over time. Pure arithmetic.

A garbage-collected process grows between collections, so that a soak is judged by its lower envelope: the least memory
of each stretch. Stretches depend on each other, which makes the interval of their slope wider. Growth counts only where
the slope is above what matters for sure, does not fall, and has been watched for long enough.
"""

import functools
import math
from collections.abc import Sequence
from itertools import combinations, pairwise
from statistics import fmean, median

import msgspec

MB = 1e6
# The first part of a measurement is the warm-up, in which caches fill.
WARM_UP = 0.25
LEAST_SAMPLES = 12
# The least growth that counts: for each run or connection, and in total.
LEAST_KB_EACH = 16.0
LEAST_MB = 8.0
# Descriptors and connections that may remain, for the backend's other work.
SPARE_DESCRIPTORS = 5
SPARE_CONNECTIONS = 0
_Z95 = 1.959964
_MOST_CORRELATION = 0.9
# A soak is cut into so many stretches.
_STRETCHES = 20
# Half the slope that it had before: what falls so fast comes to an end.
_FALLS = 0.5
# From this part of the usual soak on it may end early, after so many runs; who asks for a longer one gets all of it.
USUAL_SOAK_S = 20.0
_EARLIEST = 0.4
# In so many runs the smallest leak that counts comes to `LEAST_MB`, whatever free memory it fills first.
_LEAST_RUNS = 500
# Growth is watched for so many times as long before it counts, and for no longer than this.
_WATCH_ON = 3.0
_LONGEST_S = 120.0
_NEARLY = 0.9


class Sample(msgspec.Struct, frozen=True):
    """One sample of a process: seconds on one clock, bytes, counts, CPU seconds; None where it cannot be read.

    `done`: the number of runs (or connections) until then; `runs`: how many are open, as the backend says.
    """

    at: float
    rss_bytes: float | None = None
    descriptors: float | None = None
    connections: float | None = None
    cpu_s: float | None = None
    done: float = 0.0
    runs: float | None = None


class Slope(msgspec.Struct, frozen=True):
    """A robust slope and its 95 % confidence interval, in units of y by units of x."""

    value: float
    low: float
    high: float


def theil_sen(points: list[tuple[float, float]], *, dependent: bool = False) -> Slope | None:
    """The median of the slopes of all pairs (Theil 1950, Sen 1968); None where no two x differ.

    The interval is Sen's: the ranks of the ordered slopes that lie z sqrt(n(n-1)(2n+5)/18) around the middle. For
    points in time order that are `dependent` on their neighbours it is as much wider as fewer independent points would
    make it, (1 + r) / (1 - r) times fewer for an autocorrelation r (von Storch 1995; Hamed and Rao 1998).
    """
    slopes = sorted((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x1 != x2)
    if not slopes:
        return None
    n = len(points)
    value = median(slopes)
    r = _correlation(points, value) if dependent else 0.0
    spread = _Z95 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18 * (1 + r) / (1 - r))
    low = max(int((len(slopes) - spread) / 2), 0)
    high = min(math.ceil((len(slopes) + spread) / 2), len(slopes) - 1)
    return Slope(value, slopes[low], slopes[high])


def _correlation(points: list[tuple[float, float]], slope: float) -> float:
    """How much of a residual is that of its neighbour before: lag-1 autocorrelation, 0 to 0.9.

    Corrected for the few points and the line taken out of them (Kendall 1954), which make it seem smaller.
    """
    left = [y - slope * x for x, y in points]
    n, middle = len(left), fmean(left)
    left = [each - middle for each in left]
    spread = sum(each * each for each in left)
    found = sum(before * after for before, after in pairwise(left)) / spread if spread else 0.0
    return min(max((n * found + 2) / (n - 4), 0.0), _MOST_CORRELATION) if n > 4 else _MOST_CORRELATION


class MemorySamples(msgspec.Struct, frozen=True, kw_only=True):
    """The samples of a probe while one action was repeated.

    kind "soak": `samples` throughout, `unit` run, `soak_s` the soak time that was asked for. kind "churn": one sample
    before, and one after each round of connecting and disconnecting, when all had left; `unit` connection. kind "left":
    one before, one while answers were made, and one after all users had left; `unit` run. `by`: how it was measured; ""
    if it could not be.
    """

    scenario: str
    kind: str
    unit: str
    by: str
    samples: tuple[Sample, ...] = ()
    reason: str = ""
    soak_s: float = 0.0


class MemoryVerdict(msgspec.Struct, frozen=True):
    """The judgement of one measurement: what was measured, why it is too much, and what is unknown."""

    measured: str
    faults: tuple[str, ...] = ()
    unknown: str = ""
    samples: int = 0


@functools.lru_cache(maxsize=16)  # a long soak has millions of pairs, and several callers ask
def judge_watch(watched: MemorySamples, most_mb: float) -> MemoryVerdict:
    """Judges one measurement; `most_mb` is the highest accepted growth, however slow."""
    if watched.kind == "left":
        return _left(watched)
    samples = [sample for sample in watched.samples if sample.rss_bytes is not None or sample.descriptors is not None]
    if not watched.by or not samples:
        return MemoryVerdict("", unknown=watched.reason or "the target's memory cannot be read")
    return _soak(watched, samples, most_mb) if watched.kind == "soak" else _churn(watched, samples, most_mb)


def longest_s(soak_s: float) -> float:
    """How long a soak may take: growth is watched on before it counts."""
    return max(soak_s, min(_WATCH_ON * soak_s, _LONGEST_S))


def has_shown(watched: MemorySamples, most_mb: float) -> bool:
    """Whether a soak that goes on has been watched for long enough: it is clear that there is no leak, or over."""
    samples = [sample for sample in watched.samples if sample.rss_bytes is not None]
    took_s = samples[-1].at - samples[0].at if samples else 0.0
    earliest_s = watched.soak_s * (_EARLIEST if watched.soak_s <= USUAL_SOAK_S else 1.0)
    if took_s < earliest_s or took_s >= longest_s(watched.soak_s):
        return took_s >= earliest_s
    # Past the soak time it is not asked again and again: one look at many would find no growth.
    growth = _growth([s for s in samples if s.at - samples[0].at <= watched.soak_s], most_mb, suspected=True)
    if growth is None or growth.faults:
        return False
    if took_s >= watched.soak_s:
        return True
    each = growth.each
    return each is not None and each.high < LEAST_KB_EACH * 1e3 and growth.done >= _LEAST_RUNS


class _Growth(msgspec.Struct, frozen=True):
    """What a soak comes to so far: `each` in bytes for a run, `done` runs; `samples` after the warm-up."""

    mb: float
    each: Slope | None
    done: float
    samples: int
    faults: tuple[str, ...]


def _soak(watched: MemorySamples, samples: list[Sample], most_mb: float) -> MemoryVerdict:
    took_s, unit = samples[-1].at - samples[0].at, watched.unit
    growth = _growth(samples, most_mb, unit)
    if growth is None:
        warm = len(_warm(samples))
        return MemoryVerdict("", unknown=f"{warm} samples after the warm-up, {LEAST_SAMPLES} are needed")
    kb = f"{growth.each.value / 1e3:.1f} KB" if growth.each is not None else "not known"
    measured = f"{growth.mb:+.1f} MB over {took_s:.0f} s, {kb} a {unit} ({growth.done:.0f} {unit}s)"
    # The last sample comes a moment before the end.
    needed_s = _NEARLY * longest_s(watched.soak_s)
    if growth.faults and took_s < needed_s:
        said = f"{', '.join(growth.faults)} within {took_s:.0f} s, and was not watched for {needed_s:.0f} s"
        return MemoryVerdict(measured, unknown=said, samples=growth.samples)
    # A backend that does nothing fills up with nothing.
    idle = "" if growth.done or growth.faults else f"no {unit} ended during the measurement"
    return MemoryVerdict(measured, growth.faults, idle, samples=growth.samples)


def _warm(samples: Sequence[Sample]) -> list[Sample]:
    first, last = samples[0].at, samples[-1].at
    return [s for s in samples if s.at >= first + WARM_UP * (last - first) and s.rss_bytes is not None]


def _growth(samples: Sequence[Sample], most_mb: float, unit: str = "run", *, suspected: bool = False) -> _Growth | None:
    """What the samples come to; None where they are too few.

    `suspected`: growth is a fault also where it is not sure, or slows down.
    """
    warm = _warm(samples)
    if len(warm) < LEAST_SAMPLES:
        return None
    lows = _lower_envelope([(s.done, s.rss_bytes or 0.0) for s in warm])
    growth_mb = _growth_mb(lows)
    each = theil_sen(lows, dependent=True)
    faults = []
    if growth_mb > most_mb:
        faults.append(f"grew by {growth_mb:.1f} MB")
    if (
        each is not None
        and growth_mb > LEAST_MB
        and (each.value > LEAST_KB_EACH * 1e3 if suspected else each.low > LEAST_KB_EACH * 1e3 and not _falls(lows))
    ):
        faults.append(f"leaks {each.value / 1e3:.1f} KB a {unit} (at least {each.low / 1e3:.1f})")
    descriptors = _lower_envelope([(s.done, s.descriptors) for s in warm if s.descriptors is not None])
    slope = theil_sen(descriptors)
    if slope is not None and slope.low > 0 and descriptors[-1][1] - descriptors[0][1] > SPARE_DESCRIPTORS:
        faults.append(f"descriptors grew from {descriptors[0][1]:.0f} to {descriptors[-1][1]:.0f}")
    return _Growth(growth_mb, each, warm[-1].done - warm[0].done, len(warm), tuple(faults))


def _lower_envelope(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The lowest point of each of twenty stretches: after a collection, where there was one."""
    count = min(_STRETCHES, len(points))
    edges = [number * len(points) // max(count, 1) for number in range(count + 1)]
    return [min(points[a:b], key=lambda point: point[1]) for a, b in pairwise(edges)]


def _falls(lows: list[tuple[float, float]]) -> bool:
    """Whether the second half grows by less than half as much for each run as the first one: it comes to an end."""
    before, after = theil_sen(lows[: len(lows) // 2]), theil_sen(lows[len(lows) // 2 :])
    return before is not None and after is not None and after.value < _FALLS * before.value


def _growth_mb(points: list[tuple[float, float]]) -> float:
    """The growth between the medians of the first and the last fifth, so that a single outlier does not count."""
    fifth = max(len(points) // 5, 1)
    values = [value for _, value in points]
    return (median(values[-fifth:]) - median(values[:fifth])) / MB


def _churn(watched: MemorySamples, samples: list[Sample], most_mb: float) -> MemoryVerdict:
    """After the third round memory must not grow, and at the end all descriptors and connections must be closed."""
    if len(samples) < 6:
        return MemoryVerdict(
            "", unknown=f"{len(samples)} rounds of connecting and disconnecting, at least 5 are needed"
        )
    before, end, settled = samples[0], samples[-1], samples[3:]
    faults, parts = [], []
    rss = [(s.done, s.rss_bytes) for s in settled if s.rss_bytes is not None]
    if rss:
        growth_mb = (rss[-1][1] - rss[0][1]) / MB
        slope = theil_sen(rss)
        parts.append(f"{growth_mb:+.1f} MB after the third of {len(samples) - 1} rounds")
        low = slope.low if slope is not None else 0.0
        if growth_mb > most_mb or (low > LEAST_KB_EACH * 1e3 and growth_mb > LEAST_MB):
            faults.append(f"{growth_mb:.1f} MB were not released, at least {low / 1e3:.0f} KB a {watched.unit}")
    for name, spare in (("descriptors", SPARE_DESCRIPTORS), ("connections", SPARE_CONNECTIONS)):
        was, now = getattr(before, name), getattr(end, name)
        if was is not None and now is not None:
            parts.append(f"{name} {was:.0f} to {now:.0f}")
            if now - was > spare:
                faults.append(f"{now - was:.0f} {name} were not released")
    return MemoryVerdict(", ".join(parts), tuple(faults), samples=len(samples))


def _left(watched: MemorySamples) -> MemoryVerdict:
    """No run stays open whose user has left: it could work, and cost, for ever. And no connection that was cut does.

    Other descriptors may be those of pools that answers have filled.
    """
    counts = [(sample.at, sample.runs) for sample in watched.samples if sample.runs is not None]
    if len(counts) < 3:
        return MemoryVerdict("", unknown=watched.reason or "the open runs cannot be read")
    (_, before), (left_at, most), (at, after) = counts
    measured = f"{most:.0f} runs were open, and {after:.0f} {at - left_at:.1f} s after all users had left"
    faults = [f"{after - before:.0f} runs did not end"] if after > before else []
    was, now = watched.samples[0].connections, watched.samples[-1].connections
    if was is not None and now is not None and now - was > SPARE_CONNECTIONS:
        faults.append(f"{now - was:.0f} connections that were cut were not released")
    return MemoryVerdict(measured, tuple(faults), samples=len(counts))
