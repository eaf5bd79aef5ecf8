"""What other servers send around an approval: none of it is a fault, and each call keeps its name."""

import json
from typing import Any

import msgspec
import pytest
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import Sent
from greenlight_gate.wire.capture import read_capture

from support.tests.wire.recorded import Recorded, Short, shipped

Body = dict[str, Any]
STARTED: Short = ("agent_started", None, None, None)


def talk(*frames: tuple[str, Body]) -> list[bytes]:
    """A capture of one user: frames that went out and came in, a tenth of a second apart."""
    return [
        json.dumps({"conn": "ada", "dir": way, "kind": "text", "data": body, "t": 1_800_000_000 + number / 10}).encode()
        for number, (way, body) in enumerate(frames)
    ]


def read(profile: str, *frames: tuple[str, Body]) -> Recorded:
    seen = Recorded(shipped(profile), talk(*frames))
    assert seen.unmapped == []
    return seen


# ACP: agents of the Gemini family first show a call in their request for permission, and nothing more if it is denied.

IN, OUT = "in", "out"


def update(kind: str, **values: Any) -> tuple[str, Body]:
    return IN, {"method": "session/update", "params": {"sessionId": "s1", "update": {"sessionUpdate": kind, **values}}}


def said(text: str) -> tuple[str, Body]:
    return update("agent_message_chunk", content={"type": "text", "text": text})


def permission(number: int, call: str, title: str, **values: Any) -> tuple[str, Body]:
    kinds = ("allow_always", "allow_once", "reject_once")
    options = [{"optionId": f"{kind}-{number}", "name": kind, "kind": kind} for kind in kinds]
    asked = {"toolCallId": call, "title": title, "status": "pending", **values}
    params = {"sessionId": "s1", "options": options, "toolCall": asked}
    return IN, {"jsonrpc": "2.0", "id": number, "method": "session/request_permission", "params": params}


def chosen(number: int, kind: str) -> tuple[str, Body]:
    return OUT, {
        "jsonrpc": "2.0",
        "id": number,
        "result": {"outcome": {"outcome": "selected", "optionId": f"{kind}-{number}"}},
    }


PROMPT = [{"type": "text", "text": "write a file"}]
PREPARED = (
    (OUT, {"jsonrpc": "2.0", "id": "session", "method": "session/new", "params": {"cwd": "/", "mcpServers": []}}),
    (IN, {"jsonrpc": "2.0", "id": "session", "result": {"sessionId": "s1"}}),
    (OUT, {"jsonrpc": "2.0", "id": "q1", "method": "session/prompt", "params": {"sessionId": "s1", "prompt": PROMPT}}),
)
ENDED = (IN, {"jsonrpc": "2.0", "id": "q1", "result": {"stopReason": "end_turn"}})


@pytest.mark.parametrize("approves", [True, False])
def test_acp_shows_a_call_in_the_request_for_permission(approves: bool) -> None:
    answer = chosen(0, "allow_once" if approves else "reject_once")
    ran = (update("tool_call_update", toolCallId="c1", status="completed", content=[]),) if approves else ()
    seen = read("acp", *PREPARED, permission(0, "c1", "Write a.txt"), answer, *ran, said("Done, or not."), ENDED)
    assert [event[:3] for event in seen.events["ada"]] == [
        ("tool_executing", "Write a.txt", "c1"),
        ("input_requested", "Write a.txt", "c1"),
        *([("tool_completed", "Write a.txt", "c1")] if approves else []),
        ("agent_completed", None, None),
    ]


@pytest.mark.parametrize("approves", [True, False])
def test_acp_owes_nothing_more_of_a_call_that_is_denied(approves: bool) -> None:
    frames = (permission(0, "c1", "Write a.txt"), chosen(0, "any"), said("Done, or not."), ENDED)
    profile = shipped("acp")
    records, epoch_s = read_capture(talk(*PREPARED, *frames), profile.spec)
    checker = TraceChecker(profile, TimeBudgets(), epoch_s)
    for record in records:
        is_answer = isinstance(record, Sent) and record.what == "respond"
        checker.feed(msgspec.structs.replace(record, approves=approves) if is_answer else record)
    checker.finish()
    assert [finding.rule for finding in checker.findings] == (["PAIRING-2"] if approves else [])


