"""Buffering: a reverse proxy collects the body of an answer before it passes it on, as nginx does by default.

An answer whose head says `X-Accel-Buffering: no` is passed on as it comes, as are all bytes after an upgrade.
"""

import re
from dataclasses import dataclass, field

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.framing import Framer
from greenlight_gate.faults.link import Chunk, Direction, Link, Onward, Pipe, bounded

_PASSES = re.compile(rb"(?i)\AHTTP/\S+ 101\b|\r\nx-accel-buffering:[ \t]*no[ \t]*\r\n")


@dataclass
class _Answer:
    """The answer that comes on one connection. `passes`: it is not held."""

    framer: Framer = field(default_factory=Framer)
    passes: bool = False
    held: bytearray = field(default_factory=bytearray)


class Buffering(Fault):
    """Holds each body until it is whole, or `size_bytes` of it came (1 to 2^24).

    Heads pass. It is switched on before the connections are opened.
    """

    def __init__(self, size_bytes: int = 65_536) -> None:
        super().__init__(Direction.DOWN)
        self.size_bytes = int(bounded("size_bytes", size_bytes, 1, 1 << 24))
        self._answers: dict[Link, _Answer] = {}

    async def carry(self, chunk: Chunk, pipe: Pipe, onward: Onward) -> None:
        """Passes heads on, and bodies once they are whole or fill the buffer."""
        answer = self._answers.setdefault(pipe.link, _Answer())
        for piece in answer.framer.cut(chunk.data):
            if piece.is_head:
                answer.passes = _PASSES.search(piece.data) is not None
            if piece.is_head or answer.passes:
                await onward(chunk._replace(data=piece.data, end=None))
                continue
            answer.held += piece.data
            if piece.ends_message or len(answer.held) >= self.size_bytes:
                await onward(chunk._replace(data=bytes(answer.held), end=None))
                answer.held.clear()
        if chunk.end is not None:
            del self._answers[pipe.link]
            await onward(chunk._replace(data=bytes(answer.held)))
