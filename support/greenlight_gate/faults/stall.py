"""Stall: a black hole. The line is open and silent, and neither side is told of anything, ends included."""

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.link import Chunk, Onward, Pipe


class Stall(Fault):
    """Holds everything, in order, until it is switched off: as packets that are lost and sent again later."""

    async def carry(self, chunk: Chunk, pipe: Pipe, onward: Onward) -> None:
        """Passes it on once the hole has gone."""
        await self.off.wait()
        await onward(chunk)
