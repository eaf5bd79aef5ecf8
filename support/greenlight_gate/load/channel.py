"""The way between the shards and whoever directs them: progress up, orders down."""

import queue
import threading
from typing import Any, Protocol

import msgspec

from greenlight_gate.measure.latency import Encoded
from greenlight_gate.measure.load_counts import Counts


class ShardProgress(msgspec.Struct, frozen=True):
    """How far one attempt at a shard has come. `phase`: began, connecting, connected, asking, leaving or left.

    `people` are connected now; `busy` is the generator. `counts` is what monitors are told.
    """

    shard: int
    attempt: str
    worker: str
    phase: str
    people: int = 0
    runs: int = 0
    events: int = 0
    dropped: int = 0
    findings: int = 0
    busy: float = 0.0
    raw: Encoded | None = None
    counts: Counts = Counts(at=0.0)


class Order(msgspec.Struct, frozen=True):
    """What all shards are told. `go_at`: the wall time at which the asking begins.

    `enough`: nobody asks any more, and what is under way is waited for. `stop`: nothing is waited for.
    """

    go_at: float | None = None
    enough: bool = False
    stop: bool = False


class Channel(Protocol):
    """A shard's end. `report` and `order` may wait for the network, and are called off the loop."""

    def here(self) -> "Channel":
        """The end as it can be used where it has been sent to; called once, on the shard's own thread."""

    def report(self, progress: ShardProgress) -> None:
        """Tells how far it is."""

    def order(self) -> Order:
        """What holds at the moment."""


class DirectorChannel(Protocol):
    """The director's end."""

    def channel(self) -> Channel:
        """A shard's end, which can be sent to wherever the shard runs."""

    def news(self, timeout_s: float) -> list[ShardProgress]:
        """What has come, waiting a little for it."""

    def tell(self, order: Order) -> None:
        """Gives an order that holds from now on."""

    def close(self) -> None:
        """Nothing more is told."""


class LocalDirectorChannel:
    """For shards that are threads of this process; both ends in one."""

    def __init__(self) -> None:
        self._queue: queue.Queue[ShardProgress] = queue.Queue()
        self._order = Order()
        self._lock = threading.Lock()

    def channel(self) -> "LocalDirectorChannel":
        """The same object is both ends."""
        return self

    def here(self) -> "LocalDirectorChannel":
        """Nothing was sent anywhere."""
        return self

    def report(self, progress: ShardProgress) -> None:
        """Tells how far a shard is."""
        self._queue.put(progress)

    def order(self) -> Order:
        """What holds at the moment."""
        with self._lock:
            return self._order

    def news(self, timeout_s: float) -> list[ShardProgress]:
        """What has come, waiting a little for it."""
        return drained(self._queue, timeout_s)

    def tell(self, order: Order) -> None:
        """Gives an order that holds from now on."""
        with self._lock:
            self._order = order

    def close(self) -> None:
        """Nothing is held."""


def drained(news: Any, timeout_s: float) -> list[ShardProgress]:
    """All that is in a queue, waiting for the first of it."""
    found: list[ShardProgress] = []
    try:
        found.append(news.get(timeout=timeout_s))
        while True:
            found.append(news.get_nowait())
    except queue.Empty:
        return found
