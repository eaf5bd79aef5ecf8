"""Defects of one person's conversation: events that lack, repeat, or belong to nothing."""

from greenlight_gate.backend.defects.registry import defect
from greenlight_gate.backend.frames import COMPLETED, EXECUTING, FAILED, STARTED, THINKING, TOOL_COMPLETED, Outgoing
from greenlight_gate.backend.runs import AgentRun

Events = list[Outgoing]
_TOOL_EVENTS = (EXECUTING, TOOL_COMPLETED)


@defect("draft", "LIFECYCLE-1")
def started_missing(run: AgentRun, event: Outgoing) -> Events:
    """Nothing says that work began: the first sign of life is a thought."""
    return [] if event.kind == STARTED else [event]


@defect("draft", "LIFECYCLE-1")
def started_twice(run: AgentRun, event: Outgoing) -> Events:
    """Each answer begins twice."""
    return [event, event] if event.kind == STARTED else [event]


@defect("draft", "LIFECYCLE-2")
def completed_missing(run: AgentRun, event: Outgoing) -> Events:
    """The assistant works, but the answer never comes."""
    return [] if event.kind == COMPLETED else [event]


@defect("draft", "LIFECYCLE-2")
def completed_twice(run: AgentRun, event: Outgoing) -> Events:
    """Each answer comes twice."""
    return [event, event] if event.kind == COMPLETED else [event]


@defect("draft", "LIFECYCLE-2")
def failed_twice(run: AgentRun, event: Outgoing) -> Events:
    """A failure is reported twice."""
    return [event, event] if event.kind == FAILED else [event]


@defect("draft", "LIFECYCLE-4")
def thinking_missing(run: AgentRun, event: Outgoing) -> Events:
    """The assistant never shows what it is thinking."""
    return [] if event.kind == THINKING else [event]


@defect("draft", "LIFECYCLE-5")
def tools_hidden(run: AgentRun, event: Outgoing) -> Events:
    """The assistant uses tools, and nobody ever sees one at work."""
    return [] if event.kind in _TOOL_EVENTS else [event]


@defect("draft", "PAIRING-1")
def tool_executing_missing(run: AgentRun, event: Outgoing) -> Events:
    """Tools finish that nobody saw begin."""
    return [] if event.kind == EXECUTING else [event]


@defect("draft", "PAIRING-2")
def tool_completed_missing(run: AgentRun, event: Outgoing) -> Events:
    """Tools begin and are never seen to finish."""
    return [] if event.kind == TOOL_COMPLETED else [event]


@defect("draft", "PAIRING-2")
def second_tool_never_completed(run: AgentRun, event: Outgoing) -> Events:
    """When an answer needs two tools, the second is never seen to finish."""
    return [] if event.kind == TOOL_COMPLETED and event.nth == 2 else [event]


@defect("draft", "PAIRING-3")
def tool_name_missing(run: AgentRun, event: Outgoing) -> Events:
    """Some tool runs, but nothing says which."""
    return [event.payload_without("tool_name")] if event.kind in _TOOL_EVENTS else [event]


@defect("draft", "PAIRING-3")
def tool_name_differs(run: AgentRun, event: Outgoing) -> Events:
    """One tool begins, and another one finishes."""
    if event.kind != TOOL_COMPLETED:
        return [event]
    return [event.payload_changed(tool_name=f"{event.body['payload'].get('tool_name', 'unknown')}_tool_v2")]


@defect("draft", "IDENTITY-1")
def run_id_missing(run: AgentRun, event: Outgoing) -> Events:
    """Events do not say to which answer they belong."""
    return [event.without("run_id")]


@defect("draft", "IDENTITY-1")
def run_id_null(run: AgentRun, event: Outgoing) -> Events:
    """Events belong to no answer: their run id is null."""
    return [event.changed(run_id=None)]


@defect("draft", "IDENTITY-1", default="registry")
def run_id_placeholder(run: AgentRun, event: Outgoing, *, value: str) -> Events:
    """All answers share one made-up run id, so that two of them cannot be told apart."""
    return [event.changed(run_id=value)]


@defect("draft", "IDENTITY-1")
def run_id_changes_midway(run: AgentRun, event: Outgoing) -> Events:
    """An answer goes on under another run id than it began with."""
    return [event] if event.kind == STARTED else [event.changed(run_id=f"{event.run_id}-b")]


@defect("draft", "IDENTITY-2", default="thread-of-nobody")
def thread_id_of_nobody(run: AgentRun, event: Outgoing, *, value: str) -> Events:
    """The answer belongs to another conversation than the question, one that nobody has."""
    return [event] if event.kind == STARTED else [event.changed(thread_id=value)]
