"""The tally is the histogram: the same buckets, the same figures."""

from collections import Counter

from greenlight_gate.load.latency_counter import LatencyCounter
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.time_series import bucket
from hypothesis import given, settings
from hypothesis import strategies as st

from support.tests.hypothesis_profiles import examples

latencies = st.floats(-0.01, 5_000) | st.floats(0, 0.003) | st.floats(1e-6, 1e-2)


@settings(max_examples=examples(50))
@given(st.lists(latencies, min_size=1, max_size=50))
def test_the_figures_are_those_of_the_histogram(samples: list[float]) -> None:
    plain, tally, ages = Histogram(), LatencyCounter(), LatencyCounter()
    for sample in samples:
        plain.record(sample)
        tally.record(sample)
    ages.record_ages(0.0, [-sample for sample in samples])

    expected, came = plain.summary(), tally.histogram().summary()
    assert expected is not None
    assert came is not None
    assert (came.samples, came.p50_ms, came.p95_ms, came.p99_ms, came.max_ms) == (
        expected.samples, expected.p50_ms, expected.p95_ms, expected.p99_ms, expected.max_ms,
    )  # fmt: skip
    assert abs(came.avg_ms - expected.avg_ms) <= 0.002 or expected.max_ms > 3_599_000
    assert ages.histogram().summary() == came


@settings(max_examples=examples(50))
@given(st.lists(latencies, max_size=50))
def test_it_is_known_in_coarse_buckets_as_well(samples: list[float]) -> None:
    tally = LatencyCounter()
    for sample in samples:
        tally.record(sample)

    expected = Counter(bucket(min(max(int(sample * 1e6), 1), 3_599_999_999)) for sample in samples)
    assert tally.coarse() == dict(expected)


def test_a_histogram_comes_back_from_its_text() -> None:
    tally = LatencyCounter()
    for us in (3, 700, 2_047, 2_048, 50_000, 1_234_567):
        tally.record(us / 1e6)
    histogram = tally.histogram()

    assert Histogram.decode(histogram.encode()).summary() == histogram.summary()
