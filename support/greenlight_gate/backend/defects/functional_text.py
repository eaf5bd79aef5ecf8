"""Defects in texts: damaged by an encoding, cut short, or too long for what was announced."""

import json
import re

from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import defect
from greenlight_gate.backend.frames import COMPLETED, Body, Frame, Outgoing, encode
from greenlight_gate.backend.runs import AgentRun

Events = list[Outgoing]
_LONG_ANSWER = 8_192
_HIDDEN_LIMIT = 8_192
_CHUNK = 1_000
_BEYOND_16_BITS = re.compile("[\U00010000-\U0010ffff]")


@defect("draft", "CONTENT-2")
def text_read_as_latin_1(run: AgentRun, event: Outgoing) -> Events:
    """Letters beyond English arrive as two or three others: "fÃ¼r" for "für"."""
    texts = {key: _misread(value) for key, value in event.body["payload"].items() if isinstance(value, str)}
    return [event.payload_changed(**texts)]


@defect("incoming", "CONTENT-2")
def question_read_as_latin_1(connection: ServedConnection, message: Body) -> Body:
    """Questions with letters beyond English are damaged before they are answered."""
    payload = message.get("payload")
    if not isinstance(payload, dict) or not isinstance(payload.get("user_request"), str):
        return message
    return {**message, "payload": {**payload, "user_request": _misread(payload["user_request"])}}


@defect("answer", "CONTENT-2")
def characters_cut_at_chunk_borders(run: AgentRun, answer: str) -> str:
    """Long answers are decoded in chunks of 1,000 bytes, and a character at the border of two is lost."""
    raw = answer.encode()
    return "".join(raw[at : at + _CHUNK].decode(errors="replace") for at in range(0, len(raw), _CHUNK))


@defect("frame", "CONTENT-2")
def emoji_cut_in_two(connection: ServedConnection, event: Outgoing, frame: Frame) -> list[Frame]:
    """Answers are counted in UTF-16, and cut within an emoji: half of its surrogate pair arrives."""
    if event.kind != COMPLETED or not isinstance(frame, str):
        return [frame]
    return [_BEYOND_16_BITS.sub(lambda found: json.dumps(found[0])[1:7], frame, count=1)]


@defect("answer", "CONTENT-4")
def long_answers_cut_short(run: AgentRun, answer: str) -> str:
    """Answers end after 8,192 characters."""
    return answer[:_LONG_ANSWER]


@defect("frame", "LIFECYCLE-2")
def long_answers_dropped(connection: ServedConnection, event: Outgoing, frame: Frame) -> list[Frame]:
    """Answers of more than 8,192 characters are stored, and never delivered."""
    return [] if event.kind == COMPLETED and len(event.body["payload"].get("result", "")) > _LONG_ANSWER else [frame]


@defect("incoming", "LIFECYCLE-2")
def closes_1009_below_the_announced_limit(connection: ServedConnection, message: Body) -> Body | None:
    """A message of more than 8,192 bytes ends the connection (1009), though eight times as many are announced."""
    if len(encode(message).encode()) <= _HIDDEN_LIMIT:
        return message
    connection.close(1009, "the message is too large")
    return None


def _misread(text: str) -> str:
    return text.encode().decode("latin-1")
