"""Defects in what a stop does: it hits another run, comes to nothing, comes late, or spoils the next request."""

import asyncio
from collections.abc import Awaitable

from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import also, defect
from greenlight_gate.backend.event_log import Journal
from greenlight_gate.backend.frames import (
    COMPLETED,
    ENDS,
    EXECUTING,
    FAILED,
    STARTED,
    STOPPED,
    THINKING,
    TOOL_COMPLETED,
    Body,
    Outgoing,
)
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.model_turn import ModelTurn
from greenlight_gate.backend.run_supervisor import LEFT
from greenlight_gate.backend.runs import AgentRun
from greenlight_gate.backend.tools.tool import Call

Events = list[Outgoing]
_SLOW_TOOL_S = 4.0
_WORKS_ON_S = 0.3
INVALID_HISTORY = {
    "error_code": "INVALID_HISTORY",
    "error_message": "no tool output was found for a function call",
    "recovery_suggestion": "Begin a new conversation.",
}


@defect("incoming", "LIFECYCLE-6")
def stop_hits_another_run(connection: ServedConnection, message: Body) -> Body:
    """Of two runs on one connection, a stop ends the other one."""
    others = sorted(connection.open_runs - {message.get("run_id")})
    return {**message, "run_id": others[0]} if message.get("type") == "stop_agent" and others else message


@defect("cancel", "LIFECYCLE-6")
def stop_ends_all_runs_of_the_user(run: AgentRun) -> bool:
    """A stop ends the runs of all tabs of the user."""
    for other in list(_open_runs(run).values()):
        if other is not run and other.user_id == run.user_id and other.work is not None:
            other.stop_reason = run.stop_reason
            other.work.cancel()
    return True


@also("stop_ends_all_runs_of_the_user", "begin")
async def _note_the_run(run: AgentRun) -> None:
    if run.parent is None:
        _open_runs(run)[run.run_id] = run


@also("stop_ends_all_runs_of_the_user", "ended")
async def _forget_the_run(run: AgentRun, journal: Journal) -> None:
    del journal
    _open_runs(run).pop(run.run_id, None)


def _open_runs(run: AgentRun) -> dict[str, AgentRun]:
    runs: dict[str, AgentRun] = {}
    if run.connection is not None:
        runs = run.connection.hub.notes.setdefault("open runs", runs)
    return runs


@defect("incoming", "LIFECYCLE-6")
def stop_lost_before_the_first_event(connection: ServedConnection, message: Body) -> Body | None:
    """A stop that comes before the first event of its run has no effect."""
    return None if message.get("type") == "stop_agent" and message.get("run_id") is None else message


@defect("incoming", "LIFECYCLE-6")
def stop_lost_before_the_first_tool(connection: ServedConnection, message: Body) -> Body | None:
    """A stop that comes before the first tool has started has no effect."""
    if message.get("type") == "stop_agent" and message.get("run_id") not in connection.notes.get("runs with tools", ()):
        return None
    return message


@also("stop_lost_before_the_first_tool", "tool")
async def _note_the_tool(run: AgentRun, call: Call) -> None:
    del call
    if run.connection is not None:
        run.connection.notes.setdefault("runs with tools", set()).add(run.run_id)


@defect("wait", "TIMELINESS-5")
async def stop_waits_for_the_tool(run: AgentRun, event: Outgoing) -> None:
    """A run that is stopped ends only when its tool is done, seconds later."""
    if event.kind == STOPPED and run.counts[EXECUTING] > run.counts[TOOL_COMPLETED]:
        await asyncio.sleep(_SLOW_TOOL_S)


@defect("model_call", "LIFECYCLE-8")
def stop_leaves_the_model_running(run: AgentRun, call: Awaitable[ModelTurn]) -> Awaitable[ModelTurn]:
    """The model goes on with the answer of a run that was stopped, and is paid for it."""
    asking = asyncio.ensure_future(call)
    if run.connection is not None:
        # A task that nothing refers to may vanish.
        run.connection.hub.notes.setdefault("calls that go on", set()).add(asking)
    return asyncio.shield(asking)


@defect("cancel", "LIFECYCLE-8", promise="runs_end_with_connection")
def disconnect_leaves_the_model_running(run: AgentRun) -> bool:
    """The model goes on with an answer, and is paid for it, although its user has left, which is promised to end it."""
    return run.stop_reason != LEFT


@defect("ended", "LIFECYCLE-3")
async def tool_works_on_after_a_stop(run: AgentRun, journal: Journal) -> None:
    """The tool of a stopped run works on, and its result is written into the conversation later."""
    if run.stop_reason and run.connection is not None and _open_calls(run):
        works_on = asyncio.create_task(_work_on(run, journal))
        run.connection.hub.notes.setdefault("tools that work on", set()).add(works_on)


