"""The two comparisons with thresholds, and the clock that latencies depend on: each is one function for all who ask."""

import pytest
from greenlight_gate.events import Control
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.measure.server_clock import ServerClock
from greenlight_gate.measure.thresholds import Success, Thresholds, success, too_slow
from greenlight_gate.verdict.facts import Observed

EACH = Thresholds(latency_ms_avg=100, latency_ms_p95=200, latency_ms_p99=300)


@pytest.mark.parametrize(
    ("thresholds", "measured", "said"),
    [
        (Thresholds(), (100.0, 900.0, 900.0), ()),
        (Thresholds(), (100.1, 900.0, 900.0), ("100.1 ms on average, 100 ms are allowed",)),
        (EACH, (100.0, 200.0, 300.0), ()),
        (EACH, (99.0, 200.5, 300.0), ("200.5 ms at p95, 200 ms are allowed",)),
        (EACH, (101.0, 201.0, 301.0), ("101.0 ms on average, 100 ms are allowed", "201.0 ms at p95, 200 ms are allowed",
                                       "301.0 ms at p99, 300 ms are allowed")),
        (EACH, (99.0, None, None), ()),
    ],
)  # fmt: skip
def test_too_slow(thresholds: Thresholds, measured: tuple[float, ...], said: tuple[str, ...]) -> None:
    assert too_slow(thresholds, *measured) == said


def test_success_is_of_events_and_connections_together_of_traces_and_of_loads() -> None:
    traced = Observed(expected_events=80, arrived_events=70, connections_tried=20, connections_made=20)
    load = LoadResult(expected_events=95, arrived_events=95, connections_tried=5, connections_made=0)

    assert success(traced) == Success(90.0, 100)
    assert success(load) == Success(95.0, 100)
    assert success(traced, load) == Success(92.5, 200)
    assert load.success_percent == 95.0
    assert success() is success(Observed(), LoadResult()) is None


def pong(nonce: str, server_s: float) -> Control:
    return Control("pong", {"nonce": nonce, "server_time": server_s})


def test_the_shortest_round_trip_says_how_far_the_servers_clock_is_ahead() -> None:
    clock = ServerClock("ping")
    for nonce, sent_at, answered_at, ahead_s in (("a", 1.0, 1.4, 7.1), ("b", 2.0, 2.1, 7.0), ("c", 3.0, 3.9, 6.6)):
        clock.pinged(nonce, sent_at)
        assert clock.awaits(nonce)
        clock.ponged(pong(nonce, 1.7e9 + (sent_at + answered_at) / 2 + ahead_s), answered_at, 1.7e9)
        assert not clock.awaits(nonce)

    assert clock.offset_s == pytest.approx(7.0, abs=1e-6)


def test_what_is_no_answer_to_a_ping_says_nothing() -> None:
    clock = ServerClock("ping")
    clock.pinged("a", 1.0)
    clock.ponged(pong("b", 1.7e9), 1.1, 1.7e9)
    clock.end_of_trace()
    clock.ponged(pong("a", 1.7e9), 1.1, 1.7e9)
    assert clock.offset_s is None

    clock.pinged("c", 2.0)
    clock.ponged(Control("pong", {"nonce": "c"}), 2.1, 1.7e9)
    assert clock.offset_s is None


@pytest.mark.parametrize(("clock", "offset_s"), [("same-host", 0.0), ("unknown", None)])
def test_without_pings_it_is_known_at_once_or_never(clock: str, offset_s: float | None) -> None:
    known = ServerClock(clock)
    known.pinged("a", 1.0)
    known.ponged(pong("a", 1.7e9), 1.1, 1.7e9)
    assert known.offset_s == offset_s
