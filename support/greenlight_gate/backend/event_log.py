"""Gives a run's events their timestamps and numbers, stores them and distributes them."""

import asyncio
import uuid
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

from greenlight_gate.backend.bus import Bus
from greenlight_gate.backend.clock import iso, now_us
from greenlight_gate.backend.frames import ENDS, Outgoing, encode
from greenlight_gate.backend.hooks import Chain
from greenlight_gate.backend.runs import AgentRun
from greenlight_gate.backend.store import Store, StoredEvent


class Journal:
    """Creates all events."""

    def __init__(self, store: Store, bus: Bus, chain: Chain) -> None:
        self._store = store
        self._bus = bus
        self._chain = chain
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def emit(self, run: AgentRun, kind: str, payload: dict[str, Any]) -> None:
        """Send an event of this run to its subscribers."""
        run.counts[kind] += 1
        # A clock that is set back must not decrease the timestamps of a run.
        run.last_stamp_us = max(now_us(), run.last_stamp_us)
        event = self._event(run, kind, payload)
        if kind in ENDS:
            run.ended = True
        await self._chain.wait(run, event)
        for draft in self._chain.draft(run, event):
            await self._publish(draft)

    async def _publish(self, draft: Outgoing) -> None:
        event_id = f"event-{uuid.uuid4().hex}"

        def numbered(seq: int) -> StoredEvent:
            text = encode({**draft.body, "seq": seq, "event_id": event_id})
            return StoredEvent(seq, draft.kind, draft.nth, draft.run_id, text)

        # Events are distributed in the order of their storage, also if storing takes time.
        async with self._locks.setdefault(draft.thread_id, asyncio.Lock()):
            stored = await self._store.append(draft.thread_id, numbered)
            body = {**draft.body, "seq": stored.seq, "event_id": event_id}
            self._bus.publish(replace(draft, body=body, seq=stored.seq, text=stored.text))

    @staticmethod
    def _event(run: AgentRun, kind: str, payload: dict[str, Any]) -> Outgoing:
        body: dict[str, Any] = {
            "type": kind,
            "request_id": run.request_id,
            "run_id": run.run_id,
            "thread_id": run.thread_id,
            "user_id": run.user_id,
            "agent_name": run.agent_name,
        }
        if run.parent is not None:
            body["parent_run_id"] = run.parent.run_id
        body["timestamp"] = iso(run.last_stamp_us)
        body["payload"] = payload
        return Outgoing(kind, run.counts[kind], run.run_id, run.root.run_id, run.thread_id, run.user_id, body)
