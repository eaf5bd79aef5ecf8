"""Defects in one user's runs: missing or repeated events, and wrong ids."""

from greenlight_gate.backend.defects.registry import defect
from greenlight_gate.backend.frames import COMPLETED, EXECUTING, FAILED, STARTED, THINKING, TOOL_COMPLETED, Outgoing
from greenlight_gate.backend.runs import AgentRun

Events = list[Outgoing]
_TOOL_EVENTS = (EXECUTING, TOOL_COMPLETED)


@defect("draft", "LIFECYCLE-1")
def started_missing(run: AgentRun, event: Outgoing) -> Events:
    """agent_started never arrives: the first event of an answer is agent_thinking."""
    return [] if event.kind == STARTED else [event]


@defect("draft", "LIFECYCLE-1")
def started_twice(run: AgentRun, event: Outgoing) -> Events:
    """agent_started arrives twice for each answer."""
    return [event, event] if event.kind == STARTED else [event]


@defect("draft", "LIFECYCLE-2")
def completed_missing(run: AgentRun, event: Outgoing) -> Events:
    """The assistant works, but agent_completed never arrives."""
    return [] if event.kind == COMPLETED else [event]


@defect("draft", "LIFECYCLE-2")
def completed_twice(run: AgentRun, event: Outgoing) -> Events:
    """agent_completed arrives twice for each answer."""
    return [event, event] if event.kind == COMPLETED else [event]


@defect("draft", "LIFECYCLE-2")
def failed_twice(run: AgentRun, event: Outgoing) -> Events:
    """agent_failed arrives twice for a failed run."""
    return [event, event] if event.kind == FAILED else [event]


@defect("draft", "LIFECYCLE-4")
def thinking_missing(run: AgentRun, event: Outgoing) -> Events:
    """agent_thinking never arrives."""
    return [] if event.kind == THINKING else [event]


@defect("draft", "LIFECYCLE-5")
def tools_hidden(run: AgentRun, event: Outgoing) -> Events:
    """The assistant uses tools, but no tool event arrives."""
    return [] if event.kind in _TOOL_EVENTS else [event]


@defect("draft", "PAIRING-1")
def tool_executing_missing(run: AgentRun, event: Outgoing) -> Events:
    """tool_completed arrives without tool_executing before it."""
    return [] if event.kind == EXECUTING else [event]


@defect("draft", "PAIRING-2")
def tool_completed_missing(run: AgentRun, event: Outgoing) -> Events:
    """tool_executing arrives, but tool_completed never does."""
    return [] if event.kind == TOOL_COMPLETED else [event]


@defect("draft", "PAIRING-2")
def second_tool_never_completed(run: AgentRun, event: Outgoing) -> Events:
    """When an answer needs two tools, tool_completed of the second never arrives."""
    return [] if event.kind == TOOL_COMPLETED and event.nth == 2 else [event]


@defect("draft", "PAIRING-3")
def tool_name_missing(run: AgentRun, event: Outgoing) -> Events:
    """Tool events do not name the tool."""
    return [event.payload_without("tool_name")] if event.kind in _TOOL_EVENTS else [event]


@defect("draft", "PAIRING-3")
def tool_name_differs(run: AgentRun, event: Outgoing) -> Events:
    """tool_completed names another tool than tool_executing."""
    if event.kind != TOOL_COMPLETED:
        return [event]
    return [event.payload_changed(tool_name=f"{event.body['payload'].get('tool_name', 'unknown')}_tool_v2")]


@defect("draft", "IDENTITY-1")
def run_id_missing(run: AgentRun, event: Outgoing) -> Events:
    """Events have no run id."""
    return [event.without("run_id")]


@defect("draft", "IDENTITY-1")
def run_id_null(run: AgentRun, event: Outgoing) -> Events:
    """The run id of events is null."""
    return [event.changed(run_id=None)]


@defect("draft", "IDENTITY-1", default="registry")
def run_id_placeholder(run: AgentRun, event: Outgoing, *, value: str) -> Events:
    """All answers have the same made-up run id."""
    return [event.changed(run_id=value)]


@defect("draft", "IDENTITY-1")
def run_id_changes_midway(run: AgentRun, event: Outgoing) -> Events:
    """The run id changes during an answer."""
    return [event] if event.kind == STARTED else [event.changed(run_id=f"{event.run_id}-b")]


@defect("draft", "IDENTITY-2", default="thread-of-nobody")
def thread_id_of_nobody(run: AgentRun, event: Outgoing, *, value: str) -> Events:
    """Events name a conversation that does not exist."""
    return [event] if event.kind == STARTED else [event.changed(thread_id=value)]
