"""What a connection by HTTP writes to: the body of the answer to one request, with heartbeats."""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from starlette.types import Send

from greenlight_gate.backend.frames import Body, CloseFrame, Frame, Raw

# With so much unsent, a connection keeps what follows to itself, and counts it.
_MOST_QUEUED_BYTES = 262_144
_LONGEST_WAIT_S = 3600.0


def _whole(text: str) -> Sequence[str]:
    return (text,)


async def _unchanged(data: bytes) -> Sequence[bytes]:
    return (data,)


class StreamWriter:
    """What a connection writes to: a queue that `pump` sends from, and a comment every `heartbeat_s` (0: never).

    `error`: what is answered in place of a stream; `body`: what is sent of each part, and of b"" at the end.
    """

    def __init__(self, transport: asyncio.Transport, heartbeat_s: float) -> None:
        self.body: Callable[[bytes], Awaitable[Sequence[bytes]]] = _unchanged
        self.listener: object = None
        self.parts: Callable[[str], Sequence[str]] = _whole
        self.writable = asyncio.Event()
        self.writable.set()
        self.error: Body | None = None
        self._transport = transport
        self._heartbeat_s = heartbeat_s or math.inf
        self._beats = True
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._changed = asyncio.Event()

    def write_frame(self, frame: Frame) -> None:
        """Queue a frame; a close frame ends the stream."""
        if self._ended:
            return
        if isinstance(frame, CloseFrame):
            self.end()
            return
        if isinstance(frame, str):
            data = [part.encode() for part in self.parts(frame)]
        else:
            data = [frame.data if isinstance(frame, Raw) else frame]
        self._queue.extend(data)
        self._size += sum(map(len, data))
        if self._size > _MOST_QUEUED_BYTES:
            self.writable.clear()
        self._changed.set()

    def end(self) -> None:
        """End the stream after what was written before."""
        self._ended = True
        self._changed.set()

    def fail(self, code: int, reason: str = "") -> None:
        """End the stream: there are no close codes here."""
        del code, reason
        self.end()

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def hang_up(self) -> None:
        """Close the connection in the middle of the stream."""
        self._transport.close()

    def start_keepalive(self) -> None:
        """Send comments again while nothing else is sent."""
        self._beats = True

    def stop_keepalive(self) -> None:
        """Send no more comments."""
        self._beats = False

    async def pump(self, send: Send) -> None:
        """Send what is queued until the stream has ended."""
        beat_at = time.monotonic() + self._heartbeat_s
        while not (self._ended and not self._queue):
            left_s = beat_at - time.monotonic()
            if left_s <= 0:
                beat_at += self._heartbeat_s
                self._queue.extend([b": heartbeat\n\n"] if self._beats else [])
            elif self._queue:
                data = self._queue.popleft()
                self._size -= len(data)
                await self._send(send, data)
                if self._size <= _MOST_QUEUED_BYTES // 2:
                    self.writable.set()
            else:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left_s, _LONGEST_WAIT_S)):
                        await self._changed.wait()
        await self._send(send, b"")
        await send({"type": "http.response.body", "body": b""})

    async def _send(self, send: Send, data: bytes) -> None:
        for part in await self.body(data):
            if part:
                await send({"type": "http.response.body", "body": part, "more_body": True})
