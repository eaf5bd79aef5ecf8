"""Refuse: new connections are refused. Open ones stay open."""

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.proxy import FaultProxy


class Refuse(Fault):
    """The proxy's port refuses connections while it is on, and is kept for later. It belongs to a proxy."""

    async def begin(self) -> None:
        """Stops to listen."""
        if isinstance(self.place, FaultProxy):
            await self.place.stop_listening()

    async def end(self) -> None:
        """Listens again, at the same port. Raises ProxyFault if it was taken meanwhile."""
        if isinstance(self.place, FaultProxy):
            self.place.listen_again()
