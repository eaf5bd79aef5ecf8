"""One direction of one line: bytes in from one side, through the faults that are on, out to the other."""

import asyncio
import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING

from greenlight_gate.faults.fault import Chunk, Direction, End, Fault

if TYPE_CHECKING:
    from greenlight_gate.faults.link import Link, Side

_MOST_HELD_BYTES = 262_144


class Pipe:
    """Carries what `source` says to `sink`. While no fault is on, what is read is written at once.

    `most_held_bytes`: what is held back at most; after that the kernel holds back whoever sends.
    """

    def __init__(self, link: "Link", direction: Direction, source: "Side", sink: "Side") -> None:
        self.link = link
        self.direction = direction
        self.source = source
        self.sink = sink
        self.faults: tuple[Fault, ...] = ()
        self.passed_bytes = 0
        self.most_held_bytes = _MOST_HELD_BYTES
        self._plain = True
        self._held: deque[Chunk] = deque()
        self._held_bytes = 0
        self._work: asyncio.Task[None] | None = None

    def refresh(self, faults: tuple[Fault, ...]) -> None:
        """Takes note of which faults there are, and whether any is on."""
        self.faults = tuple(fault for fault in faults if fault.direction.covers(self.direction))
        self._plain = not any(fault.on for fault in self.faults)

    def feed(self, data: bytes) -> None:
        """Takes what was read."""
        self.link.last_at = now = time.monotonic()
        if self._plain and self._work is None:
            self.passed_bytes += len(data)
            self.sink.write(data)
        else:
            self._hold(Chunk(data, now))

    def feed_end(self, end: End) -> None:
        """Takes note that the source has ended. An end is held back like bytes, and comes after them."""
        if self._plain and self._work is None:
            self.link.pass_end(self.sink, end)
        else:
            self._hold(Chunk(b"", time.monotonic(), end))

    def drop(self) -> None:
        """Forgets what is held back."""
        self._held.clear()
        if self._work is not None and self._work is not asyncio.current_task():
            self._work.cancel()

    async def flushed(self) -> None:
        """Returns once what was passed on has been given to the kernel."""
        await self.sink.drained()

    def _hold(self, chunk: Chunk) -> None:
        self._held.append(chunk)
        self._held_bytes += len(chunk.data)
        if self._held_bytes > self.most_held_bytes:
            self.source.pause()
        if self._work is None:
            self._work = self.link.spawn(self._carry_all())

    async def _carry_all(self) -> None:
        try:
            while self._held:
                chunk = self._held.popleft()
                with contextlib.suppress(ConnectionError):  # whoever it was meant for has gone
                    await self._carry(chunk, 0)
                self._held_bytes -= len(chunk.data)
                if self._held_bytes <= self.most_held_bytes // 2:
                    self.source.resume()
        finally:
            if self._work is asyncio.current_task():
                self._work = None

    async def _carry(self, chunk: Chunk, first: int) -> None:
        for index, fault in enumerate(self.faults[first:], first + 1):
            if fault.on:
                after = index

                async def onward(passed: Chunk, after: int = after) -> None:
                    await self._carry(passed, after)

                await fault.carry(chunk, self, onward)
                return
        if chunk.data:
            self.passed_bytes += len(chunk.data)
            self.sink.write(chunk.data)
            await self.sink.writable.wait()
        if chunk.end is not None:
            self.link.pass_end(self.sink, chunk.end)
