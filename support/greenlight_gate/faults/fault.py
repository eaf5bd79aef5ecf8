"""The base of every fault: it acts on the bytes of one direction, or on a connection as a whole."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from greenlight_gate.faults.link import Chunk, Direction, Link, Onward, Pipe


class FaultScope(Protocol):
    """What a fault acts on: a proxy, with all of its connections, or one connection."""

    @property
    def links(self) -> Iterable[Link]:
        """The connections."""

    def refresh(self) -> None:
        """Faults were added or switched."""


class Fault:
    """One fault, off until `switch_on`. It belongs to a proxy (all of its connections) or to one connection.

    A fault overrides `carry` to act on bytes, and `begin`, `end` and `opened` to act on connections.
    """

    def __init__(self, direction: Direction = Direction.BOTH) -> None:
        self.direction = direction
        self.on = False
        self.off = asyncio.Event()
        self.place: FaultScope | None = None

    async def switch_on(self) -> None:
        """Switches the fault on."""
        if not self.on:
            self.on = True
            self.off.clear()
            self._notify()
            await self.begin()

    async def switch_off(self) -> None:
        """Switches the fault off; what was held back is sent."""
        if self.on:
            self.on = False
            self.off.set()
            self._notify()
            await self.end()

    def acts_on(self, place: FaultScope) -> None:
        """Attaches the fault to a proxy or connection."""
        self.place = place

    @property
    def links(self) -> list[Link]:
        """The connections that it acts on."""
        return list(self.place.links) if self.place is not None else []

    async def begin(self) -> None:
        """It has just been switched on."""

    async def end(self) -> None:
        """It has just been switched off."""

    def opened(self, link: Link) -> None:
        """A connection was opened while it is on."""

    async def carry(self, chunk: Chunk, pipe: Pipe, onward: Onward) -> None:
        """Passes a chunk on: now, later, in parts, or never."""
        del pipe
        await onward(chunk)

    def _notify(self) -> None:
        if self.place is not None:
            self.place.refresh()
