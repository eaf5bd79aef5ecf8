"""Leaks are found, and warm-ups, noise and single spikes are none."""

import math
import random
import re
from collections.abc import Callable

import msgspec
import pytest
from greenlight_gate.verdict.memory_trend import (
    MemorySamples,
    Sample,
    Slope,
    has_shown,
    judge_watch,
    theil_sen,
)

MB = 1e6


def test_theil_sen_is_the_median_of_all_slopes() -> None:
    by_hand = theil_sen([(0, 0), (1, 2), (2, 4), (3, 100)])
    assert by_hand is not None
    # The six slopes are 2, 2, 2, 33.3, 49 and 96.
    assert by_hand.value == pytest.approx((2 + 100 / 3) / 2)
    slope = theil_sen([(x, 3 * x + 1) for x in range(20)])
    assert slope == Slope(3.0, 3.0, 3.0)
    assert theil_sen([(1, 1), (1, 2)]) is None


def test_one_wild_sample_moves_nothing() -> None:
    points = [(float(x), 5.0 * x) for x in range(30)]
    points[7] = (7.0, 1e9)
    slope = theil_sen(points)

    assert slope is not None
    assert slope.value == pytest.approx(5.0)
    assert slope.low <= 5.0 <= slope.high


def soak(rss_mb: list[float], runs_each: float = 100, **values: float) -> MemorySamples:
    samples = [Sample(n / 2, mb * MB, done=n * runs_each, **values) for n, mb in enumerate(rss_mb)]
    return MemorySamples(scenario="s", kind="soak", unit="run", by="process 1", samples=tuple(samples))


def test_a_leak_of_a_few_kilobytes_a_run_is_found() -> None:
    rng = random.Random(1)
    found = judge_watch(soak([60 + n * 100 * 0.064 + rng.uniform(-1, 1) for n in range(40)]), 500)

    assert len(found.faults) == 1
    assert found.faults[0].startswith("leaks 6")
    assert "KB a run" in found.faults[0]


@pytest.mark.parametrize(
    "rss_mb",
    [
        [60.0 + min(n, 9) * 5 for n in range(40)],
        [60.0 + (n % 7) * 0.8 for n in range(40)],
        [60.0 + n * 0.05 for n in range(40)],
        [90.0 if n == 38 else 60.0 for n in range(40)],
        [100.0 - n for n in range(40)],
    ],
    ids=["warm-up", "noise", "too small to matter", "one spike", "shrinks"],
)
def test_what_is_no_leak(rss_mb: list[float]) -> None:
    assert judge_watch(soak(rss_mb), 500).faults == ()


def test_growth_alone_is_too_much_past_the_threshold() -> None:
    found = judge_watch(soak([60.0 + n * 25 for n in range(40)], runs_each=100_000), 500)

    assert found.faults[0].startswith("grew by")


def test_too_few_samples_tell_nothing() -> None:
    assert judge_watch(soak([60.0] * 8), 500).unknown == "6 samples after the warm-up, 12 are needed"
    blind = MemorySamples(scenario="s", kind="soak", unit="run", by="", reason="no probe is available")
    assert judge_watch(blind, 500).unknown == "no probe is available"


def test_a_backend_that_answers_nothing_has_not_shown_that_it_does_not_fill_up() -> None:
    found = judge_watch(soak([60.0] * 40, runs_each=0), 500)

    assert (found.faults, found.unknown) == ((), "no run ended during the measurement")


# Soaks of the usual time, as a probe sees them five times a second: ten users, 33 runs a second, MB by second.


def sawtooth(at: float) -> float:
    """A healthy garbage-collected server: 19 KB a run between collections, of which a collection leaves 2."""
    collected = max(each for each in (0.0, 1.7, 4.9, 10.3, 17.2, 25.5, 34.0, 43.1, 52.4) if each <= at)
    return 60 + 33 * (0.002 * collected + 0.019 * (at - collected))


def late_collector(at: float) -> float:
    """The same where the first large collection comes when the usual soak is over."""
    collected = max(each for each in (0.0, 27.0, 49.0) if each <= at)
    return 60 + 33 * (0.002 * collected + 0.019 * (at - collected))


