"""One line through the proxy: a person's side, a target's side, and a pipe each way between them."""

import asyncio
import contextlib
import socket
import struct
import sys
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from greenlight_gate.faults.fault import Direction, End, Fault, bounded
from greenlight_gate.faults.pipe import Pipe

if TYPE_CHECKING:
    from greenlight_gate.faults.proxy import FaultProxy

_LINGER_NOT = struct.pack("ii", 1, 0)


class Side(asyncio.Protocol):
    """One of the two connections of a line."""

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
        """The connection stands."""
        self.transport = transport  # type: ignore[assignment] # uvloop's are of no class of asyncio's
        # Whatever the kernel does not take at once makes the other side wait: nothing piles up here.
        self.transport.set_write_buffer_limits(0)  # type: ignore[union-attr]
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self.out.feed(data)

    def eof_received(self) -> bool:
        """A FIN came; the other direction may live on."""
        self.finished = True
        self.out.feed_end(End.FIN)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has gone, by our doing or theirs."""
        self.gone.set()
        self.writable.set()
        self.out.feed_end(End.RST if exc is not None else End.FIN)
        self.link.side_lost()

    def pause_writing(self) -> None:
        """Whoever is here reads too slowly: whoever sends has to wait."""
        self.writable.clear()
        self.link.other(self).pause()

    def resume_writing(self) -> None:
        """It goes on."""
        self.writable.set()
        self.link.other(self).resume()

    def write(self, data: bytes) -> None:
        """Sends, or drops what is meant for nobody."""
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


class Link:
    """One person's connection and the one to the target that belongs to it.

    `number` counts from 1 in the order of arrival. `failure` says why there is no connection to the target, "" if
    there is one. `last_at` is when bytes were read last (monotonic seconds).
    """

    def __init__(self, proxy: "FaultProxy", number: int) -> None:
        self.proxy = proxy
        self.number = number
        self.failure = ""
        self.opened_at = self.last_at = time.monotonic()
        self.person = Side(self)
        self.target = Side(self)
        self.up = self.person.out = Pipe(self, Direction.UP, self.person, self.target)
        self.down = self.target.out = Pipe(self, Direction.DOWN, self.target, self.person)
        self.own: tuple[Fault, ...] = ()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def links(self) -> "list[Link]":
        """Itself: what a fault of this line acts on."""
        return [self]

    @property
    def ended(self) -> bool:
        """Whether both sides have gone."""
        return self.person.gone.is_set() and self.target.gone.is_set()

    async def add(self, fault: Fault) -> Fault:
        """Lets a fault happen to this line alone, at once."""
        fault.place = self
        self.own = (*self.own, fault)
        self.refresh()
        await fault.switch_on()
        return fault

    def narrow(self, size_bytes: int) -> None:
        """Takes so little at a time from the target, as a reader with a tiny window does. 1,024 to 1,048,576."""
        self.down.most_held_bytes = size = int(bounded("size_bytes", size_bytes, 1_024, 1_048_576))
        if self.target.transport is not None:
            taking = self.target.transport.get_extra_info("socket")
            taking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            if sys.platform == "linux":
                # A window that was tiny once would stay so for seconds, however much room there is again (tcp(7)).
                taking.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, size)

    def refresh(self) -> None:
        """Faults were added or switched."""
        for pipe in (self.up, self.down):
            pipe.refresh((*self.own, *self.proxy.faults))

    def other(self, side: Side) -> Side:
        """The side at the other end."""
        return self.target if side is self.person else self.person

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Does something for as long as the line lives."""
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
            # Both have said their last word; of the two closes neither is noticed by the kernel of the other.
            self.close()
        else:
            with contextlib.suppress(OSError, RuntimeError):
                sink.transport.write_eof()

    def close(self) -> None:
        """FIN to both sides, after what they were sent; what is held back is lost."""
        self._forget()
        for side in (self.person, self.target):
            if side.transport is not None:
                side.transport.close()

    def reset(self) -> None:
        """RST to both sides, at once."""
        self._forget()
        for side in (self.person, self.target):
            _hang_up(side)

    def side_lost(self) -> None:
        """One side has gone; once both have, nothing is left of the line."""
        if self.ended or (self.target.transport is None and self.person.gone.is_set()):
            self._forget()
            for task in self._tasks:
                task.cancel()
            self.proxy.forget(self)

    def _forget(self) -> None:
        self.up.drop()
        self.down.drop()


def _hang_up(side: Side) -> None:
    if side.transport is None or side.gone.is_set():
        return
    with contextlib.suppress(OSError):
        side.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    side.transport.abort()
