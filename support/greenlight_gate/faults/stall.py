"""Stall: the connection stays open and silent; nothing is passed on, ends included."""

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.link import Chunk, Onward, Pipe


class Stall(Fault):
    """Holds everything back, in order, until it is switched off, like lost packets that are sent again later."""

    async def carry(self, chunk: Chunk, pipe: Pipe, onward: Onward) -> None:
        """Passes a chunk on once the stall is over."""
        await self.off.wait()
        await onward(chunk)
