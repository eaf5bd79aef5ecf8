"""The server on a real socket: each fault as a client sees it, and what is recorded of each call."""

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from greenlight_gate.model.script import load_script

from support.tests.model.serving import DEADLINE_S, RunningModel, served

SCRIPT = """
pace_ms = 0
late_s = 0.01
retry_after_s = 7
[[answers]]
when = "add"
steps = [{ call = "add", arguments = { a = 1 } }, { say = "It is {result}." }]
"""
FAULTY = """
[[answers]]
ask = "show NAME"
fault = "NAME"
steps = [{ say = "one two three four" }]
"""
ONCE = 'fault_times = 1\n[[answers]]\nask = "ping"\nsteps = [{ say = "pong" }]'
PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages")


@pytest.fixture
def model(tmp_path: Path) -> Iterator[RunningModel]:
    faults = (
        "cut",
        "stall",
        "endless",
        "malformed_chunk",
        "length",
        "content_filter",
        "empty",
        "rate_limit",
        "slow_start",
    )
    text = SCRIPT + "".join(FAULTY.replace("NAME", name) for name in faults)
    (tmp_path / "model.toml").write_text(text + FAULTY.replace("NAME", "server_error") + ONCE, encoding="utf-8")
    with served(load_script("model.toml", tmp_path)) as running:
        yield running


@pytest.mark.parametrize("path", PATHS)
def test_a_stream_is_whole_and_recorded(model: RunningModel, path: str) -> None:
    answered = model.ask(path, "add", tools=[{"name": "add"}])

    assert (answered.status, answered.headers["content-type"]) == (200, "text/event-stream")
    assert b'"add"' in answered.body
    (call,) = model.calls()
    assert call["took_s"] >= 0
    assert json.loads(call.pop("body"))["tools"] == [{"name": "add"}]
    assert call | {
        "number": 1, "wire": path.removeprefix("/v1"), "model": "m", "stream": True, "asked": "add", "tools": ["add"],
        "scripted": True, "state": "finished",
    } == call  # fmt: skip


def test_calls_are_listed_from_a_number_on_or_of_the_last_seconds(model: RunningModel) -> None:
    for prompt in ("add", "ping"):
        model.ask(PATHS[0], prompt)
    listed = model.get("/calls").json
    first, second = listed["calls"]

    assert first["began_epoch_s"] < second["began_epoch_s"] < listed["now_epoch_s"]
    assert model.get("/calls?after=1").json["calls"] == [second]
    ago_s = listed["now_epoch_s"] - second["began_epoch_s"]
    assert model.get(f"/a/path/calls?last_s={ago_s + DEADLINE_S}").json["calls"] == [first, second]
    assert model.get("/calls?last_s=0").json["calls"] == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "content", [None, 17, [], [{"type": "text", "text": 17}], ["hello"]], ids=["null", "number", "none", "part", "list"]
)
def test_a_message_without_a_text_is_refused_as_providers_do(model: RunningModel, path: str, content: object) -> None:
    messages = [{"role": "user", "content": content}]
    answered = model.ask(path, "add", messages=messages, input=messages)

    assert answered.status == 400
    assert "[0].content: expected a text" in answered.json["error"]["message"]
    assert model.calls() == []


@pytest.mark.parametrize("messages", [None, [], "add", ["add"]], ids=["null", "empty", "text", "texts"])
def test_a_request_without_messages_is_refused(model: RunningModel, messages: object) -> None:
    assert model.ask(PATHS[0], "add", messages=messages).status == 400
    assert model.ask(PATHS[2], "add", messages=messages).status == 400
    # A text is a message there, and nothing at all continues a conversation.
    assert model.ask(PATHS[1], "add", input=messages).status == (400 if messages == ["add"] else 200)


def test_calls_of_the_model_need_no_text(model: RunningModel) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    said = [
        {
            "role": "user",
            "content": [{"type": "text", "text": "add"}, {"type": "image_url", "image_url": {"url": "x"}}],
        },
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "3"},
    ]
    assert model.ask(PATHS[0], "add", messages=said).status == 200


@pytest.mark.parametrize("query", ["last_s=never", "after=-1", "after=", "since=1", "after=%D9%A3"])
def test_what_cannot_be_asked_of_the_calls_is_refused(model: RunningModel, query: str) -> None:
    answered = model.get(f"/calls?{query}")
    assert answered.status == 400
    assert "expected after=NUMBER or last_s=SECONDS" in answered.json["error"]["message"]


