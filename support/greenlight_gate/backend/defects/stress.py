"""Defects that show under load and after many connections."""

import asyncio
from pathlib import Path

from greenlight_gate.backend.connection import ConnectionHub, ServedConnection
from greenlight_gate.backend.defects.registry import also, defect
from greenlight_gate.backend.event_log import Journal
from greenlight_gate.backend.frames import STARTED, Outgoing
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.runs import AgentRun
from greenlight_gate.backend.tokens import Attempt

_KB = 1_024
_BUSY = 503


@defect("handshake", "SUCCESS", "CONNECTION-1", default=20.0, unit="connections")
async def connections_capped(hub: Hub, attempt: Attempt, *, value: float) -> int | None:
    """When some users are connected, further connections are refused."""
    return _BUSY if len(hub.connections) >= value else None


@defect("handshake", "SUCCESS", "CONNECTION-1", default=50.0, unit="connections")
async def refuses_after_churn(hub: Hub, attempt: Attempt, *, value: float) -> int | None:
    """After many users have connected and left, connections are refused."""
    hub.notes["connections opened"] = hub.notes.get("connections opened", 0) + 1
    return _BUSY if hub.notes["connections opened"] > value else None


@defect("draft", "SUCCESS", "LIFECYCLE-2", default=20.0, unit="runs")
def drops_one_in(run: AgentRun, event: Outgoing, *, value: float) -> list[Outgoing]:
    """A share of the answers begins and never ends."""
    if run.connection is None:
        return [event]
    notes = run.connection.hub.notes
    if event.kind == STARTED and run.parent is None:
        notes["runs begun"] = notes.get("runs begun", 0) + 1
        if notes["runs begun"] % max(int(value), 1) == 0:
            notes.setdefault("runs dropped", set()).add(event.root_run_id)
        return [event]
    return [] if event.root_run_id in notes.get("runs dropped", ()) else [event]


@defect("ended", "MEMORY", default=64.0, unit="KB")
async def memory_leak_per_run(run: AgentRun, journal: Journal, *, value: float) -> None:
    """Each answer leaks memory."""
    del journal
    if run.connection is not None:
        _leak(run.connection.hub, value)


@defect("accepted", "MEMORY", default=256.0, unit="KB")
async def memory_leak_per_connection(connection: ServedConnection, *, value: float) -> None:
    """Each connection leaks memory."""
    _leak(connection.hub, value)


def _leak(hub: ConnectionHub, kilobytes: float) -> None:
    # Written to, or the system would not allocate a page for it.
    hub.notes.setdefault("leaked", []).append(b"x" * int(kilobytes * _KB))


@defect("accepted", "MEMORY")
async def handler_leak(connection: ServedConnection) -> None:
    """Connections of users who have left are still served."""
    connection.hub.notes.setdefault("handlers", []).append(connection)


@also("handler_leak", "metrics")
def _handlers_in_metrics(hub: Hub, values: dict[str, float]) -> dict[str, float]:
    return {**values, "chat_connections_open": float(len(hub.notes.get("handlers", ())))}


@defect("accepted", "MEMORY")
async def fd_leak(connection: ServedConnection) -> None:
    """Each connection leaks an open file."""
    file = Path("/dev/null").open("rb")  # noqa: SIM115, ASYNC230 -- this is the defect
    connection.hub.notes.setdefault("files", []).append(file)


@defect("wait", "MEMORY")
async def runs_of_users_who_left_never_end(run: AgentRun, event: Outgoing) -> None:
    """A user who leaves during an answer leaves a run behind that never ends."""
    if run.connection is not None and run.connection.connection_id not in run.connection.hub.connections:
        await asyncio.Event().wait()


@defect("wait", "LATENCY", "TIMELINESS-2")
async def slow_client_stalls_others(run: AgentRun, event: Outgoing) -> None:
    """A client that reads slowly stops the answers of all others."""
    if run.connection is None or event.kind == STARTED:
        return
    for connection in list(run.connection.hub.connections.values()):
        await connection.protocol.writable.wait()
