"""Half-open: one side has gone, and the other does not know (RFC 9293 section 3.5.1)."""

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.link import Chunk, Direction, Onward, Pipe


class HalfOpen(Fault):
    """What goes the dead way is taken and lost; what goes the other way arrives. No end is passed on either way."""

    def __init__(self, dead: Direction = Direction.DOWN) -> None:
        super().__init__(Direction.BOTH)
        self.dead = dead

    async def carry(self, chunk: Chunk, pipe: Pipe, onward: Onward) -> None:
        """Passes on what goes the living way."""
        if chunk.data and not self.dead.covers(pipe.direction):
            await onward(chunk._replace(end=None))
