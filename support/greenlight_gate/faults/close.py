"""Close: both sides get a FIN. Bytes on their way are lost."""

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.link import Link


class Close(Fault):
    """Closes the connections that are open when it is switched on, and those opened while it is on."""

    async def begin(self) -> None:
        """Ends the connections."""
        for link in self.links:
            link.close()

    def opened(self, link: Link) -> None:
        """Ends a new connection."""
        link.close()
