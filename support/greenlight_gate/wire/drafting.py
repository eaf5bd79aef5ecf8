"""Drafts a profile from recorded frames, to be finished by hand."""

import base64
import binascii
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from greenlight_gate.events import FIVE, EventKind
from greenlight_gate.findings import numbered
from greenlight_gate.wire.capture import CaptureError
from greenlight_gate.wire.codecs import UndecodableError, codec_named
from greenlight_gate.wire.values import MISSING, walk

# Which words in the name of a kind make it which event; the first that fits.
_GUESSES = (
    (EventKind.FAILED, r"fail|error"),
    (EventKind.STOPPED, r"cancel|abort|interrupt|stopped"),
    (EventKind.TOOL_COMPLETED, r"(tool|function|command).*(result|output|complet|end|finish|respon|done)"),
    (EventKind.TOOL_EXECUTING, r"tool|function|command"),
    (EventKind.STARTED, r"start|begin|began|created|accepted|in_progress|busy"),
    (EventKind.THINKING, r"think|thought|reason|content|delta|chunk|token|stream|progress"),
    (EventKind.COMPLETED, r"complete|done|finish|final|result|end|answer|idle"),
)
_KIND_NAMES = ("type", "event", "kind", "msg_type", "method", "action", "op", "name")
_TEXT_NAMES = ("text", "content", "delta", "message", "result", "output", "answer", "reasoning", "thought", "data")
_ID = re.compile(r"(^|[._])(id|.*_id|.*Id)$")
# The last part of the path of a tool's name, the likeliest first; whose a plain name is, is said by what it stands in.
_TOOL_NAMES = ("toolname", "functionname", "tool", "function", "name")
_OF_TOOLS, _OF_OTHERS = re.compile("tool|function|call|command"), re.compile("agent|user|model|author|sender")
# The members of a request that are new in each.
_REQUEST_ID = re.compile(r"id|(request|message|msg|client|correlation)_?id", re.IGNORECASE)
_SHOWN = 60
_MOST_KINDS = 40
_MOST_PATHS = 400


