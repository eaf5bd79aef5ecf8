"""How busy the generator is can be told only of a time in which its loop could have woken up."""

import asyncio
import time

from greenlight_gate.load.generator_health import GeneratorHealth
from greenlight_gate.measure.load_result import MOST_BUSY


async def begin_and_end(late_s: float = 0.0) -> GeneratorHealth:
    """`late_s`: how late its loop wakes up once."""
    health = GeneratorHealth()
    health.begin()
    if late_s:
        health._due = time.monotonic() - late_s
        health._woke()
    health.end()
    return health


def test_a_load_that_ends_at_once_was_not_busy() -> None:
    # Where nobody is let in, nothing is asked: the few microseconds between are all work, and no reason for doubt.
    assert asyncio.run(begin_and_end()).busy <= MOST_BUSY


def test_a_loop_that_wakes_up_late_is_measured() -> None:
    health = asyncio.run(begin_and_end(late_s=10.0))

    assert health.hinders
    assert health.lag_ms_p99 >= 9_000


def test_it_hinders_if_more_than_one_wake_up_in_a_hundred_was_late() -> None:
    health = GeneratorHealth()
    health._woken, health._late = 100, 1
    assert not health.hinders

    health._late = 2
    assert health.hinders


def test_it_hinders_if_its_thread_was_busy_for_most_of_the_time() -> None:
    health = GeneratorHealth()
    health._began = (time.monotonic() - 1_000_000.0, time.thread_time(), 0.0)
    assert not health.hinders

    health._began = (time.monotonic() - 1.0, time.thread_time() - 1_000_000.0, 0.0)
    assert health.hinders


def test_the_peak_of_memory_is_kept() -> None:
    health = GeneratorHealth()
    health.peak_rss_mb = 1e9

    health.look()

    assert health.peak_rss_mb == 1e9
