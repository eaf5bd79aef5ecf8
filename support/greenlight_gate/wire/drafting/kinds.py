"""The kinds of frames in a recording: which words distinguish them, and which event each is likely to be."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from greenlight_gate.events import EventKind
from greenlight_gate.wire.drafting.dialogue import key_of
from greenlight_gate.wire.drafting.recording import leaves
from greenlight_gate.wire.drafting.requests import KIND_NAMES, PACKETS
from greenlight_gate.wire.values import MISSING, walk

# Which words in the name of a kind make it which event; the first that fits.
_TOOL = r"(tool|function|command|exec)"
GUESSES = (
    (EventKind.FAILED, r"fail|error"),
    (EventKind.STOPPED, r"cancel|abort|interrupt|stopped"),
    (EventKind.TOOL_COMPLETED, rf"{_TOOL}.*(result|output|complet|end|finish|respon|done|execution)"),
    (EventKind.TOOL_EXECUTING, rf"{_TOOL}(?!.*(reply|approv|permission))"),
    (EventKind.STARTED, r"start|begin|began|created|accepted|in_progress|busy|\bopen(ed)?\b"),
    (EventKind.THINKING, r"think|thought|reason|content|delta|chunk|token|stream|progress"),
    (EventKind.COMPLETED, r"complete|done|finish|final|result|end|answer|idle"),
)
_TOOLS = frozenset({EventKind.TOOL_COMPLETED, EventKind.TOOL_EXECUTING})
# Beside the name of a kind, what tells frames of one kind apart.
_STATES = (
    "type",
    "event",
    "kind",
    "msg_type",
    "subtype",
    "execution_state",
    "state",
    "status",
    "phase",
    "role",
    "source",
    "sessionUpdate",
)
# Where no name tells what a frame is, how far the run is.
_STAGES = ("state", "status", "stage", "phase", "step")
# Of these, each frame of a run may have another one.
_PROGRESS = ("execution_state", "state", "status", "phase")
_MOST_KINDS = 40
_MOST_STATES = 5
_OF_ANOTHER = re.compile("parent|request|reply_to", re.IGNORECASE)
_SHOWN = 60
_DEEPEST = 3
# Deeper, it is of something that the frame holds, such as a message of a list.
_DEEPEST_STATE = 3


class Kind:
    """Frames of one kind. `terms`: the conditions that tell them apart, in TOML's form for `when`."""

    def __init__(self, terms: dict[str, Any], frames: Sequence[Any], words: str) -> None:
        self.terms = terms
        self.frames = list(frames)
        self.words = words

    @property
    def when(self) -> str:
        """The line of the conditions."""
        return "when = { " + ", ".join(f"{key_of(path)} = {_toml(value)}" for path, value in self.terms.items()) + " }"

    @property
    def guess(self) -> EventKind | None:
        """The event that its words stand for."""
        return next((kind for kind, words in GUESSES if re.search(words, self.words, re.IGNORECASE)), None)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {json.dumps(item)}" for name, item in value.items()) + " }"
    return json.dumps(value)


def kinds_of(came: Sequence[Any], groups: Sequence[Sequence[Any]]) -> list[Kind]:
    """The kinds of all frames, those with a name in the order of their first frame."""
    of_runs = [frame for frames in groups for frame in frames] or came
    path = _kind_path(of_runs, KIND_NAMES) or _kind_path(of_runs, _STAGES)
    if not path:
        return list(_by_members(came))
    named: dict[str, list[Any]] = defaultdict(list)
    for frame in came:
        found = walk(frame, path)
        named[found if isinstance(found, str) else ""].append(frame)
    run_of = {id(frame): number for number, frames in enumerate(groups) for frame in frames}
    kinds: list[Kind] = []
    for name, frames in list(named.items())[:_MOST_KINDS]:
        if name:
            kinds += _split(Kind({path: name}, frames, name), run_of, _DEEPEST)
        else:
            # Told apart by members, they must not take what has a name as well.
            kinds += [
                Kind({**each.terms, path: {"exists": False}} if each.terms else {}, each.frames, each.words)
                for each in _nameless(frames)
            ]
    return kinds


def _nameless(frames: Sequence[Any]) -> list[Kind]:
    """The kinds of frames beside those with a name: packets of a protocol around them, or told apart by members."""
    path = _kind_path(frames, PACKETS)
    if not path:
        return list(_by_members(frames))
    names = dict.fromkeys(str(walk(frame, path)) for frame in frames)
    return [Kind({path: name}, [frame for frame in frames if walk(frame, path) == name], "") for name in names]


def _kind_path(frames: Sequence[Any], names: Sequence[str]) -> str:
    """The path that most frames have, with the most different short words, and the likeliest name; "" for none."""
    values: dict[str, Counter[str]] = defaultdict(Counter)
    for frame in frames:
        for path, value in leaves(frame):
            named = path.rpartition(".")[2] in names or path == "0"
            if named and isinstance(value, str) and len(value) < _SHOWN:
                values[path][value] += 1

    def score(path: str) -> tuple[float, int, int]:
        share = values[path].total() / len(frames)
        return round(share, 1), min(len(values[path]), _MOST_KINDS), -path.count(".")

    likely = [path for path in values if len(values[path]) > 1 and values[path].total() * 2 >= len(frames)]
    return max(likely, key=score, default="")