class _Frames:
    """The frames of a capture: what was sent, and what came on each connection, decoded."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.sent: list[Any] = []
        self.came: dict[str, list[Any]] = defaultdict(list)
        self.unread = 0
        raw: list[tuple[str, bytes, bool]] = []
        for number, line in enumerate(lines, 1):
            if line.strip():
                self._line(number, line, raw)
        self.codecs = _codecs(raw)
        chain = [codec_named(name.removesuffix("?"), "", "frame.codecs") for name in self.codecs]
        for connection, data, _ in raw:
            parts: list[Any] = [data]
            try:
                for codec, name in zip(chain, self.codecs, strict=True):
                    parts = [inner for part in parts for inner in _undone(codec, name, part)]
            except UndecodableError:
                self.unread += 1
                continue
            self.came[connection] += [part for part in parts if isinstance(part, dict)]

    def _line(self, number: int, line: bytes, raw: list[tuple[str, bytes, bool]]) -> None:
        try:
            entry = json.loads(line)
            if "record" in entry:
                direction = {"received": "in", "sent": "out"}.get(entry["record"], "")
                data = entry.get("text", entry.get("data"))
                connection = str(entry["connection"])
                binary = bool(entry.get("binary"))
            else:
                direction, data = entry.get("dir", ""), entry.get("data")
                connection, binary = str(entry.get("conn", "c1")), entry.get("kind") == "binary"
            if direction == "in":
                raw.append((connection, _bytes(data, binary=binary), binary))
            elif direction == "out":
                self.sent.append(_json_or_text(data))
        except (ValueError, TypeError, AttributeError, KeyError, binascii.Error, RecursionError) as error:
            raise CaptureError(
                f"line {number}: expected a recorded frame as JSON, got {line[:60]!r} ({error})"
            ) from error


def _json_or_text(data: Any) -> Any:
    """A sent frame; one that is no JSON (a packet of Socket.IO, a binary frame) asks nothing that can be drafted."""
    try:
        return json.loads(data) if isinstance(data, str) else data
    except ValueError:
        return data


def _bytes(data: Any, *, binary: bool) -> bytes:
    if binary:
        return base64.b64decode(data, validate=True)
    return (data if isinstance(data, str) else json.dumps(data)).encode()


def _undone(codec: Any, name: str, part: Any) -> list[Any]:
    try:
        found: list[Any] = codec.decode(part)
    except UndecodableError:
        if name.endswith("?"):
            return [part]
        raise
    return found


def _codecs(raw: list[tuple[str, bytes, bool]]) -> list[str]:
    """The chain that reads most of these frames."""
    chains = (["json"], ["sse?", "json"], ["socketio"], ["ndjson", "json"], ["jupyter-v1"], ["base64", "json"])
    return max(chains, key=lambda names: sum(_reads(names, data) for _, data, _ in raw))


def _reads(names: list[str], data: bytes) -> bool:
    parts: list[Any] = [data]
    try:
        for name in names:
            codec = codec_named(name.removesuffix("?"), "", "frame.codecs")
            parts = [inner for part in parts for inner in _undone(codec, name, part)]
    except UndecodableError:
        return False
    return any(isinstance(part, dict) for part in parts)


def draft(lines: Iterable[bytes], start: str = "") -> str:
    """The text of a profile that reads as much of the recorded frames as can be guessed, with notes of what to check.

    `start`: the frame that asks, with {prompt}, as inline TOML, if it is known. Raises CaptureError for what is no
    capture, and for one without a frame that came.
    """
    frames = _Frames(lines)
    came = [frame for connection in frames.came.values() for frame in connection]
    if not came:
        raise CaptureError("expected at least one frame that came and can be read, got none")
    kind = _kind_path(came)
    out = [
        f"# Drafted from {numbered(len(came), 'frame')} on {numbered(len(frames.came), 'connection')}.",
        "# Every line is a guess: read it, correct it, try it: greenlight profile check THIS CAPTURE.",
        "# The language: wire/README.md.",
    ]
    out += [f"# {numbered(frames.unread, 'frame')} could not be read with these codecs."] if frames.unread else []
    out += ['name = "mine"', "", "[frame]", f"codecs = {json.dumps(frames.codecs)}", "", "[every]"]
    out += list(_ids(frames))
    by_kind: dict[str, list[Any]] = defaultdict(list)
    for frame in came:
        found = walk(frame, kind) if kind else MISSING
        by_kind[found if isinstance(found, str) else ""].append(frame)
    guessed: Counter[str] = Counter()
    last = [walk(connection[-1], kind) for connection in frames.came.values() if connection and kind]
    for name, examples in list(by_kind.items())[:_MOST_KINDS]:
        out += list(_rule(kind, name, examples, guessed, is_last=name in last))
    out += list(_missing(guessed))
    out += list(_start(frames.sent)) if not start else ["", "[send]", f"start = {start}"]
    return "\n".join(out) + "\n"


def _paths(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            # No profile can name another one, and none goes to a terminal or into a text of TOML as it is.
            if name.isprintable() and not re.search(r"[.\s\"\\]", name):
                yield from _paths(item, f"{prefix}{name}.")
    elif isinstance(value, list) and value:
        yield from _paths(value[0], f"{prefix}0.")
    elif prefix:
        yield prefix[:-1], value


def _kind_path(frames: list[Any]) -> str:
    """The path that most frames have, with the most different short words, and the likeliest name; "" for none."""
    values: dict[str, Counter[str]] = defaultdict(Counter)
    for frame in frames:
        for path, value in list(_paths(frame))[:_MOST_PATHS]:
            if path.rpartition(".")[2] in _KIND_NAMES and isinstance(value, str) and len(value) < _SHOWN:
                values[path][value] += 1

    def score(path: str) -> tuple[float, int, int]:
        share = values[path].total() / len(frames)
        return round(share, 1), min(len(values[path]), _MOST_KINDS), -path.count(".")

    likely = [path for path in values if len(values[path]) > 1 and values[path].total() * 2 >= len(frames)]
    return max(likely, key=score, default="")


def _ids(frames: _Frames) -> Iterator[str]:
    """Ids that are the same within a connection and different between connections, the likeliest first."""
    steady: dict[str, set[str]] = defaultdict(set)
    changing: set[str] = set()
    for connection in frames.came.values():
        seen: dict[str, set[str]] = defaultdict(set)
        for frame in connection:
            for path, value in list(_paths(frame))[:_MOST_PATHS]:
                if _ID.search(path) and isinstance(value, str | int) and not isinstance(value, bool):
                    seen[path].add(str(value))
        for path, values in seen.items():
            if len(values) == 1:
                steady[path] |= values
            else:
                changing.add(path)
    likely = [path for path in steady if path not in changing and len(steady[path]) == len(frames.came)]
    likely.sort(key=lambda path: (0 if "run" in path else 1, path.count("."), path))
    runs = [path for path in likely if not re.search("thread|session|conversation|user|client", path)]
    threads = [path for path in likely if re.search("thread|session|conversation", path)]
    users = [path for path in likely if "user" in path]
    if runs:
        yield f"run = {json.dumps(runs[:2])}"
    else:
        yield '# No id of the run was found. "$request" stands for the question that was asked last on the connection.'
        yield 'run = "$request"'
    yield f'thread = "{threads[0]}?"' if threads else '# thread = "PATH?"'
    yield f'user = "{users[0]}?"' if users else '# user = "PATH?"'
    stamps = sorted(
        {path for frames_ in frames.came.values() for frame in frames_ for path, value in _paths(frame)
         if re.search(r"(timestamp|created_at|date|time)$", path) and isinstance(value, str | int | float)},
        key=lambda path: (path.count("."), path),
    )  # fmt: skip
    yield f'stamp = "{stamps[0]}?"' if stamps else '# stamp = "PATH"'


def _rule(kind: str, name: str, examples: list[Any], guessed: Counter[str], *, is_last: bool) -> Iterator[str]:
    shown = json.dumps(examples[0], ensure_ascii=True)
    yield ""
    yield f"# {numbered(len(examples), 'frame')}, for example {shown[:200]}{'...' if len(shown) > 200 else ''}"
    if not name:
        yield "# They name no kind: say with conditions what they are, for instance when = { PATH = { exists = true } }"
        return
    when = f"when = {{ {_key(kind)} = {json.dumps(name)} }}"
    event = next((event for event, words in _GUESSES if re.search(words, name, re.IGNORECASE)), None)
    if is_last and event not in (EventKind.FAILED, EventKind.STOPPED):
        event = EventKind.COMPLETED
    if event is EventKind.COMPLETED and not is_last:
        yield from ("[[ignore]]", when, 'because = "ends a part and not the run, as no connection ended with it"')
        return
    if event is None or (event in (EventKind.STARTED, EventKind.COMPLETED) and guessed[event]):
        yield from ("[[ignore]]", when, 'because = "TODO: say why, or make it an [[event]]"')
        return
    guessed[event] += 1
    yield from ("[[event]]", when, f'is = "{event}"')
    if event is EventKind.THINKING:
        yield 'collapse = "until_other_kind"'
    text = _text_path(examples)
    if event is not EventKind.STARTED and event is not EventKind.TOOL_EXECUTING:
        yield f'text = "{text}"' if text else '# text = "PATH"'
    if event in (EventKind.TOOL_EXECUTING, EventKind.TOOL_COMPLETED):
        calls = [path for path, _ in _paths(examples[0]) if re.search(r"(call_?id|\bid)$", path, re.IGNORECASE)]
        for field, path in (("tool", _tool_path(examples[0])), ("call", calls[0] if calls else "")):
            yield f'{field} = "{path}"' if path else f'# {field} = "PATH"'


def _key(path: str) -> str:
    return path if re.fullmatch(r"[A-Za-z0-9_-]+", path) else json.dumps(path)


def _tool_path(frame: Any) -> str:
    """The path of the name of a tool, "" for none."""
    ranked = []
    for path, value in list(_paths(frame))[:_MOST_PATHS]:
        *above, last = path.lower().replace("_", "").split(".")
        if not isinstance(value, str) or last not in _TOOL_NAMES:
            continue
        within = above[-1] if above else ""
        if last != "name" or not _OF_OTHERS.search(within):
            rank = 0 if last == "name" and _OF_TOOLS.search(within) else _TOOL_NAMES.index(last)
            ranked.append((rank, len(above), path))
    return min(ranked, default=(0, 0, ""))[2]


def _text_path(examples: list[Any]) -> str:
    """The path of the text to read: a likely name, and the longest texts there."""
    lengths: Counter[str] = Counter()
    for frame in examples:
        for path, value in list(_paths(frame))[:_MOST_PATHS]:
            if path.rpartition(".")[2] in _TEXT_NAMES and isinstance(value, str):
                lengths[path] += len(value) + 1
    return lengths.most_common(1)[0][0] if lengths else ""


def _missing(guessed: Counter[str]) -> Iterator[str]:
    missing = [kind for kind in FIVE if not guessed[kind]]
    if EventKind.COMPLETED in missing:
        yield from ("", "# TODO: no end was found. A profile needs one:", "# [[event]]", "# when = { PATH = VALUE }")
        yield from ('# is = "agent_completed"', '# text = "PATH"')
        missing.remove(EventKind.COMPLETED)
    if missing:
        yield from ("", "# Not found in these frames. Map them if there are any; what stays here is not observable.")
        yield "[absent]"
        yield from (f'{kind} = "TODO: why this wire does not show it"' for kind in missing)


def _start(sent: list[Any]) -> Iterator[str]:
    yield ""
    asked = next((frame for frame in sent if isinstance(frame, dict) and _longest_text(frame)), None)
    if asked is None:
        yield from ("# TODO: the frame that asks a question", "[send.start]", 'text = "{prompt}"')
        return
    path = _longest_text(asked)
    yield "# The frame that asks a question; the longest text in it is taken for the question, an id for the request's."
    yield "[send]"
    yield f"start = {_inline(asked, path)}"


def _longest_text(frame: dict[str, Any]) -> str:
    texts = {path: value for path, value in _paths(frame) if isinstance(value, str) and not _ID.search(path)}
    spoken = {path: value for path, value in texts.items() if " " in value.strip()} or texts
    return max(spoken, key=lambda path: len(spoken[path]), default="")


def _inline(value: Any, path: str, here: str = "") -> str:
    """A value as inline TOML, with {prompt} at the path and {request} for ids. Null, which has no form, is left out."""
    if here[:-1] == path and here:
        return '"{prompt}"'
    if isinstance(value, str) and value and _REQUEST_ID.fullmatch(here[:-1].rpartition(".")[2]):
        return '"{request}"'
    if isinstance(value, dict):
        items = {key: _inline(item, path, f"{here}{key}.") for key, item in value.items() if item is not None}
        return "{ " + ", ".join(f"{_key(key)} = {item}" for key, item in items.items()) + " }"
    if isinstance(value, list):
        parts = (_inline(item, path, f"{here}{i}.") for i, item in enumerate(value) if item is not None)
        return "[" + ", ".join(parts) + "]"
    if isinstance(value, str):
        return json.dumps(value.replace("{", "{{").replace("}", "}}"))
    return json.dumps(value)
