"""Drop idle: idle connections are closed, as many proxies and routers do."""

import asyncio
import time
from collections.abc import Callable

from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.link import Link, bounded


class DropIdle(Fault):
    """Closes each connection on which nothing was sent in either direction for `after_s` seconds (0.01 to 3,600).

    `on_drop` is called just before it closes one.
    """

    def __init__(self, after_s: float, on_drop: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.on_drop = on_drop
        self.after_s = bounded("after_s", after_s, 0.01, 3600)

    async def begin(self) -> None:
        """Begins to watch the open connections."""
        for link in self.links:
            self.opened(link)

    def opened(self, link: Link) -> None:
        """Watches a connection."""
        link.spawn(self._watch(link))

    async def _watch(self, link: Link) -> None:
        while self.on and not link.ended:
            left = max(link.last_at, link.opened_at) + self.after_s - time.monotonic()
            if left <= 0:
                self.on_drop()
                link.close()
                return
            await asyncio.sleep(left)
