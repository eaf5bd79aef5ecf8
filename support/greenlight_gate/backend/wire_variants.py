"""The same event in other shapes of the wire format, and the same JSON text with other escapes."""

import random
import re

from greenlight_gate.backend.frames import (
    COMPLETED,
    EXECUTING,
    FAILED,
    INPUT_RECEIVED,
    INPUT_REQUESTED,
    STARTED,
    STOPPED,
    THINKING,
    TOOL_COMPLETED,
    Body,
)

KINDS = (STARTED, THINKING, EXECUTING, TOOL_COMPLETED, COMPLETED, FAILED, STOPPED)
# What is asked of the user looks like the tools that it is about.
LIKE = {INPUT_REQUESTED: EXECUTING, INPUT_RECEIVED: TOOL_COMPLETED}
_OTHER_NAMES = {"tool_name": "tool", "reasoning": "thought", "result": "results"}
# The content of a JSON string: an escape, or a character that may be escaped.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_LETTER = re.compile(r"(\\u[0-9a-f]{4}|\\.)|([a-z])")
_EVERY_SO_MANY = 6


def reshaped(body: Body, shape: str, *, renamed: bool) -> Body:
    """The event's body in one of the shapes: payload, data, root, wrapped, wrapped flat, run inside."""
    root = {name: value for name, value in body.items() if name != "payload"}
    payload = {(_OTHER_NAMES.get(name, name) if renamed else name): value for name, value in body["payload"].items()}
    if shape == "data":
        return {**root, "data": payload}
    if shape == "root":
        return {**root, **payload}
    if shape == "run inside":
        run_id = root.pop("run_id")
        return {**root, "payload": {"run_id": run_id, **payload}}
    if shape.startswith("wrapped"):
        kind = root.pop("type")
        inner = payload if shape.endswith("flat") else {"payload": payload}
        return {"type": "system_message", "data": {"event": kind, **root, **inner}}
    return {**root, "payload": payload}


def escaped(text: str, chance: random.Random) -> str:
    """The JSON text with some characters in its strings written as escapes."""

    def letter(match: re.Match[str]) -> str:
        if match[1] or chance.randrange(_EVERY_SO_MANY):
            return match[0]
        return f"\\u{ord(match[2]):04x}"

    return _STRING.sub(lambda string: _LETTER.sub(letter, string[0]), text)
