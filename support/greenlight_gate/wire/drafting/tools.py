"""Where the frames of tools hold the name of the tool, the id of its call and its result."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from greenlight_gate.wire.drafting.kinds import Kind
from greenlight_gate.wire.drafting.recording import leaves
from greenlight_gate.wire.drafting.requests import is_kind
from greenlight_gate.wire.values import MISSING, walk

# The last part of the path of a tool's name, the likeliest first; whose a plain name is, is said by what it stands in.
_TOOL_NAMES = ("toolname", "functionname", "tool", "function", "name", "title")
_OF_TOOLS, _OF_OTHERS = re.compile("tool|function|call|command"), re.compile("agent|user|model|author|sender")
_CALL_NAMES = re.compile(r"(call_?id|\bcall|\bid|key)$", re.IGNORECASE)
_RESULT_NAMES = (
    "result",
    "output",
    "response",
    "content",
    "text",
    "message",
    "error",
    "error_message",
    "data",
    "value",
)
_FAILURES = (
    (re.compile(r"(is_?error|tool_call_error|failed|error)$", re.IGNORECASE), bool, "[true]"),
    (re.compile(r"(ok|success|successful)$", re.IGNORECASE), bool, "[false]"),
    (re.compile(r"(status|state|outcome)$", re.IGNORECASE), str, '["error", "failed", "failure"]'),
)
_LONGEST_ID = 100
PARTS = "parts of a tool's arguments"
_LISTED = re.compile(r"^(.*?)\.(?:0|-1)\.(.*)$")


class CallPaths(NamedTuple):
    """Where the id of a call stands in the frame that begins it, and in the one that ends it; "" for nowhere."""

    executing: str = ""
    completed: str = ""


def paired(executing: Sequence[Any], completed: Sequence[Any], groups: Sequence[Sequence[Any]]) -> CallPaths:
    """The paths whose values are the same in the beginning and the end of a call, and in little else."""
    common = {value for frames in groups for value, count in _ids_in(frames).items() if count * 2 > len(frames)}
    counts: Counter[CallPaths] = Counter()
    ends = [dict(_own(frame, common)) for frame in completed]
    for frame in executing:
        for path, value in _own(frame, common):
            for end in ends:
                counts.update(CallPaths(path, at) for at, same in end.items() if same == value)
    named = [calls for calls in counts if _CALL_NAMES.search(calls.executing)]
    return max(named, default=CallPaths(), key=lambda calls: (counts[calls], *_likely(calls)))


def _likely(calls: CallPaths) -> tuple[bool, bool, int]:
    same = calls.executing == calls.completed
    return "call" in calls.executing.lower(), same, -calls.executing.count(".")


def _own(frame: Any, common: set[str]) -> Iterator[tuple[str, str]]:
    for path, value in leaves(frame):
        wanted = isinstance(value, str | int) and not isinstance(value, bool) and not is_kind(path)
        if wanted and 0 < len(str(value)) < _LONGEST_ID and " " not in str(value) and str(value) not in common:
            yield path, str(value)


def _ids_in(frames: Sequence[Any]) -> Counter[str]:
    return Counter(value for frame in frames for value in {value for _, value in _own(frame, set())})


def tool_lines(kind: Kind, call: str, text: str, *, completed: bool) -> Iterator[str]:
    """The lines of the table for a tool's frames: conditions, the list that holds several calls, and the fields."""
    example = next((frame for frame in kind.frames if not call or walk(frame, call) is not MISSING), kind.frames[0])
    name = _tool_path(example)
    listed = next((found[1] for path in (call, name, *kind.terms) if path and (found := _LISTED.match(path))), "")

    def within(path: str) -> str:
        found = _LISTED.match(path)
        return f"$item.{found[2]}" if found and found[1] == listed else path

    terms = {within(path): value for path, value in kind.terms.items()}
    yield Kind(terms, [], "").when
    if listed:
        yield f"each = {json.dumps(listed)}"
    yield f'is = "{"tool_completed" if completed else "tool_executing"}"'
    for field, path in (("tool", name), ("call", call)):
        if field == "tool" and not name and completed and call:
            continue  # the call says which tool it is
        missing = '# call = "PATH"' if field == "call" else 'tool = { value = "tool" }  # TODO: its name'
        yield f'{field} = "{within(path)}"' if path else missing
    if not completed:
        return
    yield f"text = {_texts(kind, name, call, text, within)}"
    for pattern, type_, failed in _FAILURES:
        for path, value in leaves(example):
            if pattern.search(path.rpartition(".")[2]) and type(value) is type_ and path not in kind.terms:
                yield f'status = {{ at = ["{within(path)}"], is = "any", optional = true, failed = {failed} }}'
                return


def _texts(kind: Kind, name: str, call: str, text: str, within: Callable[[str], str]) -> str:
    """Where the result stands: also that of a tool that fails, if it stands elsewhere."""
    paths: list[str] = []
    for frame in kind.frames:
        if not any(walk(frame, path) not in (MISSING, None) for path in paths):
            result = _result_path(frame, name, call)
            result = text if text and not isinstance(walk(frame, result), str) else result
            paths += [within(result)] if result and within(result) not in paths else []
            if "$item" in "".join(paths):
                break
    return json.dumps(paths[0] if len(paths) == 1 else paths[:3]) if paths else '{ value = "done" }  # TODO: its result'


def named(kind: Kind) -> list[Kind]:
    """The kind of a tool's beginning; where only some frames name the tool, those, and the others, which go on."""
    path = next((found for frame in kind.frames if (found := _tool_path(frame))), "")
    with_name = [frame for frame in kind.frames if path and walk(frame, path) not in (MISSING, None, "")]
    if not 0 < len(with_name) < len(kind.frames):
        return [kind]
    ids = {id(frame) for frame in with_name}
    rest = [frame for frame in kind.frames if id(frame) not in ids]
    return [Kind({**kind.terms, path: {"not_empty": True}}, with_name, kind.words), Kind(kind.terms, rest, PARTS)]


def _tool_path(frame: Any) -> str:
    """The path of the name of a tool, "" for none."""
    ranked = []
    for path, value in leaves(frame):
        *above, last = [
            name for name in path.lower().replace("_", "").split(".") if not name.lstrip("-").isdigit()
        ] or [""]
        if not isinstance(value, str) or last not in _TOOL_NAMES:
            continue
        within = above[-1] if above else ""
        if last != "name" or not _OF_OTHERS.search(within):
            rank = 0 if last == "name" and _OF_TOOLS.search(within) else _TOOL_NAMES.index(last)
            ranked.append((rank, len(above), path))
    return min(ranked, default=(0, 0, ""))[2]


def _result_path(frame: Any, *others: str) -> str:
    """The path of what a tool gave: a text or a table of such a name."""
    found: list[tuple[bool, int, int, str]] = []
    for path, _ in leaves(frame):
        names = path.split(".")
        for count in range(1, len(names) + 1):
            above = ".".join(names[:count])
            value = walk(frame, above)
            usable = isinstance(value, str | dict | list | int | float) and not isinstance(value, bool) and value != ""
            if (
                names[count - 1] in _RESULT_NAMES
                and usable
                and not any(o == above or o.startswith(f"{above}.") for o in others if o)
            ):
                found.append((isinstance(value, dict | list), _RESULT_NAMES.index(names[count - 1]), count, above))
        if re.search(r"(response|result)$", path.rpartition(".")[0], re.IGNORECASE) and not found:
            found.append((True, len(_RESULT_NAMES), 0, path.rpartition(".")[0]))
    return min(found, default=(False, 0, 0, ""))[3]
