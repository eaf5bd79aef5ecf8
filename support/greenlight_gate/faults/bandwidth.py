"""Bandwidth: at most so many bytes a second."""

import asyncio

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.link import Chunk, Direction, Onward, Pipe, bounded

_PARTS_A_SECOND = 50


class Bandwidth(Fault):
    """Lets `bytes_per_s` through (1 to 10^10), in parts of a fiftieth of a second."""

    def __init__(self, bytes_per_s: float, direction: Direction = Direction.BOTH) -> None:
        super().__init__(direction)
        self.bytes_per_s = bounded("bytes_per_s", bytes_per_s, 1, 1e10)

    async def carry(self, chunk: Chunk, pipe: Pipe, onward: Onward) -> None:
        """Passes a chunk on part by part, at the limited rate."""
        size = max(1, int(self.bytes_per_s / _PARTS_A_SECOND))
        for start in range(0, len(chunk.data), size):
            part = chunk.data[start : start + size]
            await asyncio.sleep(len(part) / self.bytes_per_s)
            await onward(chunk._replace(data=part, end=None))
        if chunk.end is not None:
            await onward(chunk._replace(data=b""))
