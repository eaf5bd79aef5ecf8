"""Sends one restored conversation to one connection: in order, without gaps, each event once."""

import asyncio
import json
from typing import Protocol

from greenlight_gate.backend.bus import Bus
from greenlight_gate.backend.frames import Outgoing
from greenlight_gate.backend.store import Store, StoredEvent

_BATCH = 100


class FollowingConnection(Protocol):
    """The connection on which a thread is followed."""

    def show(self, outgoing: Outgoing) -> None:
        """Send one live event now."""

    def send_missed(self, events: list[Outgoing]) -> int:
        """Send events of a restored thread, and return how many."""


class Follower:
    """Sends the events of a thread after `seq`.

    Live events are sent at once if they are the next ones. All others are read from the store, so it does not matter on
    which replica they were made, nor which were lost between replicas.
    """

    def __init__(
        self, connection: FollowingConnection, thread_id: str, owner: str, seq: int, *, bus: Bus, store: Store
    ) -> None:
        self._connection = connection
        self._bus = bus
        self._store = store
        self._thread_id = thread_id
        self._owner = owner
        self._seq = seq
        self._behind = True
        self._reading: asyncio.Task[None] | None = None
        self._busy = False
        self.replayed = 0

    def take(self, event: Outgoing) -> None:
        """Send a live event, or schedule it in its order."""
        if event.seq <= self._seq:
            return
        if event.seq == self._seq + 1 and not self._busy:
            self._seq = event.seq
            self._connection.show(event)
        else:
            self.wake()

    def wake(self) -> None:
        """Read missed events from the store."""
        self._behind = True
        if not self._busy and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self.catch_up())

    async def catch_up(self) -> None:
        """Send all events in the store that the connection has not received."""
        self._busy = True
        try:
            while self._behind:
                # Reset first: events that arrive during the read cause another read.
                self._behind = False
                while batch := await self._missed():
                    self._seq = batch[-1].seq
                    events = [_outgoing(self._thread_id, self._owner, stored) for stored in batch]
                    self.replayed += self._connection.send_missed(events)
                    await asyncio.sleep(0)
        finally:
            self._busy = False

    async def settle(self) -> None:
        """Send all that is stored by now, after what is being read already."""
        if self._reading is not None:
            await asyncio.wait({self._reading})
        self._behind = True
        await self.catch_up()

    def stop(self) -> None:
        """Stop sending."""
        if self._reading is not None:
            self._reading.cancel()

    async def _missed(self) -> list[StoredEvent]:
        return await self._bus.recent(self._thread_id, self._seq, _BATCH) or await self._store.events_after(
            self._thread_id, self._seq, _BATCH
        )


def _outgoing(thread_id: str, user_id: str, stored: StoredEvent) -> Outgoing:
    return Outgoing(
        stored.kind,
        stored.nth,
        stored.run_id,
        stored.run_id,
        thread_id,
        user_id,
        json.loads(stored.text),
        stored.seq,
        stored.text,
    )
