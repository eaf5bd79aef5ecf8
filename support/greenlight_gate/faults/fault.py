"""What every fault is: something that happens to the bytes of one direction, or to a line as a whole."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from greenlight_gate.faults.link import Link
    from greenlight_gate.faults.pipe import Pipe
    from greenlight_gate.faults.proxy import FaultProxy


class Direction(StrEnum):
    """Which way a fault acts: up to the target, down to the person, or both."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"

    def covers(self, other: "Direction") -> bool:
        """Whether what acts this way acts on bytes that go the other."""
        return self in (Direction.BOTH, other)


class End(StrEnum):
    """How a side ended: it has nothing more to say (FIN), or hung up (RST)."""

    FIN = "fin"
    RST = "rst"


class Chunk(NamedTuple):
    """Bytes as they were read from one side at `at` (monotonic seconds), or the end of that side."""

    data: bytes
    at: float
    end: End | None = None


Onward = Callable[[Chunk], Awaitable[None]]


class Fault:
    """One fault, off until `switch_on`. It belongs to a proxy (all of its lines) or to one line.

    A fault overrides `carry` to act on bytes, and `begin`, `end` and `opened` to act on lines.
    """

    def __init__(self, direction: Direction = Direction.BOTH) -> None:
        self.direction = direction
        self.on = False
        self.off = asyncio.Event()
        self.place: FaultProxy | Link | None = None

    async def switch_on(self) -> None:
        """From now on it happens."""
        if not self.on:
            self.on = True
            self.off.clear()
            self._told()
            await self.begin()

    async def switch_off(self) -> None:
        """From now on it does not, and what was held back goes on."""
        if self.on:
            self.on = False
            self.off.set()
            self._told()
            await self.end()

    @property
    def links(self) -> "list[Link]":
        """The lines that it acts on."""
        return list(self.place.links) if self.place is not None else []

    async def begin(self) -> None:
        """It has just been switched on."""

    async def end(self) -> None:
        """It has just been switched off."""

    def opened(self, link: "Link") -> None:
        """A line came about while it is on."""

    async def carry(self, chunk: Chunk, pipe: "Pipe", onward: Onward) -> None:
        """Passes a chunk on: now, later, in parts, or never."""
        del pipe
        await onward(chunk)

    def _told(self) -> None:
        if self.place is not None:
            self.place.refresh()


def bounded(name: str, value: float, least: float, most: float) -> float:
    """The value, which has to lie within its bounds. Raises ValueError that names it and them."""
    if not least <= value <= most:
        raise ValueError(f"{name}: expected {least:g} to {most:g}, got {value:g}")
    return value
