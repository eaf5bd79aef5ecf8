"""A target, the proxy before it and one user, all over real sockets on loopback."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from greenlight_gate.faults.link import Link
from greenlight_gate.faults.proxy import FaultProxy

DEADLINE_S = 30.0


class Wire:
    """One side's connection: reads with a deadline, and says how it ended."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self, size: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(size), DEADLINE_S)

    async def hear_some(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(65_536), DEADLINE_S)

    async def rest(self) -> tuple[bytes, str]:
        """All that still comes, and whether a FIN or an RST ended it."""
        received = b""
        try:
            while chunk := await self.hear_some():
                received += chunk
        except ConnectionError:
            return received, "rst"
        return received, "fin"

    async def is_silent(self, for_s: float = 0.1) -> bool:
        try:
            await asyncio.wait_for(self.reader.read(1), for_s)
        except TimeoutError:
            return True
        return False


class Target:
    """A TCP server that hands out its side of each connection."""

    def __init__(self) -> None:
        self.newcomers: asyncio.Queue[Wire] = asyncio.Queue()
        self.wires: list[Wire] = []
        self.port = 0

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        self.wires.append(wire)
        await self.newcomers.put(wire)

    async def next(self) -> Wire:
        return await asyncio.wait_for(self.newcomers.get(), DEADLINE_S)


@contextlib.asynccontextmanager
async def target(host: str = "127.0.0.1") -> AsyncIterator[Target]:
    server = Target()
    listener = await asyncio.start_server(server._met, host, 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for wire in server.wires:
            wire.writer.transport.abort()
        await until(lambda: all(wire.writer.transport.is_closing() for wire in server.wires))


async def connect(proxy: FaultProxy) -> Wire:
    return Wire(*await asyncio.wait_for(asyncio.open_connection(*proxy.address), DEADLINE_S))


class Line:
    """A user and a target with a proxy in between."""

    def __init__(self, proxy: FaultProxy, user: Wire, there: Wire, server: Target) -> None:
        self.proxy = proxy
        self.target = server
        self.user = user
        self.there = there

    @property
    def link(self) -> Link:
        assert self.proxy.last is not None
        return self.proxy.last


def on_a_line(play: Callable[[Line], Awaitable[None]], **options: Any) -> None:
    """Plays a scene on a line through a new proxy; nothing of it is left at the end."""

    async def scene() -> None:
        async with target() as server, FaultProxy("127.0.0.1", server.port, **options) as proxy:
            user = await connect(proxy)
            try:
                await play(Line(proxy, user, await server.next(), server))
            finally:
                user.writer.transport.abort()
        assert not proxy.links

    run(scene())


def run(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, 90))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 -- a condition of any kind, with a deadline
            await asyncio.sleep(0.002)