def test_acp_calls_keep_their_names_and_may_change_their_titles() -> None:
    calls = (
        update("tool_call", toolCallId="c1", title="Write a.txt", status="pending", rawInput={}),
        update("tool_call", toolCallId="c2", title="Read b.txt", status="pending", rawInput={}),
        permission(0, "c1", "Write 3 lines to a.txt", rawInput={"path": "a.txt"}),
        chosen(0, "allow_once"),
        update("tool_call", toolCallId="c3", title="Write c.txt", status="pending", rawInput={}),
        permission(1, "c3", "Write c.txt", rawInput={"path": "c.txt"}),
        chosen(1, "allow_once"),
    )
    done = (
        update("tool_call_update", toolCallId="c1", status="completed", title="Wrote 3 lines to a.txt"),
        update("tool_call_update", toolCallId="c2", status="completed"),
        update("tool_call_update", toolCallId="c3", status="completed"),
    )
    seen = read("acp", *PREPARED, *calls, *done, said("Done."), ENDED)
    tools = [event[1] for event in seen.events["ada"] if event[0] == "tool_completed"]
    assert (tools, seen.findings) == (["Write a.txt", "Read b.txt", "Write c.txt"], [])


# AG-UI: the run that goes on after an interrupt may have an id of its own.

INTERRUPTED = {"type": "interrupt", "interrupts": [{"id": "i1", "reason": "tool_call", "toolCallId": "c1"}]}


def ag_ui(kind: str, **values: Any) -> tuple[str, Body]:
    return IN, {"type": kind, **values}


def asks(run: str) -> tuple[str, Body]:
    message = {"id": "m1", "role": "user", "content": "send an email"}
    return OUT, {
        "threadId": "t1", "runId": run, "state": {}, "messages": [message], "tools": [], "context": [],
        "forwardedProps": {},
    }  # fmt: skip


def resumes(run: str) -> tuple[str, Body]:
    answer = {"interruptId": "i1", "status": "resolved", "payload": {"approved": True}}
    return OUT, {
        "threadId": "t1", "runId": run, "state": {}, "messages": [], "tools": [], "context": [],
        "forwardedProps": {}, "resume": [answer],
    }  # fmt: skip


@pytest.mark.parametrize("run", ["r1", "r2"])
def test_ag_ui_goes_on_after_an_interrupt_under_any_run_id(run: str) -> None:
    first = (
        asks("r1"),
        ag_ui("RUN_STARTED", threadId="t1", runId="r1"),
        ag_ui("TOOL_CALL_START", toolCallId="c1", toolCallName="send_email"),
        ag_ui("RUN_FINISHED", threadId="t1", runId="r1", outcome=INTERRUPTED),
        resumes(run),
        ag_ui("RUN_STARTED", threadId="t1", runId=run),
        ag_ui("TOOL_CALL_RESULT", toolCallId="c1", messageId="m2", content="sent"),
        ag_ui("TEXT_MESSAGE_CONTENT", messageId="m3", delta="It was sent."),
        ag_ui("RUN_FINISHED", threadId="t1", runId=run, outcome={"type": "success"}),
    )
    then = (
        asks("r3"),
        ag_ui("RUN_STARTED", threadId="t1", runId="r3"),
        ag_ui("TEXT_MESSAGE_CONTENT", messageId="m4", delta="Yes?"),
        ag_ui("RUN_FINISHED", threadId="t1", runId="r3"),
    )
    seen = read("ag-ui", *first, *then)
    assert [event[0] for event in seen.events["ada"]] == [
        "agent_started", "tool_executing", "input_requested", "tool_completed", "agent_completed",
        "agent_started", "agent_completed",
    ]  # fmt: skip
    assert ([event.run for event in seen.whole["ada"]], seen.findings) == (["r1"] * 5 + ["r3"] * 2, [])