def test_a_path_that_does_not_exist_is_answered_with_those_that_do(model: RunningModel) -> None:
    for status, answered in ((404, model.get("/v1/nothing")), (405, model.get("/v1/messages"))):
        assert answered.status == status
        assert "POST /v1/messages, GET /v1/models, GET /calls" in answered.json["error"]["message"]
    assert model.ask("/calls", "add").status == 405


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("show cut", (200, True, "unfinished", b"two")), ("show malformed_chunk", (200, False, "unfinished", b"two")),
        ("show length", (200, False, "unfinished", b"two")),
        ("show content_filter", (200, False, "unfinished", b"two")),
        ("show empty", (200, False, "unfinished", b"")), ("show slow_start", (200, False, "finished", b"four")),
        ("show server_error", (500, False, "unfinished", b"the model has failed (scripted)")),
        ("show rate_limit", (429, False, "unfinished", b"too many requests (scripted)")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", PATHS)
def test_a_fault_as_a_client_sees_it(
    model: RunningModel, path: str, prompt: str, expected: tuple[int, bool, str, bytes]
) -> None:
    status, broken, state, holds = expected
    answered = model.ask(path, prompt)

    assert (answered.status, answered.broken) == (status, broken)
    assert holds in answered.body
    assert b"three" not in answered.body or state == "finished"
    assert answered.headers.get("retry-after") == ("7" if status == 429 else None)
    (call,) = model.calls()
    assert (call["fault"], call["state"]) == (prompt.removeprefix("show "), state)
    assert call["said"] == {b"two": "one two ", b"four": "one two three four"}.get(holds, "")


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_is_not_streamed_is_broken_off_as_well(model: RunningModel, path: str) -> None:
    assert model.ask(path, "show cut", stream=False).broken
    assert model.ask(path, "show malformed_chunk", stream=False).broken
    assert model.ask(path, "show slow_start", stream=False).json["model"] == "m"
    assert [call["state"] for call in model.calls()] == ["unfinished", "unfinished", "finished"]


@pytest.mark.parametrize("path", PATHS)
def test_a_call_is_under_way_until_the_backend_leaves(model: RunningModel, path: str) -> None:
    with model.asked(path, "show stall") as response:
        assert response.readline()
        call = model.wait_for_state("under way")
        assert call["took_s"] is None

    assert model.wait_for_state("left")["said"] == "one two "


def test_a_fault_that_comes_once_is_over_when_the_call_is_repeated(model: RunningModel) -> None:
    answered = [model.ask(PATHS[0], "show server_error", stream=False).status for _ in range(2)]

    assert answered == [500, 200]
    assert [call["fault"] for call in model.calls()] == ["server_error", ""]
    assert [call["number"] for call in model.get("/calls?after=1").json["calls"]] == [2]


def test_results_of_tools_are_found_through_the_previous_response(model: RunningModel) -> None:
    first = model.ask("/v1/responses", "add", stream=False).json
    (call,) = first["output"]
    results = [{"type": "function_call_output", "call_id": call["call_id"], "output": "9"}]
    second = model.ask("/v1/responses", "", stream=False, input=results, previous_response_id=first["id"]).json

    assert second["output"][0]["content"][0]["text"] == "It is 9."


def test_other_paths_and_bodies_are_refused_with_a_reason(model: RunningModel) -> None:
    assert model.get("/v1/models").json["data"][0]["id"] == "scripted"
    assert model.get("/health").json == {"status": "healthy"}
    wrong = model.get("/v1/completions")
    assert wrong.status == 404
    assert "GET /v1/completions: expected POST /v1/chat/completions" in wrong.json["error"]["message"]
    for body in (b"", b"[]", b"{", b"\xff"):
        connection = http.client.HTTPConnection("127.0.0.1", model.port, timeout=DEADLINE_S)
        with contextlib.closing(connection):
            connection.request("POST", "/v1/messages", body)
            assert connection.getresponse().status == 400
    assert model.calls() == []


def test_an_endless_answer_goes_on_until_the_client_leaves(model: RunningModel) -> None:
    with model.asked(PATHS[0], "show endless") as response:
        for _ in range(5):
            while b'"and "' not in response.readline():
                continue
        assert model.calls()[-1]["state"] == "under way"

    assert model.wait_for_state("left")["said"].startswith("one two and and and and and ")


def test_the_server_ends_although_a_call_is_under_way(model: RunningModel) -> None:
    with socket.create_connection(("127.0.0.1", model.port), timeout=DEADLINE_S) as client:
        body = json.dumps({"messages": [{"role": "user", "content": "show stall"}], "stream": True}).encode()
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )
        model.wait_for_state("under way")
        model.server.stop_soon()
        while client.recv(65_536):
            continue
