"""Windows of time hold days in bounded memory, and lose nothing but sharpness."""

from greenlight_gate.measure.time_series import MOST_WINDOWS, TimeSeries, bucket, bucket_ms, percentiles_ms
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(1, 3_600_000_000))
def test_a_bucket_is_true_to_an_eighth_of_an_octave(us: int) -> None:
    assert abs(bucket_ms(bucket(us)) * 1e3 - us) <= us / 8 + 1


@given(st.lists(st.integers(0, 10_000_000), min_size=2, unique=True))
def test_buckets_keep_the_order(values: list[int]) -> None:
    ordered = [bucket(us) for us in sorted(values)]

    assert ordered == sorted(ordered)


@given(st.lists(st.floats(0, 30 * 86_400, allow_nan=False), min_size=1, max_size=200))
def test_days_fit_and_nothing_is_lost(moments: list[float]) -> None:
    windows = TimeSeries()
    for moment in sorted(moments):
        windows.at(1e9 + moment)[0].events += 1

    assert sum(window.events for _, window in windows) == len(moments) == windows.total().events
    assert len(list(windows)) <= MOST_WINDOWS
    assert sum(window.events for _, window in windows.joined(3600)) == len(moments)


@given(st.lists(st.floats(0, 9_000, allow_nan=False), min_size=1, max_size=200))
def test_moments_may_come_in_any_order(moments: list[float]) -> None:
    windows = TimeSeries()
    for moment in moments:
        window, begin, end = windows.at(1e9 + moment)
        window.events += 1
        assert begin <= 1e9 + moment < end

    assert windows.total().events == len(moments)
    assert len(list(windows)) <= MOST_WINDOWS
    assert windows.start <= 1e9 + min(moments) < windows.start + windows.width_s or len(moments) > 1


def test_their_number_is_bounded_backwards_as_well() -> None:
    windows = TimeSeries()
    for second in range(2_000):
        windows.at(1e9 - second)[0].events += 1

    assert (len(list(windows)), windows.width_s, windows.total().events) == (501, 4.0, 2_000)


def test_percentiles_of_a_known_distribution() -> None:
    window = TimeSeries().at(0.0)[0]
    for ms in range(1, 101):
        window.delay(ms * 1000)

    p50, p95, p99 = percentiles_ms(window.delays, (50, 95, 99))

    assert (round(window.delay_ms, 1), window.samples) == (50.5, 100)
    assert abs(p50 - 50) < 50 / 8
    assert abs(p95 - 95) < 95 / 8
    assert p95 <= p99
    assert percentiles_ms({}, (50,)) == [0.0]
