"""Publishes the counts of a load once a second, and keeps them for the evidence; runs beside the director."""

from collections import Counter
from collections.abc import Collection

import msgspec

from greenlight_gate.measure import record_feed
from greenlight_gate.measure.load_counts import Counting, Counts

_SUMS = (
    "tried", "made", "refused", "lost", "asked", "messages", "events", "failed", "open", "busy", "answering_us",
    "delay_us",
)  # fmt: skip


class LiveCounts:
    """The counts of one load, all its shards together. `name` identifies the load to listeners."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._counting = Counting()
        self._last: Counts | None = None
        self._go_at = 0.0

    def __str__(self) -> str:
        return self.name

    def begins_at(self, at: float) -> None:
        """The load begins at this moment (seconds since the epoch): nothing was asked before."""
        self._go_at = at

    def tell(self, shards: Collection[Counts]) -> None:
        """Publishes the latest counts of each shard."""
        counts = _together(shards)
        last = self._last
        if last is not None and last.at < self._go_at < counts.at:
            self._say(msgspec.structs.replace(last, at=self._go_at))
        self._say(counts)

    def over(self, *, hindered: bool) -> tuple[Counts, ...]:
        """Publishes the end, when nobody is connected any more. Returns all counts that are kept."""
        if self._last is not None:
            self._say(msgspec.structs.replace(self._last, open=0, busy=0, hindered=hindered, is_last=True))
        return tuple(self._counting.kept)

    def _say(self, counts: Counts) -> None:
        # The clocks of shards on several machines may differ a little.
        if self._last is not None and counts.at < self._last.at:
            counts = msgspec.structs.replace(counts, at=self._last.at)
        self._last = counts
        self._counting.add(counts)
        record_feed.counted(self, counts)


def _together(shards: Collection[Counts]) -> Counts:
    rules: Counter[str] = Counter()
    delays: Counter[int] = Counter()
    for counts in shards:
        rules.update(counts.rules)
        delays.update(counts.delays)
    return Counts(
        at=max(counts.at for counts in shards), rules=dict(sorted(rules.items())), delays=dict(sorted(delays.items())),
        hindered=any(counts.hindered for counts in shards),
        **{name: sum(getattr(counts, name) for counts in shards) for name in _SUMS},
    )  # fmt: skip
