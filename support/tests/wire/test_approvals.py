"""Frames of four real servers that ask before a tool runs, as they came: what is asked, answered, and done then."""

import pytest
from greenlight_gate.events import Event
from greenlight_gate.wire.profile import Profile

from support.tests.wire.recorded import PROFILES, Recorded, Short, capture, shipped
from support.tests.wire.test_documented import OUT, conversation

STARTED: Short = ("agent_started", None, None, None)
EMAIL = "send_email"
MAY_I = "Tool execution requires approval\n\nTool: send_email\nArgs: {'to': 'ada'}"
REJECTED = (
    "User rejected the tool call for `send_email` with id call_1. The tool was not executed. Do not retry this tool "
    "call unless the user explicitly requests it."
)
THINKS: Short = ("agent_thinking", None, None, "Let me ")
K = "calculator"


def asked(seen: Recorded, who: str) -> Event:
    return next(event for event in seen.whole[who] if event.kind == "input_requested")


def test_acp() -> None:
    seen = Recorded(shipped("acp"), capture("acp"))
    asks: list[Short] = [
        THINKS, ("tool_executing", EMAIL, "call_1", None), ("input_requested", EMAIL, "call_1", EMAIL)
    ]  # fmt: skip
    assert seen.events == {
        "ada": [
            *asks,
            ("tool_completed", EMAIL, "call_1", "sent to ada"),
            ("agent_completed", None, None, "It was sent. You asked: send an email, marker-ADA"),
        ],
        "bashir": [
            *asks,
            ("tool_completed", EMAIL, "call_1", "rejected"),
            ("agent_completed", None, None, "It was not sent. You asked: send an email, marker-BASHIR"),
        ],
        "chiara": [
            THINKS,
            ("tool_executing", K, "call_2", None),
            ("tool_completed", K, "call_2", "391"),
            ("agent_completed", None, None, "391 You asked: what is 17*23?"),
        ],
        "dayo": [THINKS, ("agent_stopped", None, None, None)],
        "emi": [THINKS, ("agent_failed", None, None, "refusal")],
    }
    assert all(kinds == ["agent_started"] for kinds in seen.inferred.values())
    tools = [event for who in ("ada", "bashir") for event in seen.whole[who] if event.kind == "tool_completed"]
    assert [tool.tool_failed for tool in tools] == [False, True]
    assert (asked(seen, "ada").input, asked(seen, "ada").choices[0]["optionId"]) == ("0", "yes")
    # It refuses to answer the last question.
    assert (seen.unmapped, seen.findings, seen.foreign) == ([], [("CONTENT-4", "emi")], {})


def test_langgraph() -> None:
    seen = Recorded(shipped("langgraph"), capture("langgraph"))
    assert seen.events == {
        "ada": [
            STARTED,
            ("input_requested", EMAIL, None, MAY_I),
            ("tool_executing", EMAIL, "call_1", None),
            ("tool_completed", EMAIL, "call_1", "sent to ada"),
            ("agent_completed", None, None, "sent to ada is the result for: email marker-ADA"),
        ],
        "bashir": [
            STARTED,
            ("input_requested", EMAIL, None, MAY_I),
            ("agent_completed", None, None, f"{REJECTED} is the result for: email marker-BASHIR"),
        ],
        "chiara": [
            STARTED,
            ("tool_executing", K, "call_2", None),
            ("tool_completed", K, "call_2", "391"),
            ("agent_completed", None, None, "391 is the result for: 17*23 marker-CHIARA"),
        ],
        "dayo": [STARTED, ("agent_failed", None, None, "the model broke")],
    }
    # Two runs of the protocol, before and after the interrupt, are one here.
    assert all(len({event.run for event in events}) == 1 for events in seen.whole.values())
    assert asked(seen, "ada").choices == ["approve", "edit", "reject", "respond"]
    assert (seen.unmapped, seen.findings, seen.foreign) == ([], [("CONTENT-4", "dayo")], {})


