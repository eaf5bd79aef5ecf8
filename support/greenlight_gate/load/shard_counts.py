"""What a shard has counted until now, as it is told to the director: once a second, and not with each event."""

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from greenlight_gate.measure.load_counts import Counts

if TYPE_CHECKING:
    from greenlight_gate.load.shard import Shard
    from greenlight_gate.load.virtual_user import VirtualUser

# Who is not connected yet may still come about.
_COMING = ("began", "connecting")


def counted(shard: "Shard", phase: str) -> Counts:
    """All of a shard's people until now."""
    meters, people = shard.meters, shard.people.values()
    tried, made = meters.connections_tried, meters.connections_made
    delay = meters.delay(corrected=shard.plan.arrival == "open")
    return Counts(
        at=meters.epoch_s + time.monotonic(), tried=tried, made=made, refused=0 if phase in _COMING else tried - made,
        lost=meters.lines_lost, asked=meters.asked, messages=meters.messages, events=meters.events,
        failed=meters.failed, open=sum(person.open for person in people), busy=_waiting(people),
        answering_us=meters.whole.sum_us, rules=dict(shard.offenders.by_rule), delays=delay.coarse(),
        delay_us=delay.sum_us, hindered=shard.strain.hinders,
    )  # fmt: skip


def _waiting(people: "Collection[VirtualUser]") -> int:
    # Whoever reads nothing of what they are sent is not known to wait for anything.
    return sum(person.ask is not None and not person.is_slow for person in people)
