"""How busy the generator is can be told only of a time in which its loop could have woken up."""

import asyncio

from greenlight_gate.load.generator_health import GeneratorHealth
from greenlight_gate.measure.load_result import MOST_BUSY


async def begin_and_end() -> GeneratorHealth:
    health = GeneratorHealth()
    health.begin()
    health.end()
    return health


def test_a_load_that_ends_at_once_was_not_busy() -> None:
    # Where nobody is let in, nothing is asked: the few microseconds between are all work, and no reason for doubt.
    assert asyncio.run(begin_and_end()).busy <= MOST_BUSY
