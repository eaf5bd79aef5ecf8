"""What is written in each wire format for one answer: reasoning, a text, and a call of a tool."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from greenlight_gate.model.chat_completions import ChatCompletions
from greenlight_gate.model.messages import Messages
from greenlight_gate.model.playing import Arguments, CallTool, Finish, Piece, Say, Think
from greenlight_gate.model.reply import ModelReply, WireFormat
from greenlight_gate.model.responses import Responses

ANSWER = (Think("Hm"), Say("Grüße"), CallTool("add", "a"), Arguments("{}"), Finish("tool_calls"))
CUT_SHORT = (Say("We"), Finish("length"))
Make = Callable[[ModelReply], WireFormat]


def chat(reply: ModelReply) -> WireFormat:
    return ChatCompletions(reply, {"stream_options": {"include_usage": True}})


def reply() -> ModelReply:
    return ModelReply("m", 3, id="1", created_epoch_s=5.0)


def streamed(make: Make, pieces: tuple[Piece, ...]) -> bytes:
    wire = make(reply())
    sent = wire.first()
    for piece in pieces:
        wire.reply.take(piece)
        sent += wire.piece(piece)
    return sent


def whole(make: Make, pieces: tuple[Piece, ...]) -> Mapping[str, Any]:
    wire = make(reply())
    for piece in pieces:
        wire.reply.take(piece)
    return wire.whole()


def events(sent: bytes) -> list[dict[str, Any]]:
    """The data of each event; its name, if it has one, is its type."""
    read = []
    for event in sent.decode().removesuffix("\n\n").split("\n\n"):
        match = re.fullmatch(r"(?:event: (.*)\n)?data: (.*)", event)
        assert match is not None, event
        read.append(json.loads(match[2]))
        assert match[1] == read[-1]["type"]
    return read


CHUNK = (
    'data: {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 5, "model": "m", '
    '"choices": [{"index": 0, "delta": %s, "logprobs": null, "finish_reason": %s}]}\n\n'
)


def test_chat_completions_streamed() -> None:
    called = (
        '{"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "add", "arguments": ""}}]}'
    )
    usage = '"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}'

    assert streamed(chat, ANSWER).decode() == "".join(
        (
            CHUNK % ('{"role": "assistant", "content": ""}', "null"),
            CHUNK % ('{"reasoning_content": "Hm"}', "null"),
            CHUNK % ('{"content": "Grüße"}', "null"),
            CHUNK % (called, "null"),
            CHUNK % ('{"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}', "null"),
            CHUNK % ("{}", '"tool_calls"'),
            re.sub(r'"choices".*(?=}\n\n)', usage, CHUNK),
            "data: [DONE]\n\n",
        )
    )
    assert (CHUNK % ("{}", '"length"')).encode() in streamed(chat, CUT_SHORT)


def test_chat_completions_whole() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    message = {
        "role": "assistant", "content": "Grüße", "refusal": None, "reasoning_content": "Hm", "tool_calls": [call]
    }  # fmt: skip

    assert whole(chat, ANSWER) == {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 5, "model": "m",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    }  # fmt: skip


THOUGHT: dict[str, Any] = {
    "id": "rs_10", "type": "reasoning", "status": "completed", "summary": [{"type": "summary_text", "text": "Hm"}]
}  # fmt: skip
TEXT = {"type": "output_text", "text": "Grüße", "annotations": [], "logprobs": []}
SAID: dict[str, Any] = {
    "id": "msg_11",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "content": [TEXT],
}
CALLED: dict[str, Any] = {
    "id": "fc_12", "type": "function_call", "status": "completed", "call_id": "a", "name": "add", "arguments": "{}"
}  # fmt: skip


def test_responses_streamed() -> None:
    read = events(streamed(Responses, ANSWER))
    place = [{"item_id": item["id"], "output_index": index} for index, item in enumerate((THOUGHT, SAID, CALLED))]
    open_ = {"status": "in_progress"}

    assert [each.pop("sequence_number") for each in read] == list(range(19))
    assert [each.pop("type").removeprefix("response.") for each in read] == [
        "created", "in_progress",
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "completed",
    ]  # fmt: skip
    assert read[2:18] == [
        {"output_index": 0, "item": {**THOUGHT, **open_, "summary": []}},
        {**place[0], "summary_index": 0, "part": {"type": "summary_text", "text": ""}},
        {**place[0], "summary_index": 0, "delta": "Hm"},
        {**place[0], "summary_index": 0, "text": "Hm"},
        {**place[0], "summary_index": 0, "part": {"type": "summary_text", "text": "Hm"}},
        {"output_index": 0, "item": THOUGHT},
        {"output_index": 1, "item": {**SAID, **open_, "content": []}},
        {**place[1], "content_index": 0, "part": {**TEXT, "text": ""}},
        {**place[1], "content_index": 0, "delta": "Grüße", "logprobs": []},
        {**place[1], "content_index": 0, "text": "Grüße", "logprobs": []},
        {**place[1], "content_index": 0, "part": TEXT},
        {"output_index": 1, "item": SAID},
        {"output_index": 2, "item": {**CALLED, **open_, "arguments": ""}},
        {**place[2], "delta": "{}"},
        {**place[2], "arguments": "{}", "name": "add"},
        {"output_index": 2, "item": CALLED},
    ]
    assert read[0] == read[1]
    assert {name: read[0]["response"][name] for name in ("id", "status", "output", "usage")} == {
        "id": "resp_1", "status": "in_progress", "output": [], "usage": None
    }  # fmt: skip
    assert read[18] == {"response": whole(Responses, ANSWER)}


def test_responses_whole() -> None:
    answered, cut_short = whole(Responses, ANSWER), whole(Responses, CUT_SHORT)

    assert (answered["status"], answered["incomplete_details"]) == ("completed", None)
    assert answered["output"] == [THOUGHT, SAID, CALLED]
    assert answered["usage"] == {
        "input_tokens": 3, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 7,
    }  # fmt: skip
    assert (cut_short["status"], cut_short["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert cut_short["output"][0]["status"] == "incomplete"
    assert events(streamed(Responses, CUT_SHORT))[-1] == {
        "type": "response.incomplete", "sequence_number": 8, "response": cut_short
    }  # fmt: skip


def test_messages_streamed() -> None:
    head: dict[str, Any] = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 0},
    }  # fmt: skip

    def begin(index: int, **block: object) -> dict[str, object]:
        return {"type": "content_block_start", "index": index, "content_block": block}

    def delta(index: int, **part: object) -> dict[str, object]:
        return {"type": "content_block_delta", "index": index, "delta": part}

    assert events(streamed(Messages, ANSWER)) == [
        {"type": "message_start", "message": head},
        {"type": "ping"},
        begin(0, type="thinking", thinking="", signature=""),
        delta(0, type="thinking_delta", thinking="Hm"),
        delta(0, type="signature_delta", signature="c2lnbmVk"),
        {"type": "content_block_stop", "index": 0},
        begin(1, type="text", text=""),
        delta(1, type="text_delta", text="Grüße"),
        {"type": "content_block_stop", "index": 1},
        begin(2, type="tool_use", id="a", name="add", input={}),
        delta(2, type="input_json_delta", partial_json="{}"),
        {"type": "content_block_stop", "index": 2},
        {
            "type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 4},
        },
        {"type": "message_stop"},
    ]  # fmt: skip


def test_messages_whole() -> None:
    assert whole(Messages, ANSWER) == {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "c2lnbmVk"},
            {"type": "text", "text": "Grüße"},
            {"type": "tool_use", "id": "a", "name": "add", "input": {}},
        ],
        "stop_reason": "tool_use", "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 4},
    }  # fmt: skip
    assert whole(Messages, CUT_SHORT)["stop_reason"] == "max_tokens"


@pytest.mark.parametrize("make", [chat, Responses, Messages])
def test_a_malformed_chunk_is_no_json(make: Make) -> None:
    chunk = make(reply()).broken().decode().removesuffix("\n\n").rpartition("data: ")[2]

    with pytest.raises(json.JSONDecodeError):
        json.loads(chunk)


@pytest.mark.parametrize(
    ("make", "status", "body"),
    [
        (chat, 429, {"type": "rate_limit_exceeded", "code": "rate_limit_exceeded", "message": "x", "param": None}),
        (Responses, 500, {"type": "server_error", "code": "server_error", "message": "x", "param": None}),
        (Messages, 429, {"type": "rate_limit_error", "message": "x"}),
        (Messages, 500, {"type": "api_error", "message": "x"}),
    ],
)
def test_a_refusal_is_written_as_the_provider_writes_it(make: Make, status: int, body: dict[str, object]) -> None:
    assert make(reply()).error(status, "x")["error"] == body
