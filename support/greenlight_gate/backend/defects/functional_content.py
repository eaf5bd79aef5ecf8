"""Defects in the content of an event and in the frame that carries it."""

from greenlight_gate.backend.clock import epoch_s, iso
from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import defect
from greenlight_gate.backend.frames import (
    COMPLETED,
    THINKING,
    TOOL_COMPLETED,
    Frame,
    Outgoing,
    Refusal,
    encode,
    raw_frame,
)
from greenlight_gate.backend.runs import AgentRun

Events = list[Outgoing]
_LONG = 2_000


def _first_thought(event: Outgoing) -> bool:
    # Every run has one, and it is neither the run's first event nor its end.
    return event.kind == THINKING and event.nth == 1


@defect("draft", "CONTENT-1")
def result_missing(run: AgentRun, event: Outgoing) -> Events:
    """agent_completed arrives without the text of the answer."""
    return [event.payload_without("result")] if event.kind == COMPLETED else [event]


@defect("draft", "CONTENT-1", default="outcome")
def result_renamed(run: AgentRun, event: Outgoing, *, value: str) -> Events:
    """The text of the answer is in a field that no client reads."""
    if event.kind != COMPLETED or "result" not in event.body["payload"]:
        return [event]
    return [event.payload_without("result").payload_changed(**{value: event.body["payload"]["result"]})]


@defect("draft", "CONTENT-1", "LIFECYCLE", default="agent_update")
def kind_renamed(run: AgentRun, event: Outgoing, *, value: str) -> Events:
    """agent_thinking arrives under a name that no client knows."""
    return [event.changed(type=value)] if event.kind == THINKING else [event]


@defect("draft", "CONTENT-2")
def double_wrapped_payload(run: AgentRun, event: Outgoing) -> Events:
    """The payload of each event is nested one level too deep."""
    return [event.changed(payload={"payload": event.body["payload"]})]


@defect("frame", "CONTENT-2")
def double_encoded_json(connection: ServedConnection, event: Outgoing, frame: Frame) -> list[Frame]:
    """Each event is JSON that was encoded twice."""
    # Another defect may have made the frame binary: then there is no text to encode again.
    return [encode(frame)] if isinstance(frame, str) else [frame]


@defect("draft", "CONTENT-2", default="<AgentName.ASSISTANT: 'assistant'>")
def enum_as_repr(run: AgentRun, event: Outgoing, *, value: str) -> Events:
    """The agent's name is the repr of a Python enum."""
    return [event.changed(agent_name=value)]


@defect("draft", "CONTENT-2")
def nan_in_json(run: AgentRun, event: Outgoing) -> Events:
    """The answer holds NaN, which is not JSON, so that browsers cannot read it."""
    return [event.payload_changed(execution_time_ms=float("nan"))] if event.kind == COMPLETED else [event]


