"""Whether a backend leaks, from samples of its memory and its descriptors over time. Pure arithmetic.

Samples of one process are not independent, so that a test of significance alone would find a leak in every warm-up:
growth counts only if the slope is significantly above zero and the effect is large enough to matter.
"""

import functools
import math
from itertools import combinations
from statistics import median

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


class Sample(msgspec.Struct, frozen=True):
    """One sample of a process: seconds on one clock, bytes, counts, CPU seconds; None where it cannot be read.

    `done`: the number of runs (or connections) until then.
    """

    at: float
    rss_bytes: float | None = None
    descriptors: float | None = None
    connections: float | None = None
    cpu_s: float | None = None
    done: float = 0.0


class Slope(msgspec.Struct, frozen=True):
    """A robust slope and its 95 % confidence interval, in units of y by units of x."""

    value: float
    low: float
    high: float


def theil_sen(points: list[tuple[float, float]]) -> Slope | None:
    """The median of the slopes of all pairs (Theil 1950, Sen 1968); None where no two x differ.

    The interval is Sen's: the ranks of the ordered slopes that lie z sqrt(n(n-1)(2n+5)/18) around the middle.
    """
    slopes = sorted((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x1 != x2)
    if not slopes:
        return None
    n = len(points)
    spread = _Z95 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(int((len(slopes) - spread) / 2), 0)
    high = min(math.ceil((len(slopes) + spread) / 2), len(slopes) - 1)
    return Slope(median(slopes), slopes[low], slopes[high])


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """The samples of a probe while one action was repeated.

    kind "soak": `samples` throughout, `unit` run. kind "churn": one sample before, and one after each round of
    connecting and disconnecting, when all had left; `unit` connection. `by`: how it was measured; "" if it could not
    be.
    """

    scenario: str
    kind: str
    unit: str
    by: str
    samples: tuple[Sample, ...] = ()
    reason: str = ""


class Verdictlet(msgspec.Struct, frozen=True):
    """The judgement of one measurement: what was measured, why it is too much, and what is unknown."""

    measured: str
    faults: tuple[str, ...] = ()
    unknown: str = ""
    samples: int = 0


@functools.lru_cache(maxsize=16)  # a long soak has millions of pairs, and several callers ask
def judge_watch(watched: Watched, most_mb: float) -> Verdictlet:
    """Judges one measurement; `most_mb` is the highest accepted growth, however slow."""
    samples = [sample for sample in watched.samples if sample.rss_bytes is not None or sample.descriptors is not None]
    if not watched.by or not samples:
        return Verdictlet("", unknown=watched.reason or "the target's memory cannot be read")
    return _soak(watched, samples, most_mb) if watched.kind == "soak" else _churn(watched, samples, most_mb)


def _soak(watched: Watched, samples: list[Sample], most_mb: float) -> Verdictlet:
    first, last = samples[0].at, samples[-1].at
    warm = [s for s in samples if s.at >= first + WARM_UP * (last - first) and s.rss_bytes is not None]
    if len(warm) < LEAST_SAMPLES:
        return Verdictlet("", unknown=f"{len(warm)} samples after the warm-up, {LEAST_SAMPLES} are needed")
    growth_mb = _growth_mb([(s.at, s.rss_bytes or 0.0) for s in warm])
    each = theil_sen([(s.done, s.rss_bytes or 0.0) for s in warm])
    done = warm[-1].done - warm[0].done
    kb = f"{each.value / 1e3:.1f} KB" if each is not None else "not known"
    measured = f"{growth_mb:+.1f} MB over {last - first:.0f} s, {kb} a {watched.unit} ({done:.0f} {watched.unit}s)"
    faults = []
    if growth_mb > most_mb:
        faults.append(f"grew by {growth_mb:.1f} MB")
    if each is not None and each.low > LEAST_KB_EACH * 1e3 and growth_mb > LEAST_MB:
        faults.append(f"leaks {each.value / 1e3:.1f} KB a {watched.unit} (at least {each.low / 1e3:.1f})")
    descriptors = [(s.done, s.descriptors) for s in warm if s.descriptors is not None]
    slope = theil_sen(descriptors)
    if slope is not None and slope.low > 0 and descriptors[-1][1] - descriptors[0][1] > SPARE_DESCRIPTORS:
        faults.append(f"descriptors grew from {descriptors[0][1]:.0f} to {descriptors[-1][1]:.0f}")
    # A backend without work shows no leak.
    idle = "" if done or faults else f"no {watched.unit} ended during the measurement"
    return Verdictlet(measured, tuple(faults), idle, samples=len(warm))


def _growth_mb(points: list[tuple[float, float]]) -> float:
    """The growth between the medians of the first and the last fifth, so that a single outlier does not count."""
    fifth = max(len(points) // 5, 1)
    values = [value for _, value in points]
    return (median(values[-fifth:]) - median(values[:fifth])) / MB


def _churn(watched: Watched, samples: list[Sample], most_mb: float) -> Verdictlet:
    """After the third round memory must not grow, and at the end all descriptors and connections must be closed."""
    if len(samples) < 6:
        return Verdictlet("", unknown=f"{len(samples)} rounds of connecting and disconnecting, at least 5 are needed")
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
    return Verdictlet(", ".join(parts), tuple(faults), samples=len(samples))
