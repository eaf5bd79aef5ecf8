"""Windows of time hold days in bounded memory, and lose nothing but sharpness."""

from hypothesis import given
from hypothesis import strategies as st

from support.course.windows import MOST_WINDOWS, Windows, bucket, bucket_ms, percentiles_ms


@given(st.integers(1, 3_600_000_000))
def test_a_bucket_is_true_to_an_eighth_of_an_octave(us: int) -> None:
    assert abs(bucket_ms(bucket(us)) * 1e3 - us) <= us / 8 + 1


@given(st.lists(st.integers(0, 10_000_000), min_size=2, unique=True))
def test_buckets_keep_the_order(values: list[int]) -> None:
    ordered = [bucket(us) for us in sorted(values)]

    assert ordered == sorted(ordered)


@given(st.lists(st.floats(0, 30 * 86_400, allow_nan=False), min_size=1, max_size=200))
def test_days_fit_and_nothing_is_lost(moments: list[float]) -> None:
    windows = Windows()
    for moment in sorted(moments):
        windows.at(1e9 + moment)[0].events += 1

    assert sum(window.events for _, window in windows) == len(moments) == windows.total().events
    assert len(list(windows)) <= MOST_WINDOWS
    assert sum(window.events for _, window in windows.joined(3600)) == len(moments)


def test_percentiles_of_a_known_distribution() -> None:
    window = Windows().at(0.0)[0]
    for ms in range(1, 101):
        window.delay(ms * 1000)

    p50, p95, p99 = percentiles_ms(window.delays, (50, 95, 99))

    assert (round(window.delay_ms, 1), window.samples) == (50.5, 100)
    assert abs(p50 - 50) < 50 / 8
    assert abs(p95 - 95) < 95 / 8
    assert p95 <= p99
    assert percentiles_ms({}, (50,)) == [0.0]
