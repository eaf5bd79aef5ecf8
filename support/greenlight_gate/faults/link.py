"""One connection through the proxy: the user's side, the target's side, and a pipe each way between them.

Bytes are read on one side, go through the active faults, and are written to the other.
"""

import asyncio
import contextlib
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeVar, cast

_LINGER_NOT = struct.pack("ii", 1, 0)
_MOST_HELD_BYTES = 262_144


class Direction(StrEnum):
    """Which way a fault acts: up to the target, down to the user, or both."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"

    def covers(self, other: "Direction") -> bool:
        """Whether a fault of this direction acts on bytes of the other one given."""
        return self in (Direction.BOTH, other)


class End(StrEnum):
    """How a side ended: nothing more is sent (FIN), or it was reset (RST)."""

    FIN = "fin"
    RST = "rst"


class Chunk(NamedTuple):
    """Bytes as they were read from one side at `at` (monotonic seconds), or the end of that side."""

    data: bytes
    at: float
    end: End | None = None


Onward = Callable[[Chunk], Awaitable[None]]


class LinkFault(Protocol):
    """What a link needs of a fault (`faults.fault.Fault`): how it acts on bytes while it is on."""

    direction: Direction
    on: bool

    def acts_on(self, place: "Link") -> None:
        """Attaches the fault to this link."""

    async def switch_on(self) -> None:
        """From now on it happens."""

    async def carry(self, chunk: Chunk, pipe: "Pipe", onward: Onward) -> None:
        """Passes a chunk on: now, later, in parts, or never."""


F = TypeVar("F", bound=LinkFault)


class LinkOwner(Protocol):
    """What a link needs of its proxy: the faults of all links, and to be removed at its end."""

    @property
    def faults(self) -> Sequence[LinkFault]:
        """The faults of all links."""

    def forget(self, link: "Link") -> None:
        """A connection has ended."""


class Side(asyncio.Protocol):
    """One of the two TCP connections of a link."""

    def __init__(self, link: "Link") -> None:
        self.link = link
        self.out: Pipe
        self.transport: asyncio.Transport | None = None
        self.writable = asyncio.Event()
        self.writable.set()
        self.gone = asyncio.Event()
        self.finished = False
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's classes are not asyncio's
        # What the kernel does not accept at once makes the other side wait: nothing is buffered here.
        self.transport.set_write_buffer_limits(0)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self.out.feed(data)

    def eof_received(self) -> bool:
        """A FIN came; the other direction may stay open."""
        self.finished = True
        self.out.feed_end(End.FIN)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended, on either side."""
        self.gone.set()
        self.writable.set()
        self.out.feed_end(End.RST if exc is not None else End.FIN)
        self.link.side_lost()

    def pause_writing(self) -> None:
        """The peer of this side reads too slowly: the other side has to wait."""
        self.writable.clear()
        self.link.other(self).pause()

    def resume_writing(self) -> None:
        """It goes on."""
        self.writable.set()
        self.link.other(self).resume()

    def write(self, data: bytes) -> None:
        """Sends, or drops the bytes if the connection is gone."""
        if self.transport is not None and not self.gone.is_set():
            self.transport.write(data)

    async def drained(self) -> None:
        """Returns once all that was written has been handed to the kernel, or cannot be any more."""
        await self.writable.wait()

    def pause(self) -> None:
        """Reads no more for now."""
        if self.transport is not None and not self._paused and not self.gone.is_set():
            self._paused = True
            with contextlib.suppress(RuntimeError):
                self.transport.pause_reading()

    def resume(self) -> None:
        """Reads on."""
        if self.transport is not None and self._paused and not self.gone.is_set():
            self._paused = False
            with contextlib.suppress(RuntimeError):
                self.transport.resume_reading()


