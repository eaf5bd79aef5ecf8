"""Defects in threads and parallel tools: runs that mix, results that are lost, hidden or held back."""

import asyncio

from greenlight_gate.backend.clock import iso, now_us
from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.integration_stops import INVALID_HISTORY, Events
from greenlight_gate.backend.defects.registry import also, defect
from greenlight_gate.backend.event_log import Journal
from greenlight_gate.backend.frames import COMPLETED, EXECUTING, FAILED, STARTED, TOOL_COMPLETED, Body, Outgoing
from greenlight_gate.backend.runs import AgentRun
from greenlight_gate.backend.tools.tool import Call, ToolResult

_ONE_IN = 15
_LATE_S = 3.0
_QUICK_S = 0.2
_POLL_S = 0.02


@defect("draft", "CONTENT-4")
def runs_of_one_thread_mix(run: AgentRun, event: Outgoing) -> Events:
    """Of two requests sent at once in one conversation, each receives the events of the other."""
    if run.connection is None or run.parent is not None:
        return [event]
    runs: dict[str, AgentRun] = run.connection.hub.notes.setdefault(f"runs in {run.thread_id}", {})
    runs[run.run_id] = run
    other = next((each for each in runs.values() if each is not run), None)
    if other is None or event.kind == STARTED:
        return [event]
    return [event.changed(run_id=other.run_id, request_id=other.request_id)]


@also("runs_of_one_thread_mix", "ended")
async def _leave_the_thread(run: AgentRun, journal: Journal) -> None:
    del journal
    if run.connection is not None:
        run.connection.hub.notes.get(f"runs in {run.thread_id}", {}).pop(run.run_id, None)


@defect("incoming", "LIFECYCLE-2")
def request_of_a_second_tab_dropped(connection: ServedConnection, message: Body) -> Body | None:
    """While a conversation is answered in one tab, what another tab sends in it is dropped without a word."""
    payload = message.get("payload")
    thread_id = payload.get("thread_id") if isinstance(payload, dict) else None
    tabs: dict[str, ServedConnection] = connection.hub.notes.setdefault("tabs of threads", {})
    if isinstance(thread_id, str) and tabs.setdefault(thread_id, connection) is not connection:
        return None
    return message


@also("request_of_a_second_tab_dropped", "ended")
async def _no_longer_answered(run: AgentRun, journal: Journal) -> None:
    del journal
    if run.connection is not None:
        run.connection.hub.notes.get("tabs of threads", {}).pop(run.thread_id, None)


@defect("incoming", "CONTENT-4")
def changed_question_is_added(connection: ServedConnection, message: Body) -> Body:
    """A question that is changed is added to the conversation, and the one that it replaces stays in it."""
    payload = message.get("payload")
    if not isinstance(payload, dict) or "replaces_run_id" not in payload:
        return message
    return {**message, "payload": {name: value for name, value in payload.items() if name != "replaces_run_id"}}


@defect("incoming", "IDENTITY-1")
def other_answer_under_the_old_run_id(connection: ServedConnection, message: Body) -> Body:
    """When another answer is asked for, its events have the run id of the first one."""
    payload = message.get("payload")
    if isinstance(payload, dict) and (replaced := payload.get("replaces_run_id")):
        connection.notes.setdefault("replaced runs", {})[message.get("request_id")] = replaced
    return message


@also("other_answer_under_the_old_run_id", "draft")
def _with_old_run_id(run: AgentRun, event: Outgoing) -> Events:
    replaced = run.connection.notes.get("replaced runs", {}) if run.connection is not None else {}
    return [event.changed(run_id=replaced[run.request_id])] if run.request_id in replaced else [event]


@defect("repeated", "IDENTITY-1")
def double_send_starts_two_runs(connection: ServedConnection, message: Body) -> bool:
    """A request that is sent twice starts two runs, whose events mix."""
    return False


@defect("draft", "CONTENT-4")
def tool_result_now_and_then_not_recorded(run: AgentRun, event: Outgoing) -> Events:
    """Of fifteen tool results one is not recorded, and the next request in that conversation fails."""
    if run.connection is None or run.parent is not None:
        return [event]
    lost_by: dict[str, str] = run.connection.hub.notes.setdefault("threads without a result", {})
    if event.kind != COMPLETED or lost_by.get(run.thread_id, run.run_id) == run.run_id:
        return [event]
    return [event.changed(type=FAILED, payload=INVALID_HISTORY)]


@also("tool_result_now_and_then_not_recorded", "outcome")
def _count_results(run: AgentRun, call: Call, outcome: ToolResult) -> ToolResult:
    if run.connection is not None:
        notes = run.connection.hub.notes
        notes["tool results"] = notes.get("tool results", 0) + 1
        if notes["tool results"] % _ONE_IN == 0:
            notes.setdefault("threads without a result", {})[run.thread_id] = run.run_id
    return outcome


@defect("draft", "LIFECYCLE-5")
def parallel_tools_now_and_then_hidden(run: AgentRun, event: Outgoing) -> Events:
    """In every second answer with tools at the same time, the events of one of them never arrive."""
    if run.connection is None:
        return [event]
    notes = run.connection.hub.notes
    hidden: set[str] = notes.setdefault("hidden calls", set())
    call = event.body["payload"].get("tool_call_id")
    if event.kind == EXECUTING and event.nth == 2 and not run.counts[TOOL_COMPLETED]:
        notes["answers with parallel tools"] = notes.get("answers with parallel tools", 0) + 1
        if notes["answers with parallel tools"] % 2 == 0:
            hidden.add(call)
    return [] if call in hidden else [event]


@defect("wait", "TIMELINESS-6")
async def parallel_results_held_back(run: AgentRun, event: Outgoing) -> None:
    """The results of tools that run at the same time are shown only when the slowest is done."""
    if event.kind == TOOL_COMPLETED and run.counts[EXECUTING] > 1:
        for _ in range(round(_LATE_S / _POLL_S)):
            if run.counts[TOOL_COMPLETED] >= run.counts[EXECUTING]:
                return
            await asyncio.sleep(_POLL_S)


@defect("wait", "TIMELINESS-6")
async def tool_end_shown_late(run: AgentRun, event: Outgoing) -> None:
    """The end of a tool is shown seconds after it."""
    if event.kind == TOOL_COMPLETED:
        await asyncio.sleep(_LATE_S)


@also("parallel_results_held_back", "draft")
@also("tool_end_shown_late", "draft")
def _stamped_now(run: AgentRun, event: Outgoing) -> Events:
    # Only its time is wrong: timestamps do not decrease.
    late = event.kind == TOOL_COMPLETED
    return [event.changed(timestamp=iso(max(now_us(), run.last_stamp_us)))] if late else [event]


@also("parallel_results_held_back", "tool")
async def _slow_tool(run: AgentRun, call: Call) -> None:
    del call
    if run.counts[EXECUTING] > 1 and run.connection is not None:
        seen: set[str] = run.connection.notes.setdefault("runs with a quick tool", set())
        slow = run.run_id in seen
        seen.add(run.run_id)
        await asyncio.sleep(_LATE_S if slow else _QUICK_S)
