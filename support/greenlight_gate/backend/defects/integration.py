"""Defects in the interplay of events, tools, sub-agents, tabs and parallel runs."""

import asyncio

from greenlight_gate.backend.bus import Subscriber
from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import also, defect
from greenlight_gate.backend.event_log import Journal
from greenlight_gate.backend.frames import ENDS, STARTED, THINKING, Frame, Outgoing
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.runs import AgentRun
from greenlight_gate.backend.tools.tool import Call, ToolResult

Events = list[Outgoing]


@defect("delivery", "CONTINUITY-3", "LIFECYCLE")
def out_of_order(connection: ServedConnection, event: Outgoing) -> Events:
    """Two consecutive events of each answer arrive in the wrong order."""
    held = connection.notes.pop(event.run_id, None)
    if held is not None:
        return [event, held]
    if event.kind == THINKING and event.nth == 1:
        connection.notes[event.run_id] = event
        return []
    return [event]


@defect("frame", "CONTINUITY-2", "CONTINUITY-3")
def duplicate_delivery(connection: ServedConnection, event: Outgoing, frame: Frame) -> list[Frame]:
    """One event of each answer arrives twice."""
    return [frame, frame] if event.kind == THINKING and event.nth == 1 else [frame]


@defect("ended", "LIFECYCLE-3", default=50.0, unit="ms")
async def events_after_completed(run: AgentRun, journal: Journal, *, value: float) -> None:
    """agent_thinking arrives after agent_completed."""
    await asyncio.sleep(value / 1e3)
    if run.connection is not None:
        payload = {"reasoning": "One more thing to consider.", "step_number": run.counts[THINKING] + 1}
        await journal.emit(run, THINKING, payload)


@defect("draft", "LIFECYCLE-2")
def subagent_completion_ends_the_run(run: AgentRun, event: Outgoing) -> Events:
    """After a sub-agent has completed, no more events of the run arrive."""
    return [] if any(helper.ended for helper in run.helpers) else [event]


@defect("draft", "LIFECYCLE-2")
def accepted_but_never_runs(run: AgentRun, event: Outgoing) -> Events:
    """agent_started arrives, and nothing after it."""
    return [event] if event.kind == STARTED else []


@defect("draft", "LIFECYCLE-2")
def final_event_skipped(run: AgentRun, event: Outgoing) -> Events:
    """No run sends its last event: agent_completed, agent_failed or agent_stopped."""
    return [] if event.kind in ENDS else [event]


@defect("begin", "LIFECYCLE-2")
async def second_request_drops_the_first(run: AgentRun) -> None:
    """A request that is sent during an answer ends that answer without a word."""
    if run.connection is None or run.parent is not None:
        return
    earlier = run.connection.open_runs - {run.run_id}
    run.connection.notes.setdefault("dropped runs", set()).update(earlier)


@also("second_request_drops_the_first", "draft")
def _of_no_dropped_run(run: AgentRun, event: Outgoing) -> Events:
    dropped = set() if run.connection is None else run.connection.notes.get("dropped runs", set())
    return [] if run.root.run_id in dropped else [event]


@defect("draft", "IDENTITY-1", "ISOLATION-2", "LIFECYCLE-2")
def parallel_runs_cross_write(run: AgentRun, event: Outgoing) -> Events:
    """While two runs are under way on one connection, events carry the run id of the other one."""
    # The first event keeps its own id: if all events of two runs were exchanged, no client could detect it.
    if event.kind == STARTED or run.connection is None:
        return [event]
    others = sorted(run.connection.open_runs - {run.root.run_id})
    return [event.changed(run_id=others[0])] if others else [event]


@defect("route", "IDENTITY-1", "ISOLATION-2", "LIFECYCLE-2")
def only_newest_connection_gets_events(hub: Hub, event: Outgoing, recipients: list[Subscriber]) -> list[Subscriber]:
    """With two tabs open, the second receives what the first asked for."""
    mine = [connection for connection in hub.connections.values() if connection.user_id == event.user_id]
    return [mine[-1]] if mine else []


@defect("route", "IDENTITY-1")
def every_window_shows_everything(hub: Hub, event: Outgoing, recipients: list[Subscriber]) -> list[Subscriber]:
    """A question in one tab is answered in all tabs of the user."""
    mine = [connection for connection in hub.connections.values() if connection.user_id == event.user_id]
    return list(dict.fromkeys([*recipients, *mine]))


@defect("cancel", "LIFECYCLE-2", "LIFECYCLE-3")
def stop_acknowledged_but_run_goes_on(run: AgentRun) -> bool:
    """A stop is acknowledged, but the run continues."""
    return False


@defect("outcome", "CONTENT-4")
def tool_failure_hidden(run: AgentRun, call: Call, outcome: ToolResult) -> ToolResult:
    """A tool fails, but is shown as successful."""
    return outcome if outcome.ok else ToolResult(ok=True, text="everything is fine")
