"""Latency: every byte is delayed, by a varying time."""

import asyncio
import random
import time

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.link import Chunk, Direction, Onward, Pipe, bounded

_LONGEST_S = 60.0


class Latency(Fault):
    """Delays by `delay_s`, give or take at most `jitter_s` (seconds, 60 at most); the order is kept."""

    def __init__(
        self, delay_s: float, jitter_s: float = 0.0, direction: Direction = Direction.BOTH, seed: int | None = None
    ) -> None:
        super().__init__(direction)
        self.delay_s = bounded("delay_s", delay_s, 0, _LONGEST_S)
        self.jitter_s = bounded("jitter_s", jitter_s, 0, delay_s)
        self._random = random.Random(seed)  # noqa: S311 -- not for secrets

    async def carry(self, chunk: Chunk, pipe: Pipe, onward: Onward) -> None:
        """Passes a chunk on once its delay since it was read has passed."""
        due = chunk.at + self.delay_s + self._random.uniform(-self.jitter_s, self.jitter_s)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await onward(chunk)
