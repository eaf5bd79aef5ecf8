"""Which of the sent messages asks, where the question stands in it, and which messages answer it."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from greenlight_gate.wire.drafting.recording import Message, Recording, leaves
from greenlight_gate.wire.values import MISSING, walk

ID = re.compile(r"(^|[._])(id|.*_id|.*Id|ids?|uuid|key)$")
KIND_NAMES = ("type", "event", "kind", "msg_type", "method", "action", "op", "name")
# What a packet around the messages is called.
PACKETS = ("engine", "socket", "opcode")
_PROMPT_NAMES = re.compile(
    r"prompt|question|query|message|text|content|input|task|code|request|ask|body", re.IGNORECASE
)
_SHORT = 60


class Exchange(NamedTuple):
    """A request on a connection, and what came on it until the next one. `at`: the index of the request there."""

    connection: str
    at: int
    request: Any
    came: tuple[Any, ...]


class Requests:
    """The requests of a recording: `path` leads to the question, "" where no request was found."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        asked = _asking(recording)
        self.path = _prompt_path(asked)
        self.prompts = [walk(each.value, self.path) for each in asked] if self.path else []
        shapes = {_shape(each.value) for each in asked} if self.path else set()
        self.turns: list[Exchange] = []
        for name, messages in recording.connections.items():
            at = [i for i, each in enumerate(messages) if each.way == "out" and _shape(each.value) in shapes
                  and isinstance(walk(each.value, self.path), str)]  # fmt: skip
            for begin, end in zip(at, [*at[1:], len(messages)], strict=False):
                came = tuple(each.value for each in messages[begin + 1 : end] if each.way == "in")
                self.turns.append(Exchange(name, begin, messages[begin].value, came))

    @property
    def best(self) -> Exchange | None:
        """The turn with the longest answer."""
        return max(self.turns, key=lambda turn: len(turn.came), default=None)


def _asking(recording: Recording) -> list[Message]:
    """The messages that ask: those that hold a recorded prompt, else those like the one that most frames answered."""
    sent = [each for messages in recording.connections.values() for each in messages
            if each.way == "out" and _spoken(each.value)]  # fmt: skip
    known = [each for each in sent if each.prompt and any(each.prompt in str(v) for _, v in leaves(each.value))]
    if known:
        return known
    answers: Counter[tuple[Any, ...]] = Counter()
    for messages in recording.connections.values():
        shape: tuple[Any, ...] = ()
        for each in messages:
            if each.way == "out" and _spoken(each.value):
                shape = _shape(each.value)
            answers[shape] += each.way == "in"
    best = max((shape for shape in answers if shape), key=lambda shape: answers[shape], default=None)
    return [each for each in sent if _shape(each.value) == best and best is not None]


def _spoken(value: Any) -> bool:
    return isinstance(value, dict | list) and any(
        isinstance(item, str) and not ID.search(path) and not is_kind(path) for path, item in leaves(value)
    )


def is_kind(path: str) -> bool:
    """Whether a path is likely to name what kind of frame it is. A frame that is a list begins with its kind."""
    return path == "0" or path.rpartition(".")[2] in (*KIND_NAMES, *PACKETS)


def _shape(value: Any) -> tuple[Any, ...]:
    """What messages of one kind have in common: their members, and the short words that name a kind."""
    top = tuple(sorted(value)) if isinstance(value, dict) else ("list", len(value)) if isinstance(value, list) else ()
    kinds = tuple(
        (path, item) for path, item in leaves(value)
        if is_kind(path) and path.count(".") < 2 and isinstance(item, str) and len(item) < _SHORT and " " not in item
    )  # fmt: skip
    return (top, *kinds[:2])


def _prompt_path(asked: Sequence[Message]) -> str:
    """Where the question stands: the recorded one, else the text that is another one in each request."""
    texts: dict[str, list[str]] = {}
    for each in asked:
        for path, value in leaves(each.value):
            if isinstance(value, str) and not ID.search(path):
                texts.setdefault(path, []).append(value)
    if not texts:
        return ""
    recorded = [each.prompt for each in asked if each.prompt]

    def score(path: str) -> tuple[bool, ...] | tuple[Any, ...]:
        found = texts[path]
        hits = sum(prompt in text for prompt, text in zip(recorded, found, strict=False))
        spoken = sum(" " in text.strip() for text in found) * 2 >= len(found)
        last = path.rpartition(".")[2] if not path.rpartition(".")[2].lstrip("-").isdigit() else path
        # Messages of a chat hold all that was said before: the last is the question.
        return (
            hits, not is_kind(path), spoken, len(set(found)) > 1, bool(_PROMPT_NAMES.search(last)), ".-1." in path,
            sum(map(len, found)) / len(found),
        )  # fmt: skip

    return max(texts, key=score)


def values_at(values: Sequence[Any], path: str) -> list[str]:
    """The ids that stand at a path of these frames, as text."""
    found = (walk(value, path) for value in values)
    return [
        str(each)
        for each in found
        if each is not MISSING and isinstance(each, str | int) and not isinstance(each, bool)
    ]
