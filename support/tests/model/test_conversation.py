"""What is read from the bodies of the three wire formats."""

from typing import Any

import pytest
from greenlight_gate.model.conversation import Conversation, input_items, of_chat, of_messages, of_responses

ASKED = Conversation("What is 2*3?", "Hello", 1, ("6",), ("calculator",), "Be brief.")
CHAT: dict[str, Any] = {
    "tools": [{"type": "function", "function": {"name": "calculator"}}],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": [{"type": "text", "text": "What is 2*3?"}]},
        {"role": "assistant", "tool_calls": [{"id": "call_1", "function": {"name": "calculator", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "6"},
    ],
}
RESPONSES: dict[str, Any] = {
    "instructions": "Be brief.",
    "tools": [{"type": "function", "name": "calculator"}],
    "input": [
        {"role": "user", "content": "Hello"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello!"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What is 2*3?"}]},
        {"type": "reasoning", "summary": []},
        {"type": "function_call", "call_id": "call_1", "name": "calculator", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "6"},
    ],
}
MESSAGES: dict[str, Any] = {
    "system": [{"type": "text", "text": "Be brief."}],
    "tools": [{"name": "calculator", "input_schema": {}}],
    "messages": [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": [{"type": "text", "text": "Hello!"}]},
        {"role": "user", "content": [{"type": "text", "text": "What is 2*3?"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "calculator", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "6"}]},
    ],
}


def test_a_conversation_with_a_tool_is_the_same_in_each_wire_format() -> None:
    assert of_chat(CHAT) == of_responses(input_items(RESPONSES), RESPONSES) == of_messages(MESSAGES) == ASKED


def test_calls_with_other_instructions_or_tools_have_another_role() -> None:
    others: tuple[dict[str, Any], ...] = ({}, {"tools": []}, {"messages": CHAT["messages"][1:]})
    roles = [of_chat({**CHAT, **other}).role for other in others]
    assert len({*roles, of_messages(MESSAGES).role}) == 3
    # What users and tools say is not part of it.
    assert of_chat({**CHAT, "messages": CHAT["messages"][:2]}).role == roles[0]


def test_parallel_calls_of_a_tool_are_one_round() -> None:
    call = {"type": "function_call", "call_id": "call_1", "name": "calculator", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "call_1", "output": "6"}
    items = ({"role": "user", "content": "What is 2*3?"}, call, call, result, result, call, result)

    assert of_responses(items, {}) == Conversation("What is 2*3?", "", 2, ("6", "6", "6"), ())


def test_a_text_is_a_message_of_the_user() -> None:
    body = {"input": "What is 2*3?"}

    assert of_responses(input_items(body), body) == Conversation("What is 2*3?", "", 0, (), ())


@pytest.mark.parametrize(
    "body",
    [
        {}, {"messages": None, "tools": 1}, {"messages": "x", "input": 7}, {"messages": [1, None], "input": [1, None]},
        {"messages": [{"role": "user"}], "input": [{"role": "user"}], "tools": [{}, {"function": None}]},
        {"messages": [{"role": "user", "content": [{"text": 1}, 2]}], "input": [{"type": 5, "content": {}}]},
    ],
)  # fmt: skip
def test_what_is_no_conversation_asks_nothing(body: dict[str, Any]) -> None:
    read = (of_chat(body), of_messages(body), of_responses(input_items(body), body))

    assert {(each.asked, each.rounds, each.results) for each in read} <= {("", 0, ()), ("x", 0, ())}
