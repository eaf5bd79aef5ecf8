"""What leaks, and what only looks like it."""

import json

import pytest
from greenlight_gate.rules.engine import forbidden_text

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"

LEAKS = {
    "<AgentName.ASSISTANT: 'assistant'>": "CONTENT-2",
    "<chat.Agent object at 0x7f0a11bc>": "CONTENT-2",
    f"Bearer {TOKEN}": "CONTENT-5",
    "[token of Ada]": "CONTENT-5",
    "-----BEGIN RSA PRIVATE KEY-----\nMII": "CONTENT-5",
    "key AKIAIOSFODNN7EXAMPLE": "CONTENT-5",
    "sk-proj-abcdefghijklmnopqrstuvwx": "CONTENT-5",
    "postgres://chat:hunter2@db/chat": "CONTENT-5",
    "Traceback (most recent call last):": "CONTENT-5",
    'File "/srv/chat/agent.py", line 212, in run': "CONTENT-5",
    "at com.example.Chat.run(Chat.java:17)": "CONTENT-5",
    "at Object.<anonymous> (/srv/chat/index.js:10:5)": "CONTENT-5",
    "goroutine 17 [running]:": "CONTENT-5",
}
HARMLESS = [
    "if (a < b) { return x[0]; }",
    "write to ada@example.com (or at https://example.com:8080/@ada)",
    "a <b>bold</b> task-force, JSON, Kafka, ask-me",
    "C:\\temp\\new, line 3",
    "eyJ is how a token begins",
    "it happened at noon (see the log)",
    "Grüße \u2028 \x01",
]


@pytest.mark.parametrize("text", LEAKS)
@pytest.mark.parametrize("escaped", [False, True])
def test_leaks(text: str, escaped: bool) -> None:
    frame = json.dumps({"payload": {"result": f"so: {text}"}})
    if escaped:
        frame = frame.replace("<", "\\u003c").replace("@", "\\u0040").replace("eyJ", "\\u0065yJ")
    data = frame.encode()
    assert forbidden_text.suspicious(data)
    assert forbidden_text.suspicious(b'{"other":"frame"}' * 7 + data)
    assert [found.is_serialisation_error for found in forbidden_text.search(data)] == [LEAKS[text] == "CONTENT-2"]


def test_what_is_secret_is_not_repeated() -> None:
    (found,) = forbidden_text.search(f'{{"a":"{TOKEN}"}}'.encode())
    assert TOKEN[:8] not in found.actual


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless(text: str) -> None:
    for ascii_only in (True, False):
        assert forbidden_text.search(json.dumps({"result": text}, ensure_ascii=ascii_only).encode()) == ()


def test_plain_frames_are_not_looked_at() -> None:
    assert not forbidden_text.suspicious(b'{"type":"agent_thinking","payload":{"reasoning":"let me see"}}' * 7)
