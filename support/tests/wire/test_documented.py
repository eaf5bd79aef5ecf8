"""Profiles of protocols whose servers are not captured here: the examples of their documentation are read rightly."""

import json
from typing import Any

import pytest

from support.tests.wire.recorded import Recorded, Short, shipped


def conversation(*frames: Any) -> list[bytes]:
    """Lines of a capture on one connection: ("out", frame) is sent, anything else came."""
    lines = []
    for frame in frames:
        sent = isinstance(frame, tuple)
        entry = {"conn": "ada", "dir": "out" if sent else "in", "kind": "text", "data": frame[1] if sent else frame}
        lines.append(json.dumps(entry).encode())
    return lines


OUT = "out"
AG_UI = conversation(
    (OUT, {"threadId": "t1", "runId": "r1", "state": {}, "messages": [{"id": "m0", "role": "user", "content": "6*7?"}],
           "tools": [], "context": [], "forwardedProps": {}}),
    {"type": "RUN_STARTED", "threadId": "t1", "runId": "r1"},
    {"type": "STATE_SNAPSHOT", "snapshot": {"a": 1}},
    {"type": "THINKING_START"},
    {"type": "THINKING_TEXT_MESSAGE_START"},
    {"type": "THINKING_TEXT_MESSAGE_CONTENT", "delta": "I need "},
    {"type": "THINKING_TEXT_MESSAGE_CONTENT", "delta": "a tool."},
    {"type": "THINKING_TEXT_MESSAGE_END"},
    {"type": "TOOL_CALL_START", "toolCallId": "c1", "toolCallName": "calculator", "parentMessageId": "m1"},
    {"type": "TOOL_CALL_ARGS", "toolCallId": "c1", "delta": '{"a":6}'},
    {"type": "TOOL_CALL_END", "toolCallId": "c1"},
    {"type": "TOOL_CALL_RESULT", "messageId": "m2", "toolCallId": "c1", "content": "42", "role": "tool"},
    {"type": "TEXT_MESSAGE_START", "messageId": "m3", "role": "assistant"},
    {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m3", "delta": "It is "},
    {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m3", "delta": "42."},
    {"type": "TEXT_MESSAGE_END", "messageId": "m3"},
    {"type": "RUN_FINISHED", "threadId": "t1", "runId": "r1"},
)  # fmt: skip
REALTIME = conversation(
    {"type": "session.created", "event_id": "e1", "session": {"id": "sess_1", "object": "realtime.session"}},
    (OUT, {"type": "conversation.item.create", "item": {"type": "message", "role": "user",
           "content": [{"type": "input_text", "text": "6*7?"}]}}),
    {"type": "conversation.item.added", "event_id": "e2", "item": {"id": "i0", "type": "message"}},
    {"type": "response.created", "event_id": "e3", "response": {"id": "resp_1", "status": "in_progress", "output": []}},
    {"type": "response.output_item.added", "event_id": "e4", "response_id": "resp_1", "item": {"id": "i1"}},
    {"type": "response.output_text.delta", "event_id": "e5", "response_id": "resp_1", "delta": "It is "},
    {"type": "response.output_text.delta", "event_id": "e6", "response_id": "resp_1", "item_id": "i1", "delta": "42."},
    {"type": "response.output_text.done", "event_id": "e7", "response_id": "resp_1", "text": "It is 42."},
    {"type": "response.output_item.done", "event_id": "e8", "response_id": "resp_1", "item": {"id": "i1"}},
    {"type": "response.done", "event_id": "e9", "response": {"id": "resp_1", "status": "completed", "output": []}},
    {"type": "rate_limits.updated", "event_id": "e10", "rate_limits": []},
)  # fmt: skip
RESPONSES = conversation(
    (OUT, {"type": "response.create", "model": "m", "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "6*7?"}]}]}),
    {"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "status": "in_progress"}},
    {"type": "response.in_progress", "sequence_number": 1, "response": {"id": "resp_1", "status": "in_progress"}},
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1"}},
    {"type": "response.reasoning_summary_part.added", "item_id": "rs_1", "part": {"type": "summary_text", "text": ""}},
    {"type": "response.reasoning_summary_text.delta", "item_id": "rs_1", "delta": "Let me "},
    {"type": "response.reasoning_summary_text.delta", "item_id": "rs_1", "delta": "search."},
    {"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1"}},
    {"type": "response.web_search_call.in_progress", "output_index": 1, "item_id": "ws_1"},
    {"type": "response.web_search_call.searching", "output_index": 1, "item_id": "ws_1"},
    {"type": "response.web_search_call.completed", "output_index": 1, "item_id": "ws_1"},
    {"type": "response.output_text.delta", "item_id": "msg_1", "delta": "It is "},
    {"type": "response.output_text.delta", "item_id": "msg_1", "delta": "42."},
    {"type": "response.output_text.done", "item_id": "msg_1", "text": "It is 42."},
    {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": []}},
)  # fmt: skip


def of_stream(stream: str, *frames: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**frame, "stream_id": stream} for frame in frames]


def response(stream: str, text: str) -> list[dict[str, Any]]:
    """The events of a response that is a stream of its own."""
    whole = {"id": f"resp_{stream}", "output": []}
    return of_stream(
        stream,
        {"type": "response.created", "response": {**whole, "status": "in_progress"}},
        {"type": "response.reasoning_summary_text.delta", "item_id": "rs", "delta": "Let me see."},
        {"type": "response.output_text.delta", "item_id": "msg", "delta": text[:4]},
        {"type": "response.output_text.delta", "item_id": "msg", "delta": text[4:]},
        {"type": "response.completed", "response": {**whole, "status": "completed"}},
    )


def test_two_responses_at_once_on_a_connection_are_told_apart_by_their_streams() -> None:
    asked = [
        (OUT, {"type": "response.create", "stream_id": stream, "model": "m", "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": question}]}]})
        for stream, question in (("s1", "6*7?"), ("s2", "8*9?"))
    ]  # fmt: skip
    both = [
        frame for pair in zip(response("s1", "It is 42."), response("s2", "It is 72."), strict=True) for frame in pair
    ]
    seen = Recorded(shipped("openai-responses"), conversation(*asked, *both))
    answers = {event.run: event.text for event in seen.whole["ada"] if event.kind == "agent_completed"}
    assert answers == {"s1": "It is 42.", "s2": "It is 72."}
    assert {(event.run, event.request) for event in seen.whole["ada"]} == {("s1", "s1"), ("s2", "s2")}
    assert (seen.unmapped, seen.findings) == ([], [])


