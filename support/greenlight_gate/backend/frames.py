"""Outgoing events, and the frames that carry them."""

import json
import struct
from dataclasses import dataclass, replace
from typing import Any

STARTED = "agent_started"
THINKING = "agent_thinking"
EXECUTING = "tool_executing"
TOOL_COMPLETED = "tool_completed"
COMPLETED = "agent_completed"
FAILED = "agent_failed"
STOPPED = "agent_stopped"
INPUT_REQUESTED = "input_requested"
INPUT_RECEIVED = "input_received"
ENDS = frozenset({COMPLETED, FAILED, STOPPED})

Body = dict[str, Any]
OPCODE_TEXT = 0x1
OPCODE_CLOSE = 0x8


@dataclass(frozen=True)
class Raw:
    """Bytes that are sent unchanged, frame header included."""

    data: bytes


@dataclass(frozen=True)
class CloseFrame:
    """A closing handshake with this code; nothing is sent after it."""

    code: int
    reason: str = ""


@dataclass(frozen=True)
class Refusal:
    """An error for a client: the message, and the close that follows if the connection cannot continue."""

    message: Body
    close: CloseFrame | None = None

    @property
    def code(self) -> str:
        """The error's code, such as `BAD_JSON`; empty if a defect has changed it."""
        return str(self.message.get("error_code", ""))


# A str is a text message, bytes are a binary one.
Frame = str | bytes | Raw | CloseFrame


@dataclass(frozen=True)
class Outgoing:
    """One event of a run.

    `kind`, `nth` (its number among the events of its kind in the run, from 1), `run_id`, `root_run_id`, `thread_id` and
    `user_id` are the correct values; `body` is what is sent. `seq` is 0 until the event is numbered.
    """

    kind: str
    nth: int
    run_id: str
    root_run_id: str
    thread_id: str
    user_id: str
    body: Body
    seq: int = 0
    text: str = ""

    def changed(self, **fields: Any) -> "Outgoing":
        """Return a copy whose body shows these fields instead."""
        return replace(self, body={**self.body, **fields}, text="")

    def without(self, *names: str) -> "Outgoing":
        """Return a copy whose body lacks these fields."""
        return replace(self, body={key: value for key, value in self.body.items() if key not in names}, text="")

    def payload_changed(self, **fields: Any) -> "Outgoing":
        """Return a copy whose payload shows these fields instead."""
        return self.changed(payload={**self.body["payload"], **fields})

    def payload_without(self, *names: str) -> "Outgoing":
        """Return a copy whose payload lacks these fields."""
        return self.changed(payload={key: value for key, value in self.body["payload"].items() if key not in names})

    def encoded(self) -> str:
        """Return the JSON text of the body."""
        return self.text or encode(self.body)


def encode(message: object) -> str:
    """Write a value as compact JSON."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def raw_frame(payload: bytes, opcode: int = OPCODE_TEXT, *, final: bool = True) -> Raw:
    """Build one unmasked, uncompressed frame (RFC 6455, section 5.2) with any payload."""
    first = (0x80 if final else 0) | opcode
    length = len(payload)
    if length < 126:
        header = struct.pack("!BB", first, length)
    elif length < 65_536:
        header = struct.pack("!BBH", first, 126, length)
    else:
        header = struct.pack("!BBQ", first, 127, length)
    return Raw(header + payload)
