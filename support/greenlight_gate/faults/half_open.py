"""Half-open: one side has gone, and the other does not know (RFC 9293 section 3.5.1)."""

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.link import Chunk, Direction, Onward, Pipe


class HalfOpen(Fault):
    """Bytes in the direction `dead` are accepted and lost; those in the other arrive. No end is passed on in either."""

    def __init__(self, dead: Direction = Direction.DOWN) -> None:
        super().__init__(Direction.BOTH)
        self.dead = dead

    async def carry(self, chunk: Chunk, pipe: Pipe, onward: Onward) -> None:
        """Drops the bytes of the direction `dead`, and every end."""
        if chunk.data and not self.dead.covers(pipe.direction):
            await onward(chunk._replace(end=None))
