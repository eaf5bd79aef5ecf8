"""Reset: both sides are hung up on (RST), in the middle of whatever it was."""

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.link import Link


class Reset(Fault):
    """Resets the lines that are open when it is switched on, and those that open while it is."""

    async def begin(self) -> None:
        """Hangs up."""
        for link in self.links:
            link.reset()

    def opened(self, link: Link) -> None:
        """Hangs up on a newcomer."""
        link.reset()
