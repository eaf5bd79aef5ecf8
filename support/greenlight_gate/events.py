"""The events that a user of the chat can see, and what else a frame can be read as."""

from collections.abc import Iterator
from enum import Enum, StrEnum
from typing import Any, NamedTuple

import msgspec


class EventKind(StrEnum):
    """The five promised kinds, the other two ways in which a run may end, what is asked of the user, and answer text.

    ANSWER_PART is a piece of the answer's text before the whole: it comes as `More` alone, and nothing demands it.
    """

    STARTED = "agent_started"
    THINKING = "agent_thinking"
    TOOL_EXECUTING = "tool_executing"
    TOOL_COMPLETED = "tool_completed"
    COMPLETED = "agent_completed"
    FAILED = "agent_failed"
    STOPPED = "agent_stopped"
    INPUT_REQUESTED = "input_requested"
    INPUT_RECEIVED = "input_received"
    ANSWER_PART = "answer_part"

    # Enum's own hash is slow, and kinds are looked up several times for each event.
    __hash__ = str.__hash__


FIVE = (
    EventKind.STARTED,
    EventKind.THINKING,
    EventKind.TOOL_EXECUTING,
    EventKind.TOOL_COMPLETED,
    EventKind.COMPLETED,
)
INPUTS = frozenset({EventKind.INPUT_REQUESTED, EventKind.INPUT_RECEIVED})
ENDS = frozenset({EventKind.COMPLETED, EventKind.FAILED, EventKind.STOPPED})


class Mistake(Enum):
    """What a problem of a frame is: the frame is not well-formed, or a field of an event is not as it has to be."""

    FORM = "form"
    FIELD = "field"


class Problem(NamedTuple):
    """A violation that a profile found while it read one frame; it becomes a finding once the user is known."""

    mistake: Mistake
    expected: str
    actual: str


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event of one run, as a profile read it from a frame.

    Ids are as the wire has them, whole numbers as texts (None: absent or null). `stamp` is the server's timestamp as
    sent, `server_s` the same as seconds since the epoch. `shape` is equal for frames of one kind that are built alike.
    `text` is what a user reads: the message, the reasoning, the tool's result or error, the answer or the error's
    text. `duration_ms`: how long a tool or a run took, as the server says in milliseconds. `synthesised`: the wire does
    not show it; the profile infers it from something else, and it never counts as observed.
    `input` is the id of what is asked of the user (an approval, for instance), `choices` what may be answered, as the
    wire has it, `choice` what was answered, or took the place of an answer.
    """

    kind: EventKind
    run: str | None = None
    thread: str | None = None
    user: str | None = None
    request: str | None = None
    parent: str | None = None
    seq: int | None = None
    event_id: str | None = None
    stamp: str | float | None = None
    server_s: float | None = None
    stamp_format: str | None = None
    shape: int = 0
    agent: str | None = None
    tool: str | None = None
    call: str | None = None
    tool_failed: bool = False
    text: str | None = None
    duration_ms: float | None = None
    problems: tuple[Problem, ...] = ()
    synthesised: bool = False
    input: str | None = None
    choice: str | None = None
    choices: Any = None


class Control(msgspec.Struct, frozen=True, gc=False):
    """A frame of the protocol that is not part of a run: ready, error, pong, restored, heartbeat, handshake, keepalive.

    `values` holds what the profile captures from it by name, for instance user, connection, nonce, code or request.
    """

    name: str
    values: dict[str, Any] = {}
    problems: tuple[Problem, ...] = ()


class Unmapped(msgspec.Struct, frozen=True, gc=False):
    """A frame that the profile cannot read. It is kept and shown, never dropped."""

    reason: str
    problems: tuple[Problem, ...] = ()


class More(msgspec.Struct, frozen=True, gc=False):
    """A continuation: the next token of a phase of thinking, a piece of the answer, or the same fact once more.

    It counts as activity, and its text is searched for canaries; it is no event of its own.
    """

    event: Event


class Ignored(msgspec.Struct, frozen=True, gc=False):
    """A frame that the profile ignores on purpose, and why."""

    because: str
    problems: tuple[Problem, ...] = ()


class Foreign(msgspec.Struct, frozen=True, gc=False):
    """A frame outside the scope of the connection: another user's, and how it would have been read.

    `what` names the field that says so, and `owner` is its value: the session, run or user that it belongs to.
    """

    what: str
    owner: str
    reading: "Reading"


class Several(msgspec.Struct, frozen=True, gc=False):
    """More than one reading of one frame, in order."""

    readings: "tuple[Reading, ...]"


Part = Event | Control | Unmapped | More | Ignored | Foreign
Reading = Part | Several


def each(reading: Reading | None) -> Iterator[Part]:
    """The single readings of a frame, in order."""
    if isinstance(reading, Several):
        for part in reading.readings:
            yield from each(part)
    elif reading is not None:
        yield reading
