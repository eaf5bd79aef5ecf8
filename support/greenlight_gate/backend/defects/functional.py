"""Defects in one user's runs: missing or repeated events, and wrong ids."""

from greenlight_gate.backend.defects.registry import defect
from greenlight_gate.backend.frames import COMPLETED, EXECUTING, FAILED, STARTED, THINKING, TOOL_COMPLETED, Outgoing
from greenlight_gate.backend.runs import AgentRun

Events = list[Outgoing]
_TOOL_EVENTS = (EXECUTING, TOOL_COMPLETED)


@defect("draft", "LIFECYCLE-1")
def started_missing(run: AgentRun, event: Outgoing) -> Events:
    """No event says that work began: the first event of a run is agent_thinking."""
    return [] if event.kind == STARTED else [event]


@defect("draft", "LIFECYCLE-1")
def started_twice(run: AgentRun, event: Outgoing) -> Events:
    """Each run sends agent_started twice."""
    return [event, event] if event.kind == STARTED else [event]


@defect("draft", "LIFECYCLE-2")
def completed_missing(run: AgentRun, event: Outgoing) -> Events:
    """The assistant works, but the answer never arrives."""
    return [] if event.kind == COMPLETED else [event]


@defect("draft", "LIFECYCLE-2")
def completed_twice(run: AgentRun, event: Outgoing) -> Events:
    """Each answer arrives twice."""
    return [event, event] if event.kind == COMPLETED else [event]


@defect("draft", "LIFECYCLE-2")
def failed_twice(run: AgentRun, event: Outgoing) -> Events:
    """A failure is reported twice."""
    return [event, event] if event.kind == FAILED else [event]


@defect("draft", "LIFECYCLE-4")
def thinking_missing(run: AgentRun, event: Outgoing) -> Events:
    """The assistant never shows its reasoning."""
    return [] if event.kind == THINKING else [event]


@defect("draft", "LIFECYCLE-5")
def tools_hidden(run: AgentRun, event: Outgoing) -> Events:
    """The assistant uses tools, but sends no event about them."""
    return [] if event.kind in _TOOL_EVENTS else [event]


@defect("draft", "PAIRING-1")
def tool_executing_missing(run: AgentRun, event: Outgoing) -> Events:
    """A tool is reported as finished, but never as started."""
    return [] if event.kind == EXECUTING else [event]


@defect("draft", "PAIRING-2")
def tool_completed_missing(run: AgentRun, event: Outgoing) -> Events:
    """A tool is reported as started, but never as finished."""
    return [] if event.kind == TOOL_COMPLETED else [event]


@defect("draft", "PAIRING-2")
def second_tool_never_completed(run: AgentRun, event: Outgoing) -> Events:
    """In an answer that needs two tools, the second is never reported as finished."""
    return [] if event.kind == TOOL_COMPLETED and event.nth == 2 else [event]


@defect("draft", "PAIRING-3")
def tool_name_missing(run: AgentRun, event: Outgoing) -> Events:
    """A tool runs, but no event says which one."""
    return [event.payload_without("tool_name")] if event.kind in _TOOL_EVENTS else [event]


@defect("draft", "PAIRING-3")
def tool_name_differs(run: AgentRun, event: Outgoing) -> Events:
    """The tool that is reported as finished is not the one that was reported as started."""
    if event.kind != TOOL_COMPLETED:
        return [event]
    return [event.payload_changed(tool_name=f"{event.body['payload'].get('tool_name', 'unknown')}_tool_v2")]


@defect("draft", "IDENTITY-1")
def run_id_missing(run: AgentRun, event: Outgoing) -> Events:
    """Events carry no run id, so that nobody can tell to which answer they belong."""
    return [event.without("run_id")]


@defect("draft", "IDENTITY-1")
def run_id_null(run: AgentRun, event: Outgoing) -> Events:
    """The run id of every event is null."""
    return [event.changed(run_id=None)]


@defect("draft", "IDENTITY-1", default="registry")
def run_id_placeholder(run: AgentRun, event: Outgoing, *, value: str) -> Events:
    """All answers share one placeholder as run id, so that two of them cannot be told apart."""
    return [event.changed(run_id=value)]


@defect("draft", "IDENTITY-1")
def run_id_changes_midway(run: AgentRun, event: Outgoing) -> Events:
    """The run id of the events changes after agent_started."""
    return [event] if event.kind == STARTED else [event.changed(run_id=f"{event.run_id}-b")]


@defect("draft", "IDENTITY-2", default="thread-of-nobody")
def thread_id_of_nobody(run: AgentRun, event: Outgoing, *, value: str) -> Events:
    """The answer carries a thread id that belongs to nobody, instead of that of the request."""
    return [event] if event.kind == STARTED else [event.changed(thread_id=value)]
