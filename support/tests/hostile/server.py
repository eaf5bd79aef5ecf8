"""A backend that does whatever a test wants, byte by byte: no WebSocket library keeps it from breaking the rules.

It runs on a thread of its own on a free port of the loopback, and ends with the `with` block.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_START_S = 10.0


class Wire:
    """The server's end of one TCP connection, before and after the upgrade."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.path = ""
        self.headers: dict[str, str] = {}

    @property
    def token(self) -> str:
        """The token that was shown as a bearer, or as a subprotocol of its own."""
        _, _, packed = self.headers.get("sec-websocket-protocol", "").partition("jwt.")
        if packed:
            return base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    async def read_request(self) -> None:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        self.path = head[0].split(" ")[1]
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}

    async def respond(self, status: str, body: bytes = b"", media: str = "text/html", extra: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        await self.raw(f"{head}{extra}\r\n".encode() + body)

    async def respond_json(self, status: str, value: object, extra: str = "") -> None:
        await self.respond(status, json.dumps(value).encode(), "application/json", extra)

    async def upgrade(self, extra: str = "") -> None:
        key = hashlib.sha1(self.headers["sec-websocket-key"].encode() + _GUID).digest()
        accept = base64.b64encode(key).decode()
        await self.raw(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n{extra}\r\n".encode()
        )

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def frame(self, opcode: int, payload: bytes, *, fin: bool = True) -> None:
        await self.raw(head_of(opcode, len(payload), fin=fin) + payload)

    async def say(self, value: object) -> None:
        """One text frame: a str or bytes as they are, anything else as JSON."""
        text = value if isinstance(value, str | bytes) else json.dumps(value)
        await self.frame(TEXT, text.encode() if isinstance(text, str) else text)

    async def close(self, code: int | None, reason: str = "") -> None:
        await self.frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason.encode())

    async def read_frame(self) -> tuple[int, bytes]:
        """The next frame of the client, whatever it is."""
        first, second = await self.reader.readexactly(2)
        opcode, size = first & 15, second & 127
        if size > 125:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
        mask = await self.reader.readexactly(4)
        masked = await self.reader.readexactly(size)
        return opcode, bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked))

    async def answer_pings(self, count: int) -> None:
        """Answers the next pings of the client, which has to send so many."""
        for _ in range(count):
            opcode, payload = await self.read_frame()
            assert opcode == PING
            await self.frame(PONG, payload)

    async def hear(self) -> dict[str, Any]:
        """The next JSON message of the client; pings are answered on the way. Raises EOFError at a close."""
        while True:
            opcode, payload = await self.read_frame()
            if opcode == CLOSE:
                with contextlib.suppress(OSError):
                    await self.frame(CLOSE, payload)
                raise EOFError
            if opcode == TEXT:
                received: dict[str, Any] = json.loads(payload)
                return received


def head_of(opcode: int, size: int, *, fin: bool = True) -> bytes:
    """The head of an unmasked frame."""
    first = (0x80 if fin else 0) | opcode
    if size < 126:
        return struct.pack("!BB", first, size)
    return struct.pack("!BBH", first, 126, size) if size < 65536 else struct.pack("!BBQ", first, 127, size)


Act = Callable[[Wire], Awaitable[None]]


class HostileServer:
    """Answers /health with `health`, and everything else with `door`. `tokens` are those that users showed."""

    def __init__(self, door: Act, health: Act, tls: ssl.SSLContext | None = None) -> None:
        self.door = door
        self.health = health
        self.tls = tls
        self.port = 0
        self.tokens: set[str] = set()
        self._visits: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._over: asyncio.Event
        self._thread = threading.Thread(target=self._run, name="hostile-server", daemon=True)

    @property
    def url(self) -> str:
        return f"{'wss' if self.tls else 'ws'}://127.0.0.1:{self.port}/ws"

    def __enter__(self) -> "HostileServer":
        self._thread.start()
        assert self._ready.wait(_START_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(_START_S)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        server = await asyncio.start_server(self._visit, "127.0.0.1", 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        visit = asyncio.current_task()
        assert visit is not None
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)
        try:
            await wire.read_request()
            if wire.token:
                self.tokens.add(wire.token)
            await (self.health if wire.path.startswith("/health") else self.door)(wire)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
