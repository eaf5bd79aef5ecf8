"""Latencies: three significant digits, bounds, and merging that loses nothing."""

import gc

import pytest
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.latency_summary import LatencySummary
from hdrh.histogram import HdrHistogram


def of(*seconds: float) -> Histogram:
    histogram = Histogram()
    for sample in seconds:
        histogram.record(sample)
    return histogram


def test_without_a_sample_there_is_nothing_to_say() -> None:
    assert (Histogram().samples, Histogram().summary()) == (0, None)


def test_the_figures_in_milliseconds() -> None:
    summary = of(*(n / 1000 for n in range(1, 101))).summary()

    assert summary is not None
    assert (summary.samples, summary.avg_ms) == (100, 50.5)
    assert [summary.p50_ms, summary.p95_ms, summary.p99_ms, summary.max_ms] == pytest.approx(
        [50, 95, 99, 100], rel=0.001
    )


def test_what_lies_outside_counts_at_the_bound() -> None:
    assert of(-0.003).summary() == LatencySummary(1, 0.0, 0.001, 0.001, 0.001, 0.001)
    longest = of(1e9).summary()
    assert longest is not None
    assert longest.max_ms == pytest.approx(3_600_000, rel=0.001)


def test_merged_is_as_if_recorded_together() -> None:
    one, other = of(0.001, 0.5), of(0.02, 0.03, 7)

    one.merge(other)

    assert one.summary() == of(0.001, 0.5, 0.02, 0.03, 7).summary()


def test_what_nobody_needs_any_more_is_gone_without_a_search_for_cycles() -> None:
    def known() -> int:
        return sum(type(each) is HdrHistogram for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = known()
        one, other = of(0.001, 0.5), of(0.02)
        one.merge(Histogram.decode(other.encode()))
        assert (one.samples, known()) == (3, before + 2)
        del one, other
        assert known() == before
    finally:
        gc.enable()