@defect("frame", "CONTENT-2")
def truncated_json(connection: ServedConnection, event: Outgoing, frame: Frame) -> list[Frame]:
    """One event of each answer is truncated."""
    return [frame[: len(frame) // 2]] if _first_thought(event) and isinstance(frame, str) else [frame]


@defect("frame", "CONTENT-2")
def binary_frame(connection: ServedConnection, event: Outgoing, frame: Frame) -> list[Frame]:
    """One event of each answer arrives as a binary message."""
    return [frame.encode()] if _first_thought(event) and isinstance(frame, str) else [frame]


@defect("frame", "CONTENT-2")
def invalid_utf8(connection: ServedConnection, event: Outgoing, frame: Frame) -> list[Frame]:
    """One event of each answer is not valid UTF-8, so that strict clients disconnect."""
    if not (_first_thought(event) and isinstance(frame, str)):
        return [frame]
    marker = b'"reasoning":"'
    return [raw_frame(frame.encode().replace(marker, marker + b"\xff", 1))]


@defect("draft", "CONTENT-3", default=2.0, unit="s")
def timestamp_runs_backwards(run: AgentRun, event: Outgoing, *, value: float) -> Events:
    """The timestamp of the answer is before that of the question."""
    if event.kind != COMPLETED:
        return [event]
    return [event.changed(timestamp=iso(run.last_stamp_us - round(value * 1e6)))]


@defect("draft", "CONTENT-3")
def timestamp_zero(run: AgentRun, event: Outgoing) -> Events:
    """All timestamps are in 1970."""
    return [event.changed(timestamp=iso(0))]


@defect("delivery", "CONTENT-6")
def timestamp_format_flips(connection: ServedConnection, event: Outgoing) -> Events:
    """Every second event of a kind has its timestamp as a number instead of a text."""
    connection.counts[event.kind] += 1
    if connection.counts[event.kind] % 2:
        return [event]
    return [event.changed(timestamp=epoch_s(event.body["timestamp"]))]


@defect("delivery", "CONTENT-6")
def event_hidden_in_system_message_only_once(connection: ServedConnection, event: Outgoing) -> Events:
    """One agent_thinking of each connection is wrapped in a system message, and clients miss it."""
    connection.counts[event.kind] += event.kind == THINKING
    if event.kind != THINKING or connection.counts[event.kind] != 2:
        return [event]
    inside = {"event": event.kind, **{key: value for key, value in event.body.items() if key != "type"}}
    return [event.without(*event.body).changed(type="system_message", data=inside)]


@defect("answer", "CONTENT-4", default="I'm sorry, something went wrong. Please try again later.")
def canned_answer(run: AgentRun, answer: str, *, value: str) -> str:
    """Every question receives the same apology instead of an answer."""
    return value


@defect("answer", "CONTENT-4", default="As your reference assistant: 389, 41, 73, 143, lunch, tides, or it failed.")
def one_answer_for_all(run: AgentRun, answer: str, *, value: str) -> str:
    """Every question receives the same sentence, which holds whatever was asked for before."""
    return value


@defect("draft", "CONTENT-1", default=".")
def placeholder_thoughts(run: AgentRun, event: Outgoing, *, value: str) -> Events:
    """agent_thinking shows a dot and no reasoning."""
    return [event.payload_changed(reasoning=value)] if event.kind == THINKING else [event]


@defect("draft", "CONTENT-1", default="x")
def placeholder_results(run: AgentRun, event: Outgoing, *, value: str) -> Events:
    """Every tool shows the same letter instead of its result."""
    return [event.payload_changed(result=value)] if event.kind == TOOL_COMPLETED else [event]


@defect("draft", "LIFECYCLE-2", "TIMELINESS-1")
def silent_on_other_scripts(run: AgentRun, event: Outgoing) -> Events:
    """A question with letters beyond English gets no event at all."""
    return [event] if run.question.isascii() else []


@defect("draft", "LIFECYCLE-2", "TIMELINESS-1")
def silent_on_long_questions(run: AgentRun, event: Outgoing) -> Events:
    """A question of more than 2,000 characters gets no event at all."""
    return [event] if len(run.question) <= _LONG else []


@defect("answer", "CONTENT-4")
def answer_echoes_question(run: AgentRun, answer: str) -> str:
    """The answer repeats the question."""
    return run.question


@defect("answer", "CONTENT-4")
def empty_answer(run: AgentRun, answer: str) -> str:
    """The answer is empty."""
    return ""


@defect("answer", "CONTENT-5")
def stack_trace_in_answer(run: AgentRun, answer: str) -> str:
    """The answer ends with a stack trace."""
    return (
        f"{answer}\nTraceback (most recent call last):\n"
        '  File "/srv/chat/agent.py", line 212, in run\n    reply = await model.complete(messages)\n'
        "KeyError: 'choices'"
    )


@defect("refusal", "REFUSAL-4")
def oversize_dropped_silently(connection: ServedConnection, refusal: Refusal) -> Refusal | None:
    """A message over the size limit gets no error."""
    return None if refusal.code == "TOO_LARGE" else refusal


@defect("refusal", "REFUSAL-4")
def unknown_type_acknowledged_as_ok(connection: ServedConnection, refusal: Refusal) -> Refusal | None:
    """A message of unknown type is acknowledged as ok."""
    if refusal.code != "UNKNOWN_TYPE":
        return refusal
    return Refusal({"type": "ack", "status": "ok", "request_id": refusal.message["request_id"]})


@defect("refusal", "REFUSAL-4")
def bad_json_silence(connection: ServedConnection, refusal: Refusal) -> Refusal | None:
    """A message that is not JSON gets no error."""
    return None if refusal.code == "BAD_JSON" else refusal
