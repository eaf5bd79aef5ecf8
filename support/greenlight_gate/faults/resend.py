"""Resend: a reverse proxy loses the connection on which an answer has begun, and sends the POST again on another."""

import asyncio
import contextlib
import re

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.link import Chunk, Direction, Link, Onward, Pipe, bounded

_BEGINS_S = 10.0
_HEAD_END = b"\r\n\r\n"
_POST = b"POST "
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*(\d{1,12})[ \t]*\r\n")


class Resend(Fault):
    """Sends each of the next `times` POSTs (1 to 100) to the target twice; the user gets the answer to the second.

    The first goes over a connection to `address` (host, port) that is reset with the first byte of its answer.
    `sent_again` is set once that has happened. TLS cannot be looked into: it passes.
    """

    def __init__(self, address: tuple[str, int], times: int = 1) -> None:
        super().__init__(Direction.UP)
        self.address = address
        self.left = int(bounded("times", times, 1, 100))
        self.sent_again = asyncio.Event()
        self._held: dict[Link, bytes] = {}

    async def carry(self, chunk: Chunk, pipe: Pipe, onward: Onward) -> None:
        """Passes a POST on once it is whole and was sent before; everything else at once."""
        data = self._held.pop(pipe.link, b"") + chunk.data
        if self.left and data and chunk.end is None and (data.startswith(_POST) or _POST.startswith(data)):
            size = _size(data)
            if size is None or len(data) < size:
                self._held[pipe.link] = data
                return
            self.left -= 1
            await self._lose(data[:size])
        await onward(chunk._replace(data=data))

    async def _lose(self, request: bytes) -> None:
        """Sends the request, and loses the connection when the answer begins."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_BEGINS_S):
                reader, writer = await asyncio.open_connection(*self.address)
                try:
                    writer.write(request)
                    if await reader.read(1):
                        self.sent_again.set()
                finally:
                    writer.transport.abort()


def _size(data: bytes) -> int | None:
    """The length of the request that begins here; None as long as it is unknown."""
    end = data.find(_HEAD_END)
    if end < 0:
        return None
    length = _LENGTH.search(data, 0, end + 2)
    return end + len(_HEAD_END) + (int(length[1]) if length is not None else 0)
