"""An answer that the model did not finish is not a finished answer, whatever frame says that it is over."""

from typing import Any

import msgspec
import pytest
from greenlight_gate.events import Event, each

from support.tests.wire.recorded import shipped

Body = dict[str, Any]


def last(profile: str, *frames: Body) -> tuple[str, str | None]:
    """Kind and text of the last event in these frames."""
    reader = shipped(profile).reader()
    parts = [part for frame in frames for part in each(reader.read(msgspec.json.encode(frame)))]
    event = next(part for part in reversed(parts) if isinstance(part, Event))
    return str(event.kind), event.text


CREATED: Body = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}}
PIECE: Body = {"type": "response.output_text.delta", "delta": "Half an ans", "response_id": "resp_1"}


@pytest.mark.parametrize(
    ("kind", "response", "end"),
    [
        ("completed", {"status": "completed"}, ("agent_completed", "Half an ans")),
        ("completed", {}, ("agent_completed", "Half an ans")),
        (
            "incomplete",
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            ("agent_failed", "max_output_tokens"),
        ),
        ("incomplete", {"status": "incomplete", "incomplete_details": None}, ("agent_failed", "incomplete")),
        (
            "completed",
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            ("agent_failed", "content_filter"),
        ),
        ("failed", {"status": "failed", "error": {"message": "overloaded"}}, ("agent_failed", "overloaded")),
        ("completed", {"status": "cancelled"}, ("agent_stopped", None)),
    ],
)
def test_openai_responses(kind: str, response: Body, end: tuple[str, str | None]) -> None:
    ends = {"type": f"response.{kind}", "response": {"id": "resp_1", **response}}
    assert last("openai-responses", CREATED, PIECE, ends) == end


def test_a_refusal_is_an_answer_of_openai_responses() -> None:
    output = [{"type": "message", "content": [{"type": "refusal", "refusal": "I cannot help with that."}]}]
    ends = {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": output}}
    assert last("openai-responses", CREATED, ends) == ("agent_completed", "I cannot help with that.")


@pytest.mark.parametrize(
    ("response", "end"),
    [
        ({"status": "completed"}, ("agent_completed", "Half an ans")),
        (
            {"status": "incomplete", "status_details": {"type": "incomplete", "reason": "max_output_tokens"}},
            ("agent_failed", "max_output_tokens"),
        ),
        (
            {"status": "incomplete", "status_details": {"type": "incomplete", "reason": "content_filter"}},
            ("agent_failed", "content_filter"),
        ),
        (
            {"status": "failed", "status_details": {"error": {"message": "overloaded"}}},
            ("agent_failed", "overloaded"),
        ),
        (
            {"status": "cancelled", "status_details": {"reason": "client_cancelled"}},
            ("agent_stopped", "client_cancelled"),
        ),
    ],
)
def test_openai_realtime(response: Body, end: tuple[str, str | None]) -> None:
    ends = {"type": "response.done", "response": {"id": "resp_1", **response}}
    assert last("openai-realtime", CREATED, PIECE, ends) == end


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        ("stop", ("agent_completed", "Half an ans")),
        ("length", ("agent_failed", "length")),
        ("content-filter", ("agent_failed", "content-filter")),
        ("error", ("agent_failed", "error")),
    ],
)
def test_ai_sdk(reason: str, end: tuple[str, str | None]) -> None:
    start, piece = {"type": "start"}, {"type": "text-delta", "id": "t", "delta": "Half an ans"}
    assert last("ai-sdk", start, piece, {"type": "finish", "finishReason": reason}) == end


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        ("end_turn", ("agent_completed", "Half an ans")),
        ("max_tokens", ("agent_failed", "max_tokens")),
        ("max_turn_requests", ("agent_failed", "max_turn_requests")),
        ("refusal", ("agent_failed", "refusal")),
        ("cancelled", ("agent_stopped", None)),
    ],
)
def test_acp(reason: str, end: tuple[str, str | None]) -> None:
    chunk = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "Half an ans"}}
    update = {"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "s", "update": chunk}}
    assert last("acp", update, {"jsonrpc": "2.0", "id": "q", "result": {"stopReason": reason}}) == end


@pytest.mark.parametrize(
    ("said", "end"),
    [
        (("stderr", "\nKeyboardInterrupt\n\n"), ("agent_stopped", "\nKeyboardInterrupt\n\n")),
        (
            ("stderr", "KeyboardInterrupt is what a stop raises"),
            ("agent_completed", "KeyboardInterrupt is what a stop raises"),
        ),
        (("stdout", "KeyboardInterrupt"), ("agent_completed", "KeyboardInterrupt")),
    ],
)
def test_a_cell_of_jupyter_that_is_interrupted_twice(said: tuple[str, str], end: tuple[str, str | None]) -> None:
    asked = {"msg_id": "req-1", "msg_type": "execute_request"}
    frames: list[Body] = [
        {"msg_type": kind, "header": {"msg_id": "m"}, "parent_header": asked, "content": content}
        for kind, content in (
            ("status", {"execution_state": "busy"}),
            ("execute_input", {"code": "wait()"}),
            ("stream", {"name": said[0], "text": said[1]}),
            ("status", {"execution_state": "idle"}),
        )
    ]
    assert last("jupyter", *frames) == end
