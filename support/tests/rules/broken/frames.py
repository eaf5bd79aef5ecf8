"""Fields that are missing, and frames that are not well formed."""

import json

from greenlight_gate.trace import Received

from support.tests.rules.broken.base import broken, changed, only, payload
from support.tests.rules.talk import ANSWER, Talk, asked


@broken(
    ("CONTENT-1", "agent_completed with its result or results", "nothing", (8,)),
    ("CONTENT-4", "an answer", "an empty one", (3, 8)),
)
def result_missing() -> Talk:
    return changed(only("agent_completed", lambda body: {**body, "payload": {}}))


@broken(
    ("CONTENT-1", "agent_completed with its result or results", "nothing", (8,)),
    ("CONTENT-4", "an answer", "an empty one", (3, 8)),
)
def result_renamed() -> Talk:
    return changed(only("agent_completed", lambda body: {**body, "payload": {"outcome": ANSWER}}))


@broken(
    ("CONTENT-1", "agent_thinking with a reasoning or thought that is not empty", "' '", (5,)),
)
def reasoning_empty() -> Talk:
    return changed(only("agent_thinking", lambda body: payload(body, reasoning=" ")))


@broken(
    ("LIFECYCLE-4", "agent_thinking before the end", "none", (3, 8)),
    ("LIFECYCLE-5", "all five kinds of event", "no agent_thinking", (3, 8)),
)
def kind_renamed() -> Talk:
    return changed(lambda b: {**b, "type": "agent_update"} if b["type"] == "agent_thinking" else b)


@broken(
    ("CONTENT-2", "payload.reasoning directly", "the payload wrapped once more (payload.payload)", (5,)),
)
def double_wrapped_payload() -> Talk:
    return changed(lambda body: {**body, "payload": {"payload": body["payload"]}})


@broken(
    ("CONTENT-2", "payload.reasoning directly", "payload as a text that holds JSON", (5,)),
)
def payload_as_a_text() -> Talk:
    return changed(lambda body: {**body, "payload": json.dumps(body["payload"])})


@broken(
    ("CONTENT-2", "a JSON object", "JSON encoded twice: a text that holds the object", (4,)),
)
def double_encoded_json() -> Talk:
    return changed(lambda body: json.dumps(json.dumps(body)))


@broken(
    ("CONTENT-2", "no serialisation errors", "<AgentName.ASSISTANT: 'assistant'>", (4,)),
)
def enum_as_repr() -> Talk:
    return changed(lambda body: {**body, "agent_name": "<AgentName.ASSISTANT: 'assistant'>"})


@broken(
    ("CONTENT-2", "no serialisation errors", "object at 0x7f0a11bc", (4,)),
)
def object_as_repr() -> Talk:
    return changed(lambda body: {**body, "agent_name": "<chat.Agent object at 0x7f0a11bc>"})


@broken(
    ("CONTENT-2", "numbers that JSON knows", "NaN", (8,)),
)
def nan_in_json() -> Talk:
    return changed(only("agent_completed", lambda body: payload(body, execution_time_ms=float("nan"))))


@broken(
    (
        "CONTENT-2",
        "a whole JSON value",
        'Unterminated string starting at: line 1 column 28 (char 27) in {"type": "agent_thinking", "re',
        (5,),
    ),
    ("LIFECYCLE-4", "agent_thinking before the end", "none", (3, 8)),
    ("LIFECYCLE-5", "all five kinds of event", "no agent_thinking", (3, 8)),
)
def truncated_json() -> Talk:
    return changed(only("agent_thinking", lambda body: json.dumps(body)[:30]))


@broken(
    ("CONTENT-2", "nothing after the JSON value", "}", (5,)),
)
def something_after_the_json() -> Talk:
    return changed(only("agent_thinking", lambda body: json.dumps(body) + "}"))


@broken(
    ("CONTENT-2", "no byte order mark", "a byte order mark", (5,)),
)
def byte_order_mark() -> Talk:
    return changed(only("agent_thinking", lambda body: "\ufeff" + json.dumps(body)))


@broken(
    ("CONTENT-2", "no lone surrogates", "half of a surrogate pair", (5,)),
)
def lone_surrogate() -> Talk:
    return changed(only("agent_thinking", lambda body: json.dumps(payload(body, reasoning="half \ud83d of it"))))


@broken(
    ("CONTENT-2", "a text frame", "a binary frame", (5,)),
)
def binary_frame() -> Talk:
    talk = asked().started()
    frame = json.dumps(talk.body("agent_thinking", {"reasoning": "let me see"})).encode()
    return talk.add(Received, "c1", data=frame, binary=True).executing().tool_done().completed()


@broken(
    ("CONTENT-2", "UTF-8", "byte 0xff at 232: invalid start byte", (5,)),
)
def invalid_utf8() -> Talk:
    return changed(only("agent_thinking", lambda body: json.dumps(body).encode().replace(b"let", b"\xffet")))


@broken(
    ("CONTENT-2", "a JSON object", "[1]", (4,)),
)
def no_object() -> Talk:
    return asked().frame("[1]").answer()


@broken(
    ("CONTENT-2", "messages that a client can read", "invalid UTF-8 (ended with 1007)", (6,)),
    ("LIFECYCLE-2", "one end", "2 events and no end", (3, 5, 6)),
)
def the_client_has_to_give_up() -> Talk:
    return asked().started().thinking().close("client", 1007, reason="invalid UTF-8")