class Pipe:
    """Carries bytes from `source` to `sink`. While no fault is on, they are written at once.

    `most_held_bytes`: the most that is held back; beyond it, the sender is slowed down by TCP.
    """

    def __init__(self, link: "Link", direction: Direction, source: "Side", sink: "Side") -> None:
        self.link = link
        self.direction = direction
        self.source = source
        self.sink = sink
        self.faults: tuple[LinkFault, ...] = ()
        self.most_held_bytes = _MOST_HELD_BYTES
        self._plain = True
        self._held: deque[Chunk] = deque()
        self._held_bytes = 0
        self._work: asyncio.Task[None] | None = None

    def refresh(self, faults: tuple[LinkFault, ...]) -> None:
        """Updates the list of faults, and whether any is on."""
        self.faults = tuple(fault for fault in faults if fault.direction.covers(self.direction))
        self._plain = not any(fault.on for fault in self.faults)

    def feed(self, data: bytes) -> None:
        """Handles bytes that were read."""
        self.link.last_at = now = time.monotonic()
        if self._plain and self._work is None:
            self.sink.write(data)
        else:
            self._hold(Chunk(data, now))

    def feed_end(self, end: End) -> None:
        """The source has ended. An end is held back like bytes, and comes after them."""
        if self._plain and self._work is None:
            self.link.pass_end(self.sink, end)
        else:
            self._hold(Chunk(b"", time.monotonic(), end))

    def drop(self) -> None:
        """Discards what is held back."""
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
                with contextlib.suppress(ConnectionError):  # the receiver is gone
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
            self.sink.write(chunk.data)
            await self.sink.writable.wait()
        if chunk.end is not None:
            self.link.pass_end(self.sink, chunk.end)


class Link:
    """One user's connection and the one to the target that belongs to it.

    `number` counts from 1 in the order of arrival. `failure` says why there is no connection to the target, "" if
    there is one. `last_at` is when bytes were read last (monotonic seconds).
    """

    def __init__(self, owner: LinkOwner, number: int) -> None:
        self._owner = owner
        self.number = number
        self.failure = ""
        self.opened_at = self.last_at = time.monotonic()
        self.user = Side(self)
        self.target = Side(self)
        self.up = self.user.out = Pipe(self, Direction.UP, self.user, self.target)
        self.down = self.target.out = Pipe(self, Direction.DOWN, self.target, self.user)
        self.own: tuple[LinkFault, ...] = ()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def links(self) -> "list[Link]":
        """Itself: a fault of this link acts on it alone."""
        return [self]

    @property
    def ended(self) -> bool:
        """Whether both sides have gone."""
        return self.user.gone.is_set() and self.target.gone.is_set()

    async def add(self, fault: F) -> F:
        """Adds a fault to this link alone and switches it on."""
        fault.acts_on(self)
        self.own = (*self.own, fault)
        self.refresh()
        await fault.switch_on()
        return fault

    def narrow(self, size_bytes: int) -> None:
        """Limits the receive buffer towards the target, as a slow reader does. 1,024 to 1,048,576 bytes."""
        self.down.most_held_bytes = size = int(bounded("size_bytes", size_bytes, 1_024, 1_048_576))
        if self.target.transport is not None:
            taking = self.target.transport.get_extra_info("socket")
            taking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            if sys.platform == "linux":
                # A window that was small once would stay small for seconds, even with free buffers (tcp(7)).
                taking.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, size)

    def refresh(self) -> None:
        """Faults were added or switched."""
        for pipe in (self.up, self.down):
            pipe.refresh((*self.own, *self._owner.faults))

    def other(self, side: Side) -> Side:
        """The side at the other end."""
        return self.target if side is self.user else self.user

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Runs a coroutine until the link ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def pass_end(self, sink: Side, end: End) -> None:
        """Tells one side that the other has ended."""
        if sink.transport is None or sink.gone.is_set():
            return
        if end is End.RST:
            _hang_up(sink)
        elif self.other(sink).gone.is_set():
            sink.transport.close()
        elif sink.finished:
            # Both sides have sent their FIN; the close of one is not noticed by the other.
            self.close()
        else:
            with contextlib.suppress(OSError, RuntimeError):
                sink.transport.write_eof()

    def close(self) -> None:
        """Sends FIN to both sides, after what was written to them; what is held back is lost."""
        self._forget()
        for side in (self.user, self.target):
            if side.transport is not None:
                side.transport.close()

    def reset(self) -> None:
        """Sends RST to both sides at once."""
        self._forget()
        for side in (self.user, self.target):
            _hang_up(side)

    def side_lost(self) -> None:
        """One side is gone; once both are, the link ends."""
        if self.ended or (self.target.transport is None and self.user.gone.is_set()):
            self._forget()
            for task in self._tasks:
                task.cancel()
            self._owner.forget(self)

    def _forget(self) -> None:
        self.up.drop()
        self.down.drop()


def _hang_up(side: Side) -> None:
    if side.transport is None or side.gone.is_set():
        return
    # A socket that is closed already, and not yet reported as gone, has a negative descriptor for uvloop.
    with contextlib.suppress(OSError, ValueError):
        side.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    side.transport.abort()


def bounded(name: str, value: float, least: float, most: float) -> float:
    """The value, which has to lie within its bounds. Raises ValueError that names it and them."""
    if not least <= value <= most:
        raise ValueError(f"{name}: expected {least:g} to {most:g}, got {value:g}")
    return value
