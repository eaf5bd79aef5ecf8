"""What curl has saved of an answer becomes a capture with its request, or one line that says what came instead."""

import json
from typing import Any

import pytest
from greenlight_gate.cli.recordings import redaction
from greenlight_gate.wire.capture import CaptureError
from greenlight_gate.wire.drafting import draft
from greenlight_gate.wire.saved_answer import capture_of_answer

ASKED = b'{"q": "What is 17*23?"}'
URL = "http://127.0.0.1:9000/ask"
LINES = b'{"state": "begun"}\n{"state": "done", "text": "391"}\n'
EVENTS = b'data: {"type": "begun"}\n\n: alive\n\ndata: {"type": "done", "text": "391"}'


def taken(saved: bytes) -> list[Any]:
    return [json.loads(line) for line in capture_of_answer(saved, ASKED, URL, redaction)]


@pytest.mark.parametrize(
    ("saved", "media", "transport"),
    [
        (EVENTS, "text/event-stream", "sse"),
        (LINES, "application/x-ndjson", "ndjson"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n" + EVENTS,
         "text/event-stream; charset=utf-8", "sse"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/2 200\r\nContent-Type: application/jsonl\r\n\r\n" + LINES,
         "application/jsonl", "ndjson"),
    ],
)  # fmt: skip
def test_an_answer_is_its_request_and_its_messages(saved: bytes, media: str, transport: str) -> None:
    asked, begun, done = taken(saved)

    assert asked["data"] == {"q": "What is 17*23?"}
    assert asked["http"] == {"method": "POST", "url": "/ask", "status": 200, "type": media}
    assert ("begun" in begun["data"], json.loads(done["data"])["text"]) == (True, "391")
    text = draft(capture_of_answer(saved, ASKED, URL, redaction))
    assert f'transport = "{transport}"' in text
    assert 'start = { http = { path = "/ask" }, q = "{prompt}" }' in text


@pytest.mark.parametrize(
    ("saved", "says"),
    [
        (b"<html>", "expected an event stream or lines of JSON, as `curl -N` prints them, got b'<html>'"),
        (b"", "got b''"),
        (
            b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n\r\n{}",
            "an answer of type application/json",
        ),
        (b": nothing\n\n", "expected at least one message in the answer"),
    ],
)
def test_what_is_no_stream_is_one_line(saved: bytes, says: str) -> None:
    with pytest.raises(CaptureError) as caught:
        taken(saved)
    assert says in str(caught.value)