# A run that asks, what its user answers, and the run that goes on with it.
AG_UI_ANSWERED = (
    asks("r1"),
    ag_ui("RUN_STARTED", threadId="t1", runId="r1"),
    ag_ui("TOOL_CALL_START", toolCallId="c1", toolCallName="send_email"),
    ag_ui("RUN_FINISHED", threadId="t1", runId="r1", outcome=INTERRUPTED),
    resumes("resume-1"),
)
AG_UI_RESUMED = (
    ag_ui("RUN_STARTED", threadId="t1", runId="resume-1"),
    ag_ui("TOOL_CALL_RESULT", toolCallId="c1", messageId="m2", content="sent"),
    ag_ui("TEXT_MESSAGE_CONTENT", messageId="m3", delta="It was sent."),
    ag_ui("RUN_FINISHED", threadId="t1", runId="resume-1", outcome={"type": "success"}),
)


def test_ag_ui_refuses_a_second_answer_with_a_run_that_fails() -> None:
    seen = read(
        "ag-ui",
        *AG_UI_ANSWERED,
        resumes("resume-2"),
        *AG_UI_RESUMED,
        ag_ui("RUN_STARTED", threadId="t1", runId="resume-2"),
        ag_ui("RUN_ERROR", message="The request answers a call that the stored conversation is not waiting on."),
    )
    assert [event[0] for event in seen.events["ada"]] == [
        "agent_started", "tool_executing", "input_requested", "tool_completed", "agent_completed",
    ]  # fmt: skip
    assert seen.findings == []


@pytest.mark.parametrize("profile", ["ag-ui", "ag-ui-sse"])
@pytest.mark.parametrize("is_approved", [False, True, None])
def test_ag_ui_fails_after_a_run_that_has_finished(profile: str, is_approved: bool | None) -> None:
    failed = ag_ui("RUN_ERROR", message="The answer could not be stored.")
    approved = (*AG_UI_ANSWERED, *AG_UI_RESUMED)
    refused = (resumes("resume-2"), ag_ui("RUN_STARTED", threadId="t1", runId="resume-2"), failed)
    asked = (
        asks("r2"),
        ag_ui("RUN_STARTED", threadId="t1", runId="r2"),
        ag_ui("TEXT_MESSAGE_CONTENT", messageId="m4", delta="High."),
        ag_ui("RUN_FINISHED", threadId="t1", runId="r2"),
    )
    after = {True: (failed,), False: (*refused, *asked, failed), None: (*refused, failed)}
    frames = (*approved, *after[is_approved])
    seen = read(profile, *frames)
    assert [event[0] for event in seen.events["ada"]][-2:] == ["agent_completed", "agent_failed"]
    assert seen.findings == [("LIFECYCLE-2", "ada")]


def test_ag_ui_fails_in_a_run_that_an_answer_continues() -> None:
    seen = read(
        "ag-ui",
        *AG_UI_ANSWERED,
        ag_ui("RUN_STARTED", threadId="t1", runId="resume-1"),
        ag_ui("RUN_ERROR", message="The mail server is away."),
    )
    assert [event[0] for event in seen.events["ada"]] == [
        "agent_started", "tool_executing", "input_requested", "agent_failed",
    ]  # fmt: skip
    assert {rule for rule, _ in seen.findings} == {"CONTENT-4"}


def test_ag_ui_says_that_a_run_was_cancelled() -> None:
    end = ag_ui("RUN_FINISHED", threadId="t1", runId="r1", outcome={"type": "cancelled"})
    seen = read("ag-ui", asks("r1"), ag_ui("RUN_STARTED", threadId="t1", runId="r1"), end)
    assert [event[0] for event in seen.events["ada"]] == ["agent_started", "agent_stopped"]


def test_ag_ui_names_the_tool_of_each_of_several_calls() -> None:
    calls = (
        ag_ui("TOOL_CALL_START", toolCallId="c1", toolCallName="weather"),
        ag_ui("TOOL_CALL_START", toolCallId="c2", toolCallName="email"),
        ag_ui("TOOL_CALL_RESULT", toolCallId="c1", messageId="m2", content="rain"),
        ag_ui("TOOL_CALL_RESULT", toolCallId="c2", messageId="m3", content="sent"),
    )
    end = (
        ag_ui("TEXT_MESSAGE_CONTENT", messageId="m3", delta="Rain."),
        ag_ui("RUN_FINISHED", threadId="t1", runId="r1"),
    )
    seen = read("ag-ui", asks("r1"), ag_ui("RUN_STARTED", threadId="t1", runId="r1"), *calls, *end)
    tools = [event[1] for event in seen.events["ada"] if event[0] == "tool_completed"]
    assert (tools, seen.findings) == (["weather", "email"], [])


