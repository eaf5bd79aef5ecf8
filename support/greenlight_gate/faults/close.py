"""Close: both sides are told that there is nothing more (FIN). What was on its way is lost."""

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.link import Link


class Close(Fault):
    """Closes the lines that are open when it is switched on, and those that open while it is."""

    async def begin(self) -> None:
        """Ends the lines."""
        for link in self.links:
            link.close()

    def opened(self, link: Link) -> None:
        """Ends a new line."""
        link.close()
