"""Defects in the course of a run or thread: wrong order, needless tools, wrong ends, lost context."""

from greenlight_gate.backend.clock import iso
from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import defect
from greenlight_gate.backend.frames import COMPLETED, EXECUTING, FAILED, STARTED, TOOL_COMPLETED, Body, Outgoing
from greenlight_gate.backend.phrases import MODERATED
from greenlight_gate.backend.runs import AgentRun

Events = list[Outgoing]


@defect("draft", "LIFECYCLE-1")
def thought_before_the_start(run: AgentRun, event: Outgoing) -> Events:
    """agent_thinking arrives before agent_started."""
    if run.connection is None:
        return [event]
    notes = run.connection.notes
    if event.kind == STARTED:
        notes[f"start of {run.run_id}"] = event
        return []
    start = notes.pop(f"start of {run.run_id}", None)
    return [event] if start is None else [event, _stamped_now(run, start)]


@defect("draft", "LIFECYCLE-5")
def parallel_tools_one_after_the_other(run: AgentRun, event: Outgoing) -> Events:
    """Of two tools that run at the same time, the second is shown only when the first has completed."""
    if run.connection is None:
        return [event]
    notes = run.connection.notes
    if event.kind == EXECUTING and event.nth == 2 and not run.counts[TOOL_COMPLETED]:
        notes[f"second tool of {run.run_id}"] = event
        return []
    held = notes.pop(f"second tool of {run.run_id}", None) if event.kind == TOOL_COMPLETED else None
    return [event] if held is None else [event, _stamped_now(run, held)]


@defect("unfinished", "LIFECYCLE-7")
def half_an_answer_presented_as_finished(run: AgentRun, said: str) -> str:
    """When the model breaks off, what it has said until then arrives as the finished answer."""
    return said


@defect("draft", "SCENARIOS")
def tool_for_small_talk(run: AgentRun, event: Outgoing) -> Events:
    """A greeting, which needs no tool, is answered with a tool."""
    if event.kind != COMPLETED or run.counts[EXECUTING] or run.parent is not None:
        return [event]
    call = {"tool_name": "calculator", "tool_call_id": f"call-of-{run.run_id}"}
    begun = event.changed(type=EXECUTING, payload={**call, "parameters": {"expression": "1+1"}})
    done = event.changed(type=TOOL_COMPLETED, payload={**call, "status": "ok", "result": "2", "execution_time_ms": 0.1})
    return [begun, done, event]


@defect("draft", "CONTENT-1")
def failure_without_a_word(run: AgentRun, event: Outgoing) -> Events:
    """agent_failed arrives without a text."""
    return [event.payload_without("error_message")] if event.kind == FAILED else [event]


@defect("draft", "LIFECYCLE-2")
def moderated_request_leaves_the_run_open(run: AgentRun, event: Outgoing) -> Events:
    """A request that moderation refuses leaves its run open: nothing says that it is over."""
    refused = event.kind == FAILED and event.body["payload"]["error_code"] == MODERATED["error_code"]
    return [] if refused else [event]


@defect("draft", "LIFECYCLE-2")
def failure_that_is_also_an_answer(run: AgentRun, event: Outgoing) -> Events:
    """A failed run sends agent_completed as well as agent_failed."""
    if event.kind != FAILED:
        return [event]
    return [event.changed(type=COMPLETED, payload={"result": "Here you are.", "execution_time_ms": 1.0}), event]


@defect("incoming", "IDENTITY-2")
def every_turn_a_new_conversation(connection: ServedConnection, message: Body) -> Body:
    """A question that continues a conversation is answered in a new one."""
    payload = message.get("payload")
    if message.get("type") != "start_agent" or not isinstance(payload, dict):
        return message
    return {**message, "payload": {key: value for key, value in payload.items() if key != "thread_id"}}


def _stamped_now(run: AgentRun, event: Outgoing) -> Outgoing:
    # Only the order is wrong: timestamps do not decrease.
    return event.changed(timestamp=iso(run.last_stamp_us))