def warm_up(at: float) -> float:
    """Caches and pools that fill: fast at first, and ever more slowly."""
    return 60 + 40 * (1 - math.exp(-at / 9))


def uneven_leak(at: float) -> float:
    """Each run leaves 30 KB behind, in bursts: for a moment it always seems to come to an end."""
    return 60 + 33 * 0.030 * (at + 1.5 * math.sin(at / 2))


def endless_warm_up(at: float) -> float:
    """One that never quite ends: as much in the first second as in the minute after."""
    return 60 + 12 * math.log(1 + at)


def leak(at: float) -> float:
    """Each run leaves 64 KB behind."""
    return 60 + 33 * at * 0.064


def slow_leak(at: float) -> float:
    """Each run leaves 24 KB behind, after a warm-up, below a collector's teeth."""
    return 60 + 5 * (1 - math.exp(-at / 3)) + 33 * at * 0.024 + 4 * (at % 3.1) / 3.1


def collected_leak(at: float) -> float:
    """Each run leaves 40 KB behind, and 30 more that are collected every five seconds."""
    return 60 + 33 * (at * 0.040 + (at % 5) * 0.030)


Timeline = Callable[[float], float]


def watched(timeline: Timeline, soak_s: float = 20.0, runs_s: float = 33.0, most_s: float = 60.0) -> MemorySamples:
    """A soak of this course, which ends as a real one does: when it has shown enough, or after `most_s`."""
    samples: list[Sample] = []
    rng = random.Random(4)
    for number in range(int(most_s * 5) + 1):
        at = number / 5
        samples.append(Sample(at, (timeline(at) + rng.uniform(0, 0.6)) * MB, done=float(int(at * runs_s))))
        seen = MemorySamples(
            scenario="s", kind="soak", unit="run", by="process 1", samples=tuple(samples), soak_s=soak_s
        )  # fmt: skip
        if number % 5 == 0 and has_shown(seen, 500):
            break
    return seen


def took_s(seen: MemorySamples) -> float:
    return seen.samples[-1].at - seen.samples[0].at


@pytest.mark.parametrize(
    ("timeline", "at_most_s"),
    [
        (lambda _: 60.0, 20), (lambda at: 60 + min(at, 3.0) * 4, 20), (sawtooth, 60), (late_collector, 60),
        (warm_up, 60), (endless_warm_up, 60),
    ],
    ids=["flat", "warm after 3 s", "garbage collector", "late collector", "warm-up", "endless warm-up"],
)  # fmt: skip
def test_a_healthy_soak_ends_when_that_is_clear(timeline: Timeline, at_most_s: float) -> None:
    seen = watched(timeline)

    assert (judge_watch(seen, 500).faults, judge_watch(seen, 500).unknown) == ((), "")
    assert 8 <= took_s(seen) <= at_most_s


@pytest.mark.parametrize("timeline", [leak, slow_leak, collected_leak, uneven_leak])
def test_a_leak_is_watched_to_the_end_and_then_held_against_the_backend(timeline: Timeline) -> None:
    seen = watched(timeline)
    (fault,) = judge_watch(seen, 500).faults

    assert took_s(seen) == 60
    assert fault.startswith("leaks ")
    assert judge_watch(msgspec.json.decode(msgspec.json.encode(seen), type=MemorySamples), 500).faults == (fault,)


def test_growth_that_was_not_watched_for_long_enough_is_no_leak_and_no_approval() -> None:
    found = judge_watch(watched(leak, most_s=20), 500)

    assert found.faults == ()
    assert re.fullmatch(
        r"leaks 6\d\.\d KB a run \(at least 6\d\.\d\) within 20 s, and was not watched for 54 s", found.unknown
    )


@pytest.mark.parametrize(
    ("soak_s", "runs_s", "least_s"),
    [(20.0, 5.0, 20), (20.0, 40.0, 16), (20.0, 120.0, 8), (60.0, 120.0, 60), (5.0, 500.0, 2)],
)
def test_how_soon_a_flat_soak_may_end(soak_s: float, runs_s: float, least_s: float) -> None:
    """Not before five hundred runs; and who asks for a longer one than usual gets all of it."""
    assert took_s(watched(lambda _: 60.0, soak_s, runs_s, most_s=soak_s)) == pytest.approx(least_s, abs=1)


