"""A slow reader: a client that reads so slowly that what it is sent waits at the target."""

from greenlight_gate.faults.bandwidth import Bandwidth
from greenlight_gate.faults.link import Direction, Link

_TINY_WINDOW_BYTES = 1_024
_WIDE_WINDOW_BYTES = 1_048_576


class SlowReader(Bandwidth):
    """Reads `bytes_per_s` on each connection, and takes little more from the target than that."""

    def __init__(self, bytes_per_s: float) -> None:
        super().__init__(bytes_per_s, Direction.DOWN)

    async def begin(self) -> None:
        """Little is taken from now on."""
        for link in self.links:
            link.narrow(_TINY_WINDOW_BYTES)

    async def end(self) -> None:
        """As much is taken as comes."""
        for link in self.links:
            link.narrow(_WIDE_WINDOW_BYTES)

    def opened(self, link: Link) -> None:
        """Little is taken on the new connection either."""
        link.narrow(_TINY_WINDOW_BYTES)
