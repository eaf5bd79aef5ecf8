"""A browser's export becomes a capture without credentials, or one line that says what to do."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.cli.recordings import redaction
from greenlight_gate.wire.capture import CaptureError
from greenlight_gate.wire.drafting import draft
from greenlight_gate.wire.har import HarCapture, capture_of

from support.tests.wire.recorded import CAPTURES, Recorded, shipped

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1LTEifQ.c2lnbmF0dXJl"
UUID = "6fa459ea-ee8a-3ca4-894e-db77e160355e"


def har(*messages: dict[str, Any], url: str = "wss://chat.example/ws", headers: dict[str, str] | None = None) -> bytes:
    """A HAR file with one connection."""
    head = [{"name": name, "value": value} for name, value in (headers or {}).items()]
    entry = {"_resourceType": "websocket", "request": {"url": url, "headers": head}, "_webSocketMessages": messages}
    return json.dumps({"log": {"entries": [{"request": {"url": "https://chat.example/"}}, entry]}}).encode()


def message(data: str, way: str = "send", **other: Any) -> dict[str, Any]:
    return {"type": way, "time": 1_700_000_000.5, "opcode": 1, "data": data} | other


def taken(data: bytes, url: str = "") -> HarCapture:
    return capture_of(data, redaction, url)


def frames(data: bytes) -> list[Any]:
    return [json.loads(line) for line in taken(data).lines]


def test_what_chromium_exported_is_read_by_the_profile_of_its_backend() -> None:
    capture = taken((CAPTURES / "chromium.har").read_bytes())
    seen = Recorded(shipped("agent-events"), capture.lines)

    assert (capture.connections, capture.frames, seen.unmapped) == (1, 47, [])
    assert [kind for kind, *_ in seen.events["c1"]].count("agent_completed") == 7
    assert "agent_completed" in draft(capture.lines)


def test_frames_come_in_their_order_with_their_time_and_the_one_user_of_the_browser() -> None:
    later = message('{"b": 2}', "receive", time=1_700_000_001.0)
    same = {"conn": "c1", "user": "browser", "kind": "text"}
    assert frames(har(later, message('{"a":1}'))) == [
        same | {"dir": "out", "data": {"a": 1}, "t": 1_700_000_000.5, "dt": 0},
        same | {"dir": "in", "data": '{"b": 2}', "t": 1_700_000_001.0, "dt": 0.5},
    ]
    # Other exporters count milliseconds or microseconds.
    assert frames(har(message("x", time=1_700_000_000_500)))[0]["t"] == 1_700_000_000.5


def test_binary_frames_are_kept_and_what_is_no_message_is_left_out() -> None:
    packed = base64.b64encode(b"\x00\xff").decode()
    ping, failure = message("", opcode=9), {"type": "error", "time": 1, "opcode": -1, "data": "net::ERR"}
    closed = message("", "receive", opcode=8)
    found = frames(har(message(packed, opcode=2), ping, failure, closed))
    assert [(frame["dir"], frame["data"]) for frame in found] == [
        ("out", packed), ("ctl", {"code": 1005, "reason": ""}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("secret", "arguments"),
    [
        (JWT, {"url": f"wss://chat.example/ws?token={JWT}"}),
        ("s3cret-of-query", {"url": "wss://chat.example/ws?api_key=s3cret-of-query"}),
        ("a+b/c=12345678", {"url": "wss://chat.example/ws?token=a%2Bb%2Fc%3D12345678"}),
        ("0123456789abcdefghij", {"url": "wss://chat.example/ws/0123456789abcdefghij"}),
        ("pass-word-1", {"url": "wss://ada:pass-word-1@chat.example/ws"}),
        ("bearer-value-1", {"headers": {"Authorization": "Bearer bearer-value-1"}}),
        ("open-sesame", {"headers": {"Authorization": "Basic YWRhOm9wZW4tc2VzYW1l"}}),
        ("cookie-value-1", {"headers": {"Cookie": "theme=dark; sid=cookie-value-1"}}),
        ("cookie-value-2", {"headers": {"Set-Cookie": "sid=cookie-value-2; Path=/; HttpOnly"}}),
        ("custom-value-1", {"headers": {"X-Chat-Token": "custom-value-1"}}),
        ("0123456789abcdefghij", {"headers": {"Sec-WebSocket-Protocol": "chat, 0123456789abcdefghij"}}),
        (JWT, {}),
    ],
)
def test_a_credential_is_replaced_in_every_frame_that_holds_it(secret: str, arguments: dict[str, Any]) -> None:
    packed = base64.b64encode(f"\0{secret}".encode()).decode()
    inside = base64.b64encode(f"key: {secret}".encode()).decode()
    found = taken(
        har(
            message(json.dumps({"q": f"is {secret} mine?"})), message(json.dumps({"nested": json.dumps([secret])})),
            message(f"42{secret}"), message(packed, opcode=2), message(inside, "receive"), **arguments,
        )
    )  # fmt: skip

    text = b"\n".join(found.lines).decode()
    raw = [base64.b64decode(frame["data"]) for line in found.lines if (frame := json.loads(line))["kind"] == "binary"]
    assert secret not in found.opened
    assert (secret in text, secret.encode() in raw[0], text.count("[token of ") >= 3) == (False, False, True)
    assert (inside not in text) or arguments == {}
    assert found.credentials >= 1


@pytest.mark.parametrize(
    ("way", "frame", "shown"),
    [
        ("send", {"type": "auth", "token": "pw"}, {"type": "auth", "token": "[token of token]"}),
        ("send", {"password": "hunter2"}, {"password": "[token of password]"}),
        ("receive", {"access_token": "abc"}, {"access_token": "[token of access_token]"}),
        ("receive", {"token": "0123456789abcdefghij"}, {"token": "[token of token]"}),
        # The words of an answer, token by token, and ids are no credentials.
        ("receive", {"token": "Hello, world"}, {"token": "Hello, world"}),
        ("receive", {"key": UUID}, {"key": UUID}),
        ("send", {"monkey": "banana", "tokens": 5}, {"monkey": "banana", "tokens": 5}),
    ],
)  # fmt: skip
def test_members_of_frames_are_credentials_by_their_names(way: str, frame: Any, shown: Any) -> None:
    assert frames(har(message(json.dumps(frame, separators=(",", ":")), way)))[0]["data"] == shown


def test_it_says_what_was_opened_without_the_values_of_its_query() -> None:
    url = f"wss://chat.example/chat/0123456789abcdefghij/?EIO=4&sid={UUID}&api_key=s3cret-of-query"
    found = taken(har(message("x"), url=url))

    assert found.opened.endswith("/ (query: EIO, sid, api_key)")
    assert found.opened.startswith("/chat/[token of ")
    assert taken(har(message("x"))).opened == "/ws"


def test_ids_in_the_query_are_kept() -> None:
    found = frames(har(message(f'{{"t":"{UUID}"}}'), url=f"wss://h/ws?thread_id={UUID}&mode=TEXT"))
    assert found[0]["data"] == {"t": UUID}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "got an empty file"),
        (b"<!DOCTYPE html><html>", "got a page (HTML or XML)"),
        (b"PK\x03\x04", "unpack an archive first"),
        (b"\x80\x81", "expected a HAR file, which is JSON"),
        (har(message("x"))[:-30], "got broken JSON after"),
        (b"[" * 100_000, "expected a HAR file"),
        (b'{"log": 5}', "got other JSON"),
        (b'{"dir": "in", "data": {}}\n{"dir": "in"}', "got a capture, which needs no conversion"),
        (b'{"log":{"entries":[{"request":{"url":"https://h/"}}]}}', "got 1 entries without one; in Chromium or Edge"),
        (b'{"log":{"entries":[{"request":{"url":"wss://h/"}}]}}', "this browser exports none; in Chromium or Edge"),
        (har(message("", opcode=9)), "got only errors and pings"),
        (har(message("?", opcode=2)), "message 1 of chat.example: expected a binary frame as base64"),
        (har(message("x", "sideways")), "message 1 of chat.example: expected type send or receive"),
        (har(message("x", time=None)), "message 1 of chat.example: expected type send or receive"),
    ],
)
def test_what_is_no_export_is_one_line_with_the_next_step(data: bytes, says: str) -> None:
    with pytest.raises(CaptureError) as caught:
        taken(data)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_connections_are_chosen_by_their_url() -> None:
    assert taken(har(message("x")), "/ws").frames == 1
    with pytest.raises(CaptureError, match=r"contains '/other', got connections to chat\.example"):
        taken(har(message("x")), "/other")


@pytest.mark.parametrize("piece", ["\\", "eyJ", '"token":"', " ", "bearer ", '\\"'])
def test_hostile_frames_take_no_time_that_matters(piece: str) -> None:
    # Patterns that try again from each character would take minutes.
    assert taken(har(message(piece * 100_000))).frames == 1


def test_two_tabs_of_the_browser_are_one_user(tmp_path: Path) -> None:
    one = json.loads((CAPTURES / "chromium.har").read_bytes())
    one["log"]["entries"].append(one["log"]["entries"][-1])
    seen = Recorded(shipped("agent-events"), taken(json.dumps(one).encode()).lines)
    assert not [rule for rule, _ in seen.findings if rule.startswith("ISOLATION")]


# Requests by HTTP whose answers stream ------------------------------------------------------------------------------


def exchange(
    path: str, sent: Any, answer: str, media: str = "text/event-stream", at: str = "2026-11-29T10:00:00.000Z"
) -> dict[str, Any]:
    """An entry of a request by `fetch`, as Chromium and Playwright write it."""
    return {
        "_resourceType": "fetch", "startedDateTime": at, "timings": {"wait": 100, "receive": 400},
        "request": {"method": "POST", "url": f"https://chat.example{path}", "postData": {"text": json.dumps(sent)},
                    "headers": [{"name": "Authorization", "value": f"Bearer {JWT}"}]},
        "response": {"status": 200, "content": {"mimeType": media, "text": answer}},
    }  # fmt: skip


def exported(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"log": {"entries": entries}}).encode()


ANSWER = 'event: begin\ndata: {"run": "r-1234"}\n\nevent: end\ndata: {"text": "391"}\n\n'


def test_an_answer_that_streams_is_a_request_and_its_events() -> None:
    made = exchange("/threads", {}, '{"thread": "th-123456"}', "application/json")
    asked = exchange("/threads/th-123456/ask", {"q": "What is 17*23?"}, ANSWER, at="2026-11-29T10:00:01.000Z")
    page = exchange("/metrics", {"clicks": 5}, '{"ok": "yes-indeed"}', "application/json")

    before, out, begin, end = frames(exported(page, made, asked))

    assert (before["dir"], before["data"]["url"]) == ("http", "/threads")
    http = {"method": "POST", "url": "/threads/th-123456/ask", "status": 200, "type": "text/event-stream"}
    assert (out["dir"], json.loads(out["data"]), out["http"]) == ("out", {"q": "What is 17*23?"}, http)
    assert (begin["data"], end["data"]) == tuple(f"{part}\n\n" for part in ANSWER.strip().split("\n\n"))
    assert [round(each["dt"] - out["dt"], 3) for each in (begin, end)] == [0.3, 0.5]
    text = draft(taken(exported(page, made, asked)).lines)
    assert 'start = { http = { path = "/threads/{their_thread}/ask" }, q = "{prompt}" }' in text.splitlines()
    assert JWT not in str(frames(exported(asked)))


def test_answers_at_the_same_time_are_on_connections_of_their_own() -> None:
    first, second = (exchange("/ask", {"q": f"What is {n}*2?"}, ANSWER) for n in (1, 2))
    third = exchange("/ask", {"q": "And now?"}, ANSWER, at="2026-11-29T10:00:09.000Z")

    assert [each["conn"] for each in frames(exported(first, second, third)) if each["dir"] == "out"] == [
        "c1",
        "c2",
        "c1",
    ]


def test_a_stream_that_the_browser_did_not_export_says_another_way() -> None:
    silent = exchange("/ask", {"q": "?"}, "")
    channel = exchange("/events", {}, "")
    del channel["request"]["postData"]
    for entry, says in ((silent, "got none: this browser exports no streams"), (channel, "stands in no HAR file")):
        with pytest.raises(CaptureError, match=says) as caught:
            taken(exported(entry))
        assert "curl -N" in str(caught.value)
