"""The gate: lets what the target sends through frame by frame, each when the session says so.

So a connection is cut at an exact event: the frames before it have arrived, and the others wait here.
"""

import asyncio

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.framing import Framer
from greenlight_gate.faults.link import Chunk, Direction, Onward, Pipe


class Gate(Fault):
    """Belongs to one connection, from its beginning on (see `FaultProxy`'s `each`). Open until `shut`.

    `arrived` is set while a frame waits; `release` lets it through, `release_half` only its first half.
    """

    def __init__(self) -> None:
        super().__init__(Direction.DOWN)
        self.arrived = asyncio.Event()
        self.passed = asyncio.Event()
        self._framer = Framer()
        self._may_pass = asyncio.Event()
        self._may_pass.set()
        self._is_shut = False
        self._half = False

    def shut(self) -> None:
        """From the next frame on, each waits to be released."""
        self._is_shut = True
        self._may_pass.clear()

    def open(self) -> None:
        """Lets everything through, now and later."""
        self._is_shut = False
        self._may_pass.set()

    async def release(self) -> None:
        """Lets the waiting frame, or the next one, through, and returns when it was sent."""
        self.passed.clear()
        self._may_pass.set()
        await self.passed.wait()

    async def release_half(self) -> None:
        """Lets the first half of the waiting frame through, and returns when it was sent; the rest never follows."""
        self._half = True
        await self.release()

    async def carry(self, chunk: Chunk, pipe: Pipe, onward: Onward) -> None:
        """Passes on frame by frame."""
        for piece in self._framer.cut(chunk.data):
            if piece.first and self._is_shut:
                self.arrived.set()
                await self._may_pass.wait()
                self.arrived.clear()
                if self._is_shut:
                    self._may_pass.clear()
            if self._half:
                await onward(chunk._replace(data=piece.data[: max(1, len(piece.data) // 2)], end=None))
                self.passed.set()
                await asyncio.Event().wait()
            await onward(chunk._replace(data=piece.data, end=None))
            if piece.last:
                self.passed.set()
        if chunk.end is not None:
            await onward(chunk._replace(data=b""))
