"""Resend: a reverse proxy loses the connection on which an answer has begun, and sends the POST again on another."""

import asyncio
import contextlib
from dataclasses import dataclass, field

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.framing import Framer
from greenlight_gate.faults.link import Chunk, Direction, Link, Onward, Pipe, bounded

_BEGINS_S = 10.0
_POST = b"POST "


@dataclass
class _Requests:
    """The requests that come on one connection. `holds`: the one that is coming is to be sent again."""

    framer: Framer = field(default_factory=lambda: Framer(requests=True))
    holds: bool = False
    held: bytearray = field(default_factory=bytearray)


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
        self._requests: dict[Link, _Requests] = {}

    async def carry(self, chunk: Chunk, pipe: Pipe, onward: Onward) -> None:
        """Passes a POST on once it is whole and was sent before; everything else at once."""
        requests = self._requests.setdefault(pipe.link, _Requests())
        for piece in requests.framer.cut(chunk.data):
            if piece.is_head:
                requests.holds = self.left > 0 and piece.data.startswith(_POST)
            if not requests.holds:
                await onward(chunk._replace(data=piece.data, end=None))
                continue
            requests.held += piece.data
            if piece.ends_message:
                self.left -= 1
                await self._lose(bytes(requests.held))
                await onward(chunk._replace(data=bytes(requests.held), end=None))
                requests.held.clear()
        if chunk.end is not None:
            del self._requests[pipe.link]
            await onward(chunk._replace(data=bytes(requests.held) + requests.framer.rest()))

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