def _split(kind: Kind, run_of: dict[int, int], deepest: int) -> list[Kind]:
    """A kind of which a run has several frames, or that comes outside of runs as well, by a word that tells them apart.

    As { type = "message", role = "user" }.     A stream of pieces, and what is about tools, stays one kind.
    """
    runs = Counter(run_of[id(frame)] for frame in kind.frames if id(frame) in run_of)
    is_mixed = max(runs.values(), default=0) > 1 or 0 < runs.total() < len(kind.frames)
    if not deepest or not is_mixed or kind.guess in {*_TOOLS, EventKind.THINKING, EventKind.FAILED}:
        return [kind]
    values: dict[str, Counter[str]] = defaultdict(Counter)
    for frame in kind.frames:
        for path, value in leaves(frame):
            if (
                path.rpartition(".")[2] in _STATES
                and path.count(".") <= _DEEPEST_STATE
                and isinstance(value, str)
                and 0 < len(value) < _SHOWN
                and " " not in value
            ):
                values[path][value] += 1
    likely = [
        path for path, found in values.items()
        if path not in kind.terms and 2 <= len(found) + (found.total() < len(kind.frames)) <= _MOST_STATES + 1
        and (len(found) * 2 <= len(kind.frames) + 1 or path.rpartition(".")[2] in _PROGRESS)
    ]  # fmt: skip
    if not likely:
        return [kind]
    # What a frame says of the one that it answers is the last to look at, and no name of its own.
    best = min(likely, key=lambda path: _telling(path, values[path].total() / len(kind.frames)))
    found: list[Kind] = []
    for word in values[best]:
        frames = [frame for frame in kind.frames if walk(frame, best) == word]
        words = kind.words if _OF_ANOTHER.search(best) else f"{kind.words} {word}"
        found += _split(Kind({**kind.terms, best: word}, frames, words), run_of, deepest - 1)
    rest = [frame for frame in kind.frames if not isinstance(walk(frame, best), str)]
    others = {**kind.terms, best: {"not_in": sorted(values[best])}}
    return [*found, *([Kind(others, rest, kind.words)] if rest else [])]


def _telling(path: str, share: float) -> tuple[bool, float, int, int]:
    """The lower, the more a path says what a frame is."""
    return bool(_OF_ANOTHER.search(path)), -round(share, 1), path.count("."), _STATES.index(path.rpartition(".")[2])


# Frames that name no kind ------------------------------------------------------------------------------------------

_PARTIAL = re.compile(r"(^|\.)(partial|delta|is_?partial|streaming|chunk)$", re.IGNORECASE)
_OVER = re.compile(r"(^|\.)\w*(complete|completed|done|finished|final|is_?last|end)$", re.IGNORECASE)
_TOOL_MEMBER = re.compile(r"(function|tool)_?calls?$", re.IGNORECASE)
_RESULT_MEMBER = re.compile(r"(function|tool)_?(response|result|output)s?$", re.IGNORECASE)
_REASON_MEMBER = re.compile(r"(^|\.)(finish|stop|end)_?reason$", re.IGNORECASE)
_REASONING_MEMBER = re.compile(r"(^|\.)(reasoning|thought|thinking)(_?(content|text))?$", re.IGNORECASE)
_TEXT_MEMBER = re.compile(r"(^|\.)(text|content|delta|message|answer|reasoning|thought)$", re.IGNORECASE)


def _by_members(frames: Sequence[Any]) -> Iterator[Kind]:
    """Kinds told apart by which members frames have, the most telling first: tools, the end, pieces, texts, others."""
    left = list(frames)
    for words, pattern, flag in (
        ("tool_call", _TOOL_MEMBER, False), ("tool_result", _RESULT_MEMBER, False), ("done", _OVER, True),
        ("done", _REASON_MEMBER, False), ("delta", _PARTIAL, True), ("reasoning", _REASONING_MEMBER, False),
        ("text", _TEXT_MEMBER, False),
    ):  # fmt: skip
        found: dict[str, list[Any]] = defaultdict(list)
        for frame in left:
            path = _member(frame, pattern, flag=flag)
            if path:
                found[path].append(frame)
        for path, matching in found.items():
            is_there = {"exists": True} if isinstance(walk(matching[0], path), dict | list) else {"not_empty": True}
            yield Kind({path: True if flag else is_there}, matching, words)
        taken = {id(frame) for matching in found.values() for frame in matching}
        left = [frame for frame in left if id(frame) not in taken]
    for frame in left:
        path = next((path.partition(".")[0] for path, _ in leaves(frame)), "")
        if path:
            same = [each for each in left if isinstance(each, dict) and path in each]
            yield Kind({path: {"exists": True}}, same, "")
            return


def _member(frame: Any, pattern: re.Pattern[str], *, flag: bool) -> str:
    """The path of the first member of such a name: a flag that is true, or a value; "" for none."""
    for path, value in leaves(frame):
        if flag:
            if value is True and pattern.search(path):
                return path
            continue
        names = path.split(".")
        for count in range(1, len(names) + 1):
            above = ".".join(names[:count])
            held = walk(frame, above)
            # A table of what is new holds texts under names of their own.
            is_table = isinstance(held, dict) and names[count - 1].lower() == "delta"
            if pattern.search(above) and held not in (None, "", MISSING) and not is_table:
                return above
    return ""
