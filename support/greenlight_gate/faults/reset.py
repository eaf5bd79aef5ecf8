"""Reset: both sides get an RST, at any point of the stream."""

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.link import Link


class Reset(Fault):
    """Resets the connections that are open when it is switched on, and those opened while it is on."""

    async def begin(self) -> None:
        """Hangs up."""
        for link in self.links:
            link.reset()

    def opened(self, link: Link) -> None:
        """Resets a new connection."""
        link.reset()
