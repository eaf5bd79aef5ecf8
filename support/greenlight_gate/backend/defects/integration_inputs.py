"""Defects in what is asked of the user: not asked, not waited for, not kept to, asked in vain, answered for another."""

from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import also, defect
from greenlight_gate.backend.frames import COMPLETED, EXECUTING, INPUT_REQUESTED, TOOL_COMPLETED, Body, Outgoing
from greenlight_gate.backend.runs import APPROVE, AgentRun

Events = list[Outgoing]
_FOR_EVER_S = 86_400.0


@defect("approval", "INPUT-1")
def tool_runs_without_approval(run: AgentRun, seconds: float) -> float:
    """A tool that needs approval runs, and nobody is asked."""
    return 0.0


@defect("draft", "INPUT-2")
def tool_runs_before_the_approval(run: AgentRun, event: Outgoing) -> Events:
    """The user is asked, and the tool runs before they have answered."""
    if event.kind == INPUT_REQUESTED:
        call = {name: event.body["payload"][name] for name in ("tool_name", "tool_call_id", "parameters")}
        run.notes["runs early"] = call["tool_call_id"]
        return [event, event.changed(type=EXECUTING, payload=call)]
    is_early = event.kind == EXECUTING and event.body["payload"]["tool_call_id"] == run.notes.get("runs early")
    return [] if is_early else [event]


@defect("choice", "INPUT-3")
def denied_tool_runs(run: AgentRun, choice: str) -> str:
    """A tool that the user has denied runs."""
    return APPROVE


@defect("draft", "INPUT-4")
def other_arguments_than_approved(run: AgentRun, event: Outgoing) -> Events:
    """The user approves one thing, and the tool runs with other arguments."""
    if event.kind != EXECUTING or not run.asked:
        return [event]
    other = {name: f"{value} + 1" for name, value in event.body["payload"]["parameters"].items()}
    return [event.payload_changed(parameters=other)]


@defect("replay", "INPUT-5")
def pending_approval_lost_on_reload(connection: ServedConnection, events: Events) -> Events:
    """After the page was reloaded, nothing shows what the assistant waits for."""
    return [event for event in events if event.kind != INPUT_REQUESTED]


@defect("incoming", "INPUT-6")
def second_approval_runs_the_tool_again(connection: ServedConnection, message: Body) -> Body:
    """A second click on "approve" runs the tool a second time."""
    if message.get("type") == "input_response":
        connection.counts[str(message.get("input_id"))] += 1
    return message


@also("second_approval_runs_the_tool_again", "draft")
def _run_again(run: AgentRun, event: Outgoing) -> Events:
    if event.kind in (EXECUTING, TOOL_COMPLETED):
        run.notes[event.kind] = event
    again = run.connection is not None and any(run.connection.counts[each] > 1 for each in run.asked)
    if event.kind != COMPLETED or not again:
        return [event]
    stamp = event.body["timestamp"]
    return [*(run.notes[kind].changed(timestamp=stamp) for kind in (EXECUTING, TOOL_COMPLETED)), event]


@defect("approval", "INPUT-7")
def unanswered_approval_waits_for_ever(run: AgentRun, seconds: float) -> float:
    """When nobody approves a tool in time, the run waits for ever, and nothing says so."""
    return _FOR_EVER_S


@defect("access", "REFUSAL-2")
def foreign_approval_accepted(allowed: bool, action: str, user_id: str, owner: str | None) -> bool:
    """A user can approve what another user is asked."""
    return allowed or action == "respond"