def rpc(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": {"threadId": "t1", "turnId": "u1", **params}}


TURN = {"id": "u1", "status": "inProgress"}
COMMAND = {"id": "i2", "type": "commandExecution", "command": "echo $((6*7))", "status": "inProgress"}
JSON_RPC = conversation(
    (OUT, {"id": "hello", "method": "initialize", "params": {"clientInfo": {"name": "greenlight", "version": "1"}}}),
    {"jsonrpc": "2.0", "id": "hello", "result": {"userAgent": "x"}},
    (OUT, {"method": "initialized"}),
    (OUT, {"id": "thread", "method": "thread/start", "params": {}}),
    {"jsonrpc": "2.0", "id": "thread", "result": {"thread": {"id": "t1"}}},
    {"jsonrpc": "2.0", "method": "thread/started", "params": {"thread": {"id": "t1"}}},
    (OUT, {"id": "q1", "method": "turn/start",
           "params": {"threadId": "t1", "input": [{"type": "text", "text": "6*7?"}]}}),
    {"jsonrpc": "2.0", "id": "q1", "result": {"turn": {"id": "u1", "status": "inProgress"}}},
    [rpc("turn/started", turn=TURN), rpc("item/started", item={"id": "i1", "type": "reasoning"})],
    rpc("item/reasoning/summaryTextDelta", itemId="i1", delta="I need "),
    rpc("item/reasoning/summaryTextDelta", itemId="i1", delta="a shell."),
    rpc("item/completed", item={"id": "i1", "type": "reasoning", "summary": ["I need a shell."]}),
    rpc("item/started", item=COMMAND),
    rpc("item/completed", item={**COMMAND, "status": "completed", "aggregatedOutput": "42\n"}),
    rpc("item/started", item={"id": "i3", "type": "agentMessage", "text": ""}),
    rpc("item/agentMessage/delta", itemId="i3", delta="It is 42."),
    rpc("item/completed", item={"id": "i3", "type": "agentMessage", "text": "It is 42."}),
    rpc("turn/completed", turn={"id": "u1", "status": "completed"}),
)  # fmt: skip


def packet(name: str, **data: Any) -> str:
    return "42" + json.dumps([name, {"run_id": "r1", "request_id": "q1", **data}])


SOCKETIO = conversation(
    '0{"sid":"s1","upgrades":[],"pingInterval":25000,"pingTimeout":20000}',
    (OUT, '40{"token":"x"}'),
    '40{"sid":"n1"}',
    "2",
    packet("agent_started"),
    packet("agent_thinking", reasoning="I need a tool."),
    packet("tool_executing", tool_name="calculator", tool_call_id="c1"),
    packet("tool_completed", tool_name="calculator", tool_call_id="c1", status="ok", result=42),
    "430[]",
    packet("agent_completed", result="It is 42."),
    "6",
)  # fmt: skip

ANSWER: Short = ("agent_completed", None, None, "It is 42.")
STARTED: Short = ("agent_started", None, None, None)
CASES: list[tuple[str, list[bytes], list[Short], int, int]] = [
    ("ag-ui", AG_UI, [
        STARTED, ("agent_thinking", None, None, "I need "), ("tool_executing", "calculator", "c1", None),
        ("tool_completed", "calculator", "c1", "42"), ANSWER,
    ], 3, 8),
    ("openai-realtime", REALTIME, [STARTED, ANSWER], 2, 5),
    ("openai-responses", RESPONSES, [
        STARTED, ("agent_thinking", None, None, "Let me "), ("tool_executing", "web_search", "ws_1", None),
        ("tool_completed", "web_search", "ws_1", "completed"), ANSWER,
    ], 3, 6),
    ("json-rpc", JSON_RPC, [
        STARTED, ("agent_thinking", None, None, "I need "), ("tool_executing", "commandExecution", "i2", None),
        ("tool_completed", "commandExecution", "i2", "42\n"), ANSWER,
    ], 3, 5),
]  # fmt: skip


@pytest.mark.parametrize(("name", "lines", "events", "more", "ignored"), CASES, ids=[case[0] for case in CASES])
def test_the_documented_example(name: str, lines: list[bytes], events: list[Short], more: int, ignored: int) -> None:
    seen = Recorded(shipped(name), lines)
    assert seen.events == {"ada": events}
    assert len({event.run for event in seen.whole["ada"]}) == 1
    assert (seen.more, seen.ignored) == ({"ada": more}, {"ada": ignored})
    assert (seen.unmapped, seen.findings) == ([], [])


def test_socketio() -> None:
    seen = Recorded(shipped("socketio-generic"), SOCKETIO)
    assert seen.events == {"ada": [
        STARTED, ("agent_thinking", None, None, "I need a tool."), ("tool_executing", "calculator", "c1", None),
        ("tool_completed", "calculator", "c1", "42"), ANSWER,
    ]}  # fmt: skip
    assert (seen.unmapped, seen.ignored) == ([], {"ada": 2})
    # Nobody asked in this example: the capture has no question in it.
    assert {rule for rule, _ in seen.findings} == {"IDENTITY-1"}


def test_what_goes_out_over_socketio() -> None:
    profile = shipped("socketio-generic")
    spec = profile.spec
    assert profile.wire(spec.handshake[1].send, {"token": "x"})[1] == ['40{"token":"x"}']
    assert profile.wire(spec.answers[0].send, {})[1] == ["3"]
    asked = profile.wire(spec.send["start"], {"request": "q", "prompt": "Grüße", "thread": None})[1]
    assert asked == ['42["start_agent",{"request_id":"q","user_request":"Grüße","thread_id":null}]']


def test_a_question_of_two_frames() -> None:
    profile = shipped("openai-realtime")
    text, frames = profile.wire(profile.spec.send["start"], {"prompt": "6*7?"})
    assert [json.loads(frame)["type"] for frame in frames] == ["conversation.item.create", "response.create"]
    assert "6*7?" in text
