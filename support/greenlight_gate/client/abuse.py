"""Attempts to exhaust a backend without a token; bounded in number and time."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from greenlight_gate.targets.model import Target

_CONNECT_S = 10.0
_AT_ONCE = 100


@contextlib.asynccontextmanager
async def half_open_handshakes(target: Target, count: int) -> AsyncIterator[int]:
    """Holds `count` connections whose first request is never finished; yields how many could be opened."""
    parts, (host, port) = urlsplit(target.url), target.endpoint
    upgrade = "" if target.by_http else "Upgrade: websocket\r\n"
    begun = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n{upgrade}".encode()
    gate = asyncio.Semaphore(_AT_ONCE)
    # Leaves descriptors for the connections of the users.
    count = min(count, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)

    async def begin() -> asyncio.StreamWriter | None:
        async with gate:
            try:
                async with asyncio.timeout(_CONNECT_S):
                    _, writer = await asyncio.open_connection(host, port)
            except OSError:
                return None  # refused, or no descriptor left: fewer will do
            writer.write(begun)
            return writer

    writers = [writer for writer in await asyncio.gather(*(begin() for _ in range(count))) if writer is not None]
    try:
        yield len(writers)
    finally:
        for writer in writers:
            writer.transport.abort()
