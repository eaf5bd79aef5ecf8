"""Defects of a restore while the run is in progress: wrong order, missing sub-agents, a run that ends."""

import asyncio

from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import also, defect
from greenlight_gate.backend.event_log import Journal
from greenlight_gate.backend.frames import Body, Outgoing
from greenlight_gate.backend.runs import AgentRun

Events = list[Outgoing]
_BETWEEN_S = 0.1


@defect("replay", "CONTINUITY-1", "CONTINUITY-2", "CONTINUITY-3")
def live_events_overtake_the_replay(connection: ServedConnection, events: Events) -> Events:
    """After a reconnect during a run, new events arrive between the missed ones."""
    loop = asyncio.get_running_loop()
    for number, event in enumerate(events[1:], 1):
        loop.call_later(number * _BETWEEN_S, _send, connection, event)
    return events[:1]


def _send(connection: ServedConnection, event: Outgoing) -> None:
    if connection.connection_id in connection.hub.connections:
        connection.send_event(event)


@defect("replay", "CONTINUITY-1")
def replay_without_sub_agents(connection: ServedConnection, events: Events) -> Events:
    """After a reconnect, the missed events of sub-agents are lost."""
    return [event for event in events if "parent_run_id" not in event.body]


@defect("incoming", "LIFECYCLE-6")
def restore_stops_the_run(connection: ServedConnection, message: Body) -> Body:
    """When a user reconnects during an answer, the run is stopped."""
    run: AgentRun | None = connection.hub.notes.get("runs of threads", {}).get(message.get("thread_id"))
    if message.get("type") == "session_restore" and run is not None and run.work is not None:
        run.work.cancel()
    return message


@also("restore_stops_the_run", "begin")
async def _note_the_run(run: AgentRun) -> None:
    if run.connection is not None and run.parent is None:
        run.connection.hub.notes.setdefault("runs of threads", {})[run.thread_id] = run


@also("restore_stops_the_run", "ended")
async def _forget_the_run(run: AgentRun, journal: Journal) -> None:
    del journal
    if run.connection is not None:
        run.connection.hub.notes.get("runs of threads", {}).pop(run.thread_id, None)
