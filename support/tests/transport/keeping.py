"""A receiver that keeps all that a connection hands over, and a scene in which it gets it from a hostile server."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from greenlight_gate.transport.http_streams import HttpStreams
from greenlight_gate.transport.interface import Accepted, ConnectionLimits, Ending, HttpAnswer
from greenlight_gate.transport.upgrade import Upgrade
from greenlight_gate.transport.websocket import WebSocket

from support.tests.hostile import conduct as does
from support.tests.hostile.server import CLOSE, Act, HostileServer, Wire, head_of

MOST = 1_048_576
DEADLINE_S = 30.0


class Kept:
    """A receiver that keeps all it is given, in order."""

    def __init__(self) -> None:
        self.all: list[tuple[str, Any]] = []
        self.stamps: list[float] = []
        self.reads = 0
        self.changed = asyncio.Event()
        self.connection: WebSocket

    def _keep(self, what: str, value: Any, at: float = 0.0) -> None:
        self.all.append((what, value))
        self.stamps.append(at)
        self.changed.set()

    def on_open(self, accepted: Accepted, at: float) -> None:
        self._keep("open", accepted, at)

    def on_texts(self, texts: list[bytes], at: float) -> None:
        for text in texts:
            self._keep("text", text, at)

    def on_binary(self, data: bytes, at: float) -> None:
        self._keep("binary", data, at)

    def on_other(self, kind: str, data: bytes, at: float) -> None:
        self._keep(kind, data, at)

    def on_read(self, at: float) -> None:
        self.reads += 1
        self.changed.set()

    def on_answer(self, answer: HttpAnswer, at: float) -> None:
        self._keep("answer", answer, at)

    def on_stream_end(self, label: str, at: float, reset: str = "") -> None:
        self._keep("reset" if reset else "stream end", (label, reset) if reset else label, at)

    def on_wait(self, at: float, *, over: bool) -> None:
        self._keep("wait", over, at)

    def on_close(self, ending: Ending, at: float) -> None:
        self._keep("close", ending, at)

    def on_gone(self) -> None:
        self._keep("gone", None)

    def on_writable(self, at: float) -> None:
        self._keep("writable", None)

    def of(self, *what: str) -> list[Any]:
        return [value for name, value in self.all if name in what]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


Part = Callable[[WebSocket, Kept], Awaitable[Any]]


def play(
    act: Act, part: Part, *, limits: ConnectionLimits | None = None, compress: bool = False, **opening: Any
) -> tuple[Kept, Any]:
    """Opens a connection to a server that does `act` after the upgrade request has come; returns what `part` does."""

    async def scene(url: str) -> tuple[Kept, Any]:
        kept = Kept()
        upgrade = Upgrade(url, headers={"X-Who": "Ada"}, subprotocols=["chat"], compress=compress)
        connection = kept.connection = WebSocket(kept, upgrade, max_message_bytes=MOST, limits=limits)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await connection.open(**opening)
                return kept, await part(connection, kept)
        finally:
            connection.abort()

    with HostileServer(act, does.health()) as server:
        return asyncio.run(scene(server.url))


TabPart = Callable[[HttpStreams, Kept], Awaitable[Any]]


def play_tab(
    act: Act, part: TabPart, *, context: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, **of_tab: Any
) -> Kept:
    """Opens a tab by HTTP at a server that does `act`, and does `part`. `context`: the TLS of the server, if any."""

    async def scene(url: str) -> Kept:
        kept = Kept()
        tab = HttpStreams(kept, url, **of_tab)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await tab.open(tls=tls)
                await part(tab, kept)
        finally:
            tab.abort()
            await tab.wait_gone(1.0)
        return kept

    with HostileServer(act, does.health(), context) as server:
        return asyncio.run(scene(f"http{'s' if context else ''}://127.0.0.1:{server.port}"))


async def end(_: WebSocket, kept: Kept) -> None:
    await kept.until(lambda: bool(kept.of("close")))


def after_upgrade(*acts: Act, extra: str = "") -> Act:
    async def act(wire: Wire) -> None:
        await wire.upgrade(extra)
        for each in acts:
            await each(wire)
        await does.forever(wire)

    return act


def raw(data: bytes) -> Act:
    return lambda wire: wire.raw(data)


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    return head_of(opcode, len(payload), fin=fin) + payload


NORMAL = frame(CLOSE, b"\x03\xe8")
