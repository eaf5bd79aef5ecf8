"""The channel between the shards and their director: progress goes one way, orders the other."""

import queue
import threading
from typing import Any, Protocol

import msgspec

from greenlight_gate.measure.latency_summary import Encoded
from greenlight_gate.measure.load_counts import Counts


class ShardProgress(msgspec.Struct, frozen=True):
    """The progress of one attempt at a shard. `phase`: began, connecting, connected, asking, leaving or left.

    `users` are the users connected now; `busy` is the generator's share of a core. `counts` is for monitors.
    """

    shard: int
    attempt: str
    worker: str
    phase: str
    users: int = 0
    runs: int = 0
    events: int = 0
    dropped: int = 0
    findings: int = 0
    busy: float = 0.0
    raw: Encoded | None = None
    counts: Counts = Counts(at=0.0)


class ShardCommand(msgspec.Struct, frozen=True):
    """An order to all shards. `go_at`: the wall time at which the load begins.

    `enough`: no user asks any more, and open requests are waited for. `stop`: end it now.
    """

    go_at: float | None = None
    enough: bool = False
    stop: bool = False


class Channel(Protocol):
    """A shard's end. `report` and `order` may wait for the network, and are called outside the event loop."""

    def here(self) -> "Channel":
        """The end for use where it was sent to; called once, on the shard's own thread."""

    def report(self, progress: ShardProgress) -> None:
        """Sends the shard's progress."""

    def order(self) -> ShardCommand:
        """The order that holds now."""


class DirectorChannel(Protocol):
    """The director's end."""

    def channel(self) -> Channel:
        """A shard's end, which can be sent to wherever the shard runs."""

    def news(self, timeout_s: float) -> list[ShardProgress]:
        """The progress that has come, waiting up to `timeout_s` for the first."""

    def tell(self, order: ShardCommand) -> None:
        """Gives the order that holds from now on."""

    def close(self) -> None:
        """Releases what the channel holds."""


class LocalDirectorChannel:
    """For shards that are threads of this process; both ends in one."""

    def __init__(self) -> None:
        self._queue: queue.Queue[ShardProgress] = queue.Queue()
        self._order = ShardCommand()
        self._lock = threading.Lock()

    def channel(self) -> "LocalDirectorChannel":
        """The same object is both ends."""
        return self

    def here(self) -> "LocalDirectorChannel":
        """The same object: it was not sent anywhere."""
        return self

    def report(self, progress: ShardProgress) -> None:
        """Sends a shard's progress."""
        self._queue.put(progress)

    def order(self) -> ShardCommand:
        """The order that holds now."""
        with self._lock:
            return self._order

    def news(self, timeout_s: float) -> list[ShardProgress]:
        """The progress that has come, waiting up to `timeout_s` for the first."""
        return drained(self._queue, timeout_s)

    def tell(self, order: ShardCommand) -> None:
        """Gives the order that holds from now on."""
        with self._lock:
            self._order = order

    def close(self) -> None:
        """Nothing to release."""


def drained(news: Any, timeout_s: float) -> list[ShardProgress]:
    """All that is in a queue, waiting up to `timeout_s` for the first."""
    found: list[ShardProgress] = []
    try:
        found.append(news.get(timeout=timeout_s))
        while True:
            found.append(news.get_nowait())
    except queue.Empty:
        return found
