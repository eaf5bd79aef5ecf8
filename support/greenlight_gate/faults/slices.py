"""Slices: what was written at once arrives in tiny segments."""

import asyncio

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.link import Chunk, Direction, Onward, Pipe, bounded


class Slices(Fault):
    """Cuts into segments of `size_bytes` (1 to 65,536), with a pause of `gap_s` (10 s at most) after each."""

    def __init__(self, size_bytes: int = 1, gap_s: float = 0.0, direction: Direction = Direction.BOTH) -> None:
        super().__init__(direction)
        self.size_bytes = int(bounded("size_bytes", size_bytes, 1, 65_536))
        self.gap_s = bounded("gap_s", gap_s, 0, 10)

    async def carry(self, chunk: Chunk, pipe: Pipe, onward: Onward) -> None:
        """Passes a chunk on slice by slice. The pause, even of 0 s, lets each be sent and read by itself."""
        for start in range(0, len(chunk.data), self.size_bytes):
            await onward(chunk._replace(data=chunk.data[start : start + self.size_bytes], end=None))
            await asyncio.sleep(self.gap_s)
        if chunk.end is not None:
            await onward(chunk._replace(data=b""))
