"""Cut after N bytes: exactly so many go through, at any place of a frame, and then the connection is cut."""

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.link import Chunk, Direction, End, Link, Onward, Pipe, bounded


class CutAfter(Fault):
    """Lets `size_bytes` (at most 2^40) of its direction through on each connection, and then ends it."""

    def __init__(self, size_bytes: int, direction: Direction = Direction.DOWN, how: End = End.RST) -> None:
        super().__init__(direction)
        self.size_bytes = int(bounded("size_bytes", size_bytes, 0, 1 << 40))
        self.how = how
        self._passed: dict[Link, int] = {}

    async def carry(self, chunk: Chunk, pipe: Pipe, onward: Onward) -> None:
        """Passes on as many bytes as are left of `size_bytes`."""
        link = pipe.link
        left = self.size_bytes - self._passed.get(link, 0)
        if len(chunk.data) < left or (chunk.end is not None and len(chunk.data) <= left):
            self._passed[link] = self._passed.get(link, 0) + len(chunk.data)
            await onward(chunk)
            return
        self._passed.pop(link, None)
        await onward(chunk._replace(data=chunk.data[:left], end=None))
        await pipe.flushed()
        link.reset() if self.how is End.RST else link.close()