@pytest.mark.parametrize("r", [0.0, 0.5, 0.7])
def test_an_interval_holds_also_where_neighbours_depend_on_each_other(r: float) -> None:
    """Sen's own, which takes them for independent, then misses the slope every third time and more often."""
    rng = random.Random(7)
    sen = dependent = 0
    for _ in range(200):
        points, state = list[tuple[float, float]](), rng.gauss(0, 1) / math.sqrt(1 - r * r)
        for x in range(20):
            state = r * state + rng.gauss(0, 1)
            points.append((float(x), 5.0 * x + state))
        narrow, wide = theil_sen(points), theil_sen(points, dependent=True)
        assert narrow is not None
        assert wide is not None
        assert wide.low <= narrow.low <= narrow.value == wide.value <= narrow.high <= wide.high
        sen += narrow.low <= 5.0 <= narrow.high
        dependent += wide.low <= 5.0 <= wide.high
    assert dependent >= 0.93 * 200
    assert sen <= (0.99 - 0.3 * r) * 200


def churn(rss_mb: list[float], descriptors: list[int], connections: list[int]) -> MemorySamples:
    rows = zip(rss_mb, descriptors, connections, strict=True)
    samples = [Sample(n, mb * MB, float(d), float(c), done=25.0 * n) for n, (mb, d, c) in enumerate(rows)]
    return MemorySamples(scenario="s", kind="churn", unit="connection", by="process 1", samples=tuple(samples))


def test_whoever_left_leaves_nothing_behind() -> None:
    found = judge_watch(churn([60, 64, 65, 65, 66, 65, 66, 65, 66, 65, 66], [12] * 11, [0] * 11), 500)

    assert (found.faults, found.unknown) == ((), "")
    assert found.measured == "+1.0 MB after the third of 10 rounds, descriptors 12 to 12, connections 0 to 0"


@pytest.mark.parametrize(
    ("rss_mb", "descriptors", "connections", "fault"),
    [
        ([60 + 6.4 * n for n in range(11)], [12] * 11, [0] * 11, "44.8 MB were not released"),
        ([60.0] * 11, [12 + 25 * n for n in range(11)], [0] * 11, "250 descriptors were not released"),
        ([60.0] * 11, [12] * 11, list(range(11)), "10 connections were not released"),
    ],
)  # fmt: skip
def test_what_is_left_behind(rss_mb: list[float], descriptors: list[int], connections: list[int], fault: str) -> None:
    (found,) = judge_watch(churn(rss_mb, descriptors, connections), 500).faults

    assert found.startswith(fault)


def test_a_few_rounds_tell_nothing() -> None:
    assert "5 are needed" in judge_watch(churn([60.0] * 4, [1] * 4, [0] * 4), 500).unknown


def left(*runs: float | None) -> MemorySamples:
    samples = tuple(Sample(float(n), runs=number) for n, number in enumerate(runs))
    return MemorySamples(scenario="s", kind="left", unit="run", by="metrics", samples=samples)


def test_connections_that_were_cut_are_released() -> None:
    samples = [
        Sample(at=float(at), runs=runs, connections=open_) for at, (runs, open_) in enumerate(((0, 1), (5, 6), (0, 3)))
    ]
    watched = MemorySamples(scenario="s", kind="left", unit="run", by="metrics", samples=tuple(samples))
    assert judge_watch(watched, 500).faults == ("2 connections that were cut were not released",)


def test_runs_of_users_who_left_end() -> None:
    assert judge_watch(left(1, 5, 1), 500).faults == ()
    found = judge_watch(left(1, 5, 4), 500)
    assert (found.faults, found.unknown) == (("3 runs did not end",), "")
    assert found.measured == "5 runs were open, and 4 1.0 s after all users had left"
    assert judge_watch(left(1, 5), 500).unknown == judge_watch(left(1, 5, None), 500).unknown != ""
