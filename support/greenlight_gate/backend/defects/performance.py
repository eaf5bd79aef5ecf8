"""Defects in speed: late events, bursts, and latency that grows with the number of users."""

import asyncio
import time

from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import also, defect
from greenlight_gate.backend.frames import ENDS, EXECUTING, Body, Outgoing
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.runs import AgentRun
from greenlight_gate.backend.tokens import Attempt
from greenlight_gate.backend.tools.tool import Call, ToolResult


@defect("wait", "LATENCY", default=150.0, unit="ms")
async def every_event_delayed(run: AgentRun, event: Outgoing, *, value: float) -> None:
    """Every event arrives late."""
    await asyncio.sleep(value / 1e3)


@defect("wait", "LATENCY", default=8.0, unit="ms")
async def latency_grows_with_connections(run: AgentRun, event: Outgoing, *, value: float) -> None:
    """Latency grows with the number of connections."""
    if run.connection is not None:
        await asyncio.sleep(len(run.connection.hub.connections) * value / 1e3)


@defect("wait", "LATENCY", default=200.0, unit="ms")
async def blocking_sleep_stalls_everyone(run: AgentRun, event: Outgoing, *, value: float) -> None:
    """While a tool starts, no user receives events."""
    if event.kind == EXECUTING:
        time.sleep(value / 1e3)  # noqa: ASYNC251 -- this is the defect


@defect("begin", "TIMELINESS-1", default=6.0, unit="s")
async def slow_start(run: AgentRun, *, value: float) -> None:
    """agent_started arrives late."""
    await asyncio.sleep(value)


@defect("tool", "TIMELINESS-2", default=6.0, unit="s")
async def silent_gap(run: AgentRun, call: Call, *, value: float) -> None:
    """There is a long silence during an answer."""
    await asyncio.sleep(value)


@defect("delivery", "TIMELINESS-3")
def burst_at_the_end(connection: ServedConnection, event: Outgoing) -> list[Outgoing]:
    """All events arrive at the end of an answer."""
    held: list[Outgoing] = connection.notes.setdefault(f"burst {event.root_run_id}", [])
    held.append(event)
    if event.kind not in ENDS or event.run_id != event.root_run_id:
        return []
    return list(connection.notes.pop(f"burst {event.root_run_id}"))


@defect("tool", "TIMELINESS-4")
async def tool_never_returns(run: AgentRun, call: Call) -> None:
    """A tool starts and never completes."""
    await asyncio.Event().wait()


@defect("incoming", "CONNECTION-2")
def ping_unanswered_during_run(connection: ServedConnection, message: Body) -> Body | None:
    """Pings are not answered during a run."""
    return None if message.get("type") == "ping" and connection.open_runs else message


@defect("tool", "CONNECTION-2")
async def heartbeats_stop_while_tools_run(run: AgentRun, call: Call) -> None:
    """No heartbeats come while a tool runs, so that proxies give the connection up."""
    if run.connection is not None:
        run.connection.protocol.stop_keepalive()


@also("heartbeats_stop_while_tools_run", "outcome")
def _heartbeats_again(run: AgentRun, call: Call, outcome: ToolResult) -> ToolResult:
    if run.connection is not None:
        run.connection.protocol.stop_keepalive()
        run.connection.protocol.start_keepalive()
    return outcome


@defect("handshake", "CONNECTION-1", default=6.0, unit="s")
async def handshake_slow(hub: Hub, attempt: Attempt, *, value: float) -> int | None:
    """The handshake takes long."""
    await asyncio.sleep(value)
    return None


@defect("begin", "LATENCY", "SUCCESS", default=10.0, unit="runs/s")
async def throughput_capped(run: AgentRun, *, value: float) -> None:
    """Only a limited number of questions a second are begun; the others wait."""
    if run.connection is not None:
        notes, now = run.connection.hub.notes, time.monotonic()
        turn = max(now, notes.get("next turn", now))
        notes["next turn"] = turn + 1 / max(value, 1e-3)
        await asyncio.sleep(turn - now)