async def _work_on(run: AgentRun, journal: Journal) -> None:
    await asyncio.sleep(_WORKS_ON_S)
    for call_id, tool in list(_open_calls(run).items()):
        done = {"tool_name": tool, "tool_call_id": call_id, "status": "ok", "result": "much is known"}
        await journal.emit(run, TOOL_COMPLETED, {**done, "execution_time_ms": run.elapsed_ms})


@also("tool_works_on_after_a_stop", "draft")
def _note_open_calls(run: AgentRun, event: Outgoing) -> Events:
    payload = event.body["payload"]
    if event.kind == EXECUTING:
        _open_calls(run)[payload["tool_call_id"]] = payload["tool_name"]
    elif event.kind == TOOL_COMPLETED:
        _open_calls(run).pop(payload["tool_call_id"], None)
    return [event]


def _open_calls(run: AgentRun) -> dict[str, str]:
    calls: dict[str, str] = {}
    if run.connection is not None:
        calls = run.connection.notes.setdefault(f"open calls of {run.run_id}", calls)
    return calls


@defect("incoming", "LIFECYCLE-6")
def stop_sticks_to_the_next_request(connection: ServedConnection, message: Body) -> Body:
    """A stop that comes after the end of its run ends the next one."""
    if message.get("type") == "stop_agent" and message.get("run_id") in connection.notes.get("ended runs", ()):
        connection.notes["stops the next run"] = True
    return message


@also("stop_sticks_to_the_next_request", "draft")
def _note_the_end(run: AgentRun, event: Outgoing) -> Events:
    if run.connection is not None and event.kind in ENDS:
        run.connection.notes.setdefault("ended runs", set()).add(run.run_id)
    return [event]


@also("stop_sticks_to_the_next_request", "wait")
async def _stop_it(run: AgentRun, event: Outgoing) -> None:
    if run.connection is not None and event.kind == THINKING and run.connection.notes.pop("stops the next run", False):
        run.stop_reason = "stopped by the user"
        if run.work is not None:
            run.work.cancel()


@defect("incoming", "LIFECYCLE-6")
def second_stop_hits_the_next_run(connection: ServedConnection, message: Body) -> Body:
    """A second click on "stop" ends the next run."""
    if message.get("type") == "stop_agent":
        connection.counts[f"stops of {message.get('run_id')}"] += 1
        connection.notes["a second stop"] = max(connection.counts.values()) > 1
    return message


@also("second_stop_hits_the_next_run", "wait")
async def _stop_the_next(run: AgentRun, event: Outgoing) -> None:
    connection = run.connection
    if connection is not None and event.kind == STARTED and connection.notes.pop("a second stop", False):
        run.stop_reason = "stopped by the user"
        if run.work is not None:
            run.work.cancel()


@defect("leave", "LIFECYCLE-6")
def closed_tab_stops_the_other_runs(connection: ServedConnection, ends: bool) -> bool:
    """A tab that is closed stops the runs of the user's other tabs."""
    assert isinstance(connection.hub, Hub)
    for run in connection.hub.runs.under_way():
        if run.user_id == connection.identity.user_id and run.connection not in (None, connection):
            run.stop_reason = "stopped by the user"
            if run.work is not None:
                run.work.cancel()
    return ends


@defect("answer", "CONTENT-4")
def stopped_answer_inside_the_next(run: AgentRun, answer: str) -> str:
    """The answer after a stopped one begins with what the stopped one was about."""
    left_over = _of_threads(run, "answers left over").pop(run.thread_id, "")
    return f"{left_over} {answer}".strip()


@also("stopped_answer_inside_the_next", "cancel")
def _keep_the_answer(run: AgentRun) -> bool:
    _of_threads(run, "answers left over")[run.thread_id] = (
        f"Here is what I found so far: three sources say the same, and none contradicts. You asked: {run.question}"
    )
    return True


@defect("draft", "CONTENT-4")
def thread_fails_after_a_stop(run: AgentRun, event: Outgoing) -> Events:
    """Stopping a run while its tool runs ruins the conversation: every further request in it fails."""
    spoilt = run.parent is None and run.thread_id in _of_threads(run, "threads with a stop")
    return [event.changed(type=FAILED, payload=INVALID_HISTORY)] if spoilt and event.kind == COMPLETED else [event]


@also("thread_fails_after_a_stop", "cancel")
def _spoil_the_thread(run: AgentRun) -> bool:
    if run.counts[EXECUTING] > run.counts[TOOL_COMPLETED]:
        _of_threads(run, "threads with a stop")[run.thread_id] = run.run_id
    return True


def _of_threads(run: AgentRun, name: str) -> dict[str, str]:
    notes: dict[str, str] = {}
    if run.connection is not None:
        notes = run.connection.hub.notes.setdefault(name, notes)
    return notes