# Agents over JSON-RPC say what has become of a request of theirs, and warn.


def test_json_rpc_says_that_a_request_was_resolved() -> None:
    ids = {"threadId": "t1", "turnId": "u1"}
    item = {"id": "c1", "type": "commandExecution", "command": "ls", "status": "inProgress"}
    prompt = [{"type": "text", "text": "list the files"}]
    seen = read(
        "json-rpc",
        (OUT, {"id": "thread", "method": "thread/start", "params": {}}),
        (IN, {"id": "thread", "result": {"thread": {"id": "t1"}}}),
        (OUT, {"id": "q1", "method": "turn/start", "params": {"threadId": "t1", "input": prompt}}),
        (IN, {"method": "turn/started", "params": {"threadId": "t1", "turn": {"id": "u1", "status": "inProgress"}}}),
        (IN, {"method": "warning", "params": {"threadId": "t1", "message": "the sandbox is off"}}),
        (IN, {"method": "item/started", "params": {**ids, "item": item}}),
        (IN, {"id": 0, "method": "item/commandExecution/requestApproval", "params": {**ids, "itemId": "c1"}}),
        (OUT, {"id": 0, "result": {"decision": "decline"}}),
        (IN, {"method": "serverRequest/resolved", "params": {"threadId": "t1", "requestId": 0}}),
        (IN, {"method": "item/completed", "params": {**ids, "item": {**item, "status": "declined"}}}),
        (IN, {"method": "item/agentMessage/delta", "params": {**ids, "itemId": "m1", "delta": "Not listed."}}),
        (
            IN,
            {
                "method": "item/completed",
                "params": {**ids, "item": {"id": "m1", "type": "agentMessage", "text": "Not listed."}},
            },
        ),
        (
            IN,
            {
                "method": "error",
                "params": {**ids, "error": {"message": "the stream was cut"}, "willRetry": True},
            },
        ),
        (IN, {"method": "turn/completed", "params": {"threadId": "t1", "turn": {"id": "u1", "status": "completed"}}}),
    )
    assert [event[0] for event in seen.events["ada"]] == [
        "agent_started", "tool_executing", "input_requested", "tool_completed", "agent_completed",
    ]  # fmt: skip
    assert seen.findings == []


# The AI SDK's stream names a tool in its input only.


def test_ai_sdk_names_the_tool_of_each_of_several_calls() -> None:
    message = {"id": "q1", "role": "user", "parts": [{"type": "text", "text": "weather and mail"}]}
    parts = (
        {"type": "start"},
        {"type": "tool-input-available", "toolCallId": "c1", "toolName": "weather", "input": {}},
        {"type": "tool-input-available", "toolCallId": "c2", "toolName": "email", "input": {}},
        {"type": "tool-approval-request", "approvalId": "a1", "toolCallId": "c1"},
        {"type": "tool-output-denied", "toolCallId": "c1"},
        {"type": "tool-output-available", "toolCallId": "c2", "output": "sent"},
        {"type": "text-delta", "id": "m1", "delta": "Sent."},
        {"type": "finish", "finishReason": "stop"},
    )
    asked = (OUT, {"id": "chat", "trigger": "submit-message", "messages": [message]})
    seen = read("ai-sdk", asked, *((IN, part) for part in parts))
    assert [event[:3] for event in seen.events["ada"]] == [
        ("agent_started", None, None),
        ("tool_executing", "weather", "c1"),
        ("tool_executing", "email", "c2"),
        ("input_requested", "weather", "c1"),
        ("tool_completed", "weather", "c1"),
        ("tool_completed", "email", "c2"),
        ("agent_completed", None, None),
    ]
