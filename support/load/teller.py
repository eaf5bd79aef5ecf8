"""Tells whoever listens how far a load is, and keeps it for the evidence: on the director's side, once a second."""

from collections import Counter
from collections.abc import Collection, Mapping

import msgspec

from support import tap
from support.counts import Counting, Counts
from support.load.channel import Progress

_SAME = ("tried", "made", "refused", "lost", "asked", "messages", "events", "failed", "answering_us", "delay_us")


class Teller:
    """Of one load, all its shards together. `name` is what it is called wherever it is listened to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._counting = Counting()
        self._last: Counts | None = None
        self._go_at = 0.0

    def __str__(self) -> str:
        return self.name

    def goes_at(self, at: float) -> None:
        """The asking begins at this moment (seconds since the epoch): nothing was asked before."""
        self._go_at = at

    def tell(self, shards: Mapping[int, Progress]) -> None:
        """The latest of each shard."""
        counts = _together(shards.values())
        last = self._last
        if last is not None and last.at < self._go_at < counts.at:
            self._say(msgspec.structs.replace(last, at=self._go_at))
        self._say(counts)

    def over(self, *, hindered: bool) -> tuple[Counts, ...]:
        """Nothing more comes, and nobody is connected any more. Returns all that was told."""
        if self._last is not None:
            self._say(msgspec.structs.replace(self._last, open=0, busy=0, hindered=hindered, is_last=True))
        return tuple(self._counting.kept)

    def _say(self, counts: Counts) -> None:
        # Shards that tell at the same moment may have clocks that differ a little.
        if self._last is not None and counts.at < self._last.at:
            counts = msgspec.structs.replace(counts, at=self._last.at)
        self._last = counts
        self._counting.add(counts)
        tap.counted(self, counts)


def _together(shards: Collection[Progress]) -> Counts:
    rules: Counter[str] = Counter()
    delays: Counter[int] = Counter()
    for progress in shards:
        rules.update(progress.rules)
        delays.update(progress.delays)
    return Counts(
        at=max(progress.at for progress in shards), open=sum(progress.people for progress in shards),
        busy=sum(progress.waiting for progress in shards), rules=dict(sorted(rules.items())),
        delays=dict(sorted(delays.items())), hindered=any(progress.hindered for progress in shards),
        **{name: sum(getattr(progress, name) for progress in shards) for name in _SAME},
    )  # fmt: skip
