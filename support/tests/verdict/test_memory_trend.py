"""Leaks are found, and warm-ups, noise and single spikes are none."""

import random

import pytest
from greenlight_gate.verdict.memory_trend import Sample, Slope, Watched, judge_watch, theil_sen

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


def soak(rss_mb: list[float], runs_each: float = 100, **values: float) -> Watched:
    samples = [Sample(n / 2, mb * MB, done=n * runs_each, **values) for n, mb in enumerate(rss_mb)]
    return Watched(scenario="s", kind="soak", unit="run", by="process 1", samples=tuple(samples))


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
    blind = Watched(scenario="s", kind="soak", unit="run", by="", reason="no probe is available")
    assert judge_watch(blind, 500).unknown == "no probe is available"


def test_a_backend_that_answers_nothing_has_not_shown_that_it_does_not_fill_up() -> None:
    found = judge_watch(soak([60.0] * 40, runs_each=0), 500)

    assert (found.faults, found.unknown) == ((), "no run ended during the measurement")


def churn(rss_mb: list[float], descriptors: list[int], connections: list[int]) -> Watched:
    rows = zip(rss_mb, descriptors, connections, strict=True)
    samples = [Sample(n, mb * MB, float(d), float(c), done=25.0 * n) for n, (mb, d, c) in enumerate(rows)]
    return Watched(scenario="s", kind="churn", unit="connection", by="process 1", samples=tuple(samples))


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