def test_agno() -> None:
    seen = Recorded(shipped("agno"), capture("agno-approval"))
    assert {who: [kind for kind, *_ in events] for who, events in seen.events.items()} == {
        "ada": [
            "agent_started", "agent_thinking", "input_requested", "tool_executing", "tool_completed",
            "agent_completed",
        ],
        "bashir": ["agent_started", "agent_thinking", "input_requested", "agent_completed"],
    }  # fmt: skip
    request = asked(seen, "ada")
    tools = [event.call for event in seen.whole["ada"] if event.kind in ("tool_executing", "tool_completed")]
    assert (request.tool, tools) == (K, [request.call, request.call])
    assert seen.events["bashir"][-1][3] == (
        "Answer to <Plan: use the calculator. What is 17*23? marker-bashir>: Function call was rejected by the user"
    )
    assert all(len({event.run for event in events}) == 1 for events in seen.whole.values())
    assert (seen.unmapped, seen.findings, seen.foreign) == ([], [], {})


def test_ai_sdk() -> None:
    seen = Recorded(shipped("ai-sdk"), capture("ai-sdk"))
    asks: list[Short] = [
        STARTED, THINKS, ("tool_executing", EMAIL, "call_1", None), ("input_requested", EMAIL, "call_1", EMAIL)
    ]  # fmt: skip
    assert seen.events == {
        "ada": [
            *asks,
            ("tool_completed", EMAIL, "call_1", "sent to ada"),
            THINKS,
            ("agent_completed", None, None, '"sent to ada" for: Send a mail, marker-ADA'),
        ],
        "bashir": [
            *asks,
            ("tool_completed", EMAIL, "call_1", "tool-output-denied"),
            THINKS,
            ("agent_completed", None, None, '"execution-denied" for: send a mail, marker-BASHIR'),
        ],
        "chiara": [
            STARTED,
            THINKS,
            ("tool_executing", K, "call_2", None),
            ("tool_completed", K, "call_2", "391"),
            THINKS,
            ("agent_completed", None, None, "391 for: what is 17*23?"),
        ],
    }
    # Two streams, before and after the approval, are one run.
    assert all(len({event.run for event in events}) == 1 for events in seen.whole.values())
    assert (seen.unmapped, seen.findings, seen.foreign) == ([], [], {})


@pytest.mark.parametrize(("name", "said"), [("agno-approval", '"confirmation": true'), ("langgraph", '"approve"')])
def test_a_recorded_answer_is_known_by_its_choice(name: str, said: str) -> None:
    """What was approved on the wire, read with a profile that calls it a denial, has run against it."""
    text = (PROFILES / f"{name.removesuffix('-approval')}.toml").read_text()
    approve, deny = (line for line in text.splitlines() if line.startswith(("approve = ", "deny = ")))
    denies, approves = deny.replace("deny", "approve", 1), approve.replace("approve", "deny", 1)
    swapped = text.replace(f"{approve}\n{deny}\n", f"{denies}\n{approves}\n")
    assert any(said.replace(" ", "") in line.decode().replace(" ", "") for line in capture(name))
    assert ("INPUT-3", "ada") in Recorded(Profile.from_toml(swapped), capture(name)).findings


def test_an_answer_that_comes_twice_is_not_called_empty() -> None:
    """What the profile gathers of a run ends with it: that the second end has no text is not the server's fault."""
    answer = [{"type": "text-delta", "id": "t", "delta": "391"}, {"type": "finish", "finishReason": "stop"}]
    parts = [{"type": "text", "text": "17*23?"}]
    asks = {"id": "c", "trigger": "submit-message", "messages": [{"id": "m", "role": "user", "parts": parts}]}
    seen = Recorded(shipped("ai-sdk"), conversation((OUT, asks), {"type": "start"}, *answer, *answer))
    assert seen.findings == [("LIFECYCLE-3", "ada"), ("LIFECYCLE-2", "ada")]


def test_a_result_that_comes_twice_and_names_its_call_only_is_not_called_nameless() -> None:
    call = {"type": "tool-input-available", "toolCallId": "k", "toolName": K, "input": {}}
    result = {"type": "tool-output-available", "toolCallId": "k", "output": 391}
    answer = [{"type": "text-delta", "id": "t", "delta": "391"}, {"type": "finish", "finishReason": "stop"}]
    parts = [{"type": "text", "text": "17*23?"}]
    asks = {"id": "c", "trigger": "submit-message", "messages": [{"id": "m", "role": "user", "parts": parts}]}
    lines = conversation((OUT, asks), {"type": "start"}, call, result, result, *answer)
    assert Recorded(shipped("ai-sdk"), lines).findings == [("PAIRING-1", "ada")]
