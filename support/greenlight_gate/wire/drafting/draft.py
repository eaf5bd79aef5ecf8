"""The text of a drafted profile: which event each kind of frame is, and what a client sends."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from greenlight_gate.events import FIVE, EventKind
from greenlight_gate.findings import numbered
from greenlight_gate.wire.by_http import SentTo
from greenlight_gate.wire.capture import CaptureError
from greenlight_gate.wire.drafting.dialogue import Dialogue, key_of
from greenlight_gate.wire.drafting.ids import Ids
from greenlight_gate.wire.drafting.kinds import Kind, kinds_of
from greenlight_gate.wire.drafting.recording import Recording, leaves
from greenlight_gate.wire.drafting.requests import Requests
from greenlight_gate.wire.drafting.tools import PARTS, CallPaths, named, paired, tool_lines
from greenlight_gate.wire.values import MISSING, walk

_TEXT_NAMES = (
    "text", "content", "delta", "message", "result", "output", "answer", "reasoning", "thought", "data", "code", "bit",
    "token", "chunk", "piece", "response", "reply",
    "reasoning_content", "error", "error_message", "errorMessage", "reason", "detail", "summary", "text/plain",
)  # fmt: skip
_PART_ENDS = re.compile(r"complet|done|finish|\bend", re.IGNORECASE)
_REASONING = re.compile(r"reason|think|thought", re.IGNORECASE)
_MARK = re.compile(r"\[[A-Z_ ]+\]")
_SAYS = re.compile(r"(^|\.)(message|msg|detail|description|reason|text)$")
_SHOWN = 200
_STOP = [
    "",
    "# Where users stop an answer by closing its stream, and its run ends with that:",
    "# [send.stop]",
    "# close = true",
    "# [promises]",
    "# runs_end_with_connection = true",
]
# So many frames of a kind with a text are the pieces of one.
_A_STREAM = 4
_MOST = 60


def draft(lines: Iterable[bytes], start: str = "", channel: str = "") -> str:
    """The text of a profile that reads as much of the recorded frames as can be guessed, with notes of what to check.

    `start`: the frame that asks, with {prompt}, as inline TOML, if it is known; so `channel`, what a GET opens. Raises
    CaptureError for what is no capture, and for one without a frame that came.
    """
    recording = Recording(lines)
    came = recording.came
    if not came:
        raise CaptureError("expected at least one frame that came and can be read, got none")
    requests = Requests(recording)
    dialogue = Dialogue(requests)
    ids = Ids(requests, dialogue)
    out = [
        f"# Drafted from {numbered(len(came), 'frame')} on {numbered(recording.with_messages, 'connection')}.",
        "# Every line is a guess: read it, correct it, try it: greenlight profile check THIS CAPTURE.",
        "# The language: wire/README.md.",
    ]
    out += [f"# {numbered(recording.unread, 'frame')} could not be read with these codecs."] if recording.unread else []
    out += ['name = "mine"', "", "[frame]", f"codecs = {json.dumps(recording.codecs)}"]
    out += dialogue.before()
    out += ["", "[connection]", *_transport(recording, channel), *_runs(ids, requests)]
    out += dialogue.handshake()
    out += dialogue.answers()
    if dialogue.values:
        out += ["", "[values]", *(f'{name} = "{{uuid}}"' for name in dialogue.values)]
    out += dialogue.scope_lines()
    out += ["", "[every]", *ids.lines()]
    marks = {id(frame) for frame in came if _is_mark(frame)}
    groups = [[frame for frame in group if id(frame) not in marks] for group in ids.groups]
    mark = next((frame["text"] for frame in came if id(frame) in marks), "")
    kinds = kinds_of([frame for frame in came if id(frame) not in marks], groups)
    events = _Events(kinds, groups, dialogue, mark)
    out += events.lines()
    out += _errors(recording) if not events.has_refusals else []
    out += _start(dialogue) if not start else ["", "[send]", f"start = {start}"]
    out += _STOP if recording.transport in ("sse", "ndjson") else []
    return "\n".join(out) + "\n"


def _errors(recording: Recording) -> Iterator[str]:
    """By HTTP, what the bodies of error statuses say, at a path that no message has."""
    for body in recording.errors:
        texts = [(path, value) for path, value in leaves(body) if isinstance(value, str) and value]
        own = [path for path, _ in texts if all(walk(frame, path) is MISSING for frame in recording.came)]
        if not own:
            continue
        says = max((bool(_SAYS.search(path)), len(value), path) for path, value in texts)[2]
        codes = [path for path, value in texts if path != says and " " not in value and not re.search(r"\d{4}", value)]
        capture = {**({"code": codes[0]} if codes else {}), "text": says}
        yield from ("", "# The body of an answer with an error status.", "[controls.error]")
        yield f"when = {{ {key_of(own[0])} = {{ exists = true }} }}"
        yield "capture = { " + ", ".join(f"{name} = {json.dumps(path)}" for name, path in capture.items()) + " }"
        return


def _is_mark(frame: Any) -> bool:
    """Whether a message only says that a stream ends, such as [DONE]."""
    return isinstance(frame, dict) and list(frame) == ["text"] and _MARK.fullmatch(str(frame["text"])) is not None


def _transport(recording: Recording, channel: str) -> list[str]:
    """How the connection is opened."""
    if not recording.by_http:
        return ['# path = "/..."']
    lines = [f'transport = "{recording.transport}"']
    if recording.transport == "channel":
        opening = SentTo("GET", channel) if channel else recording.opening
        lines.append(
            f'opening = {{ method = "{opening.method}", path = {json.dumps(urlsplit(opening.path).path)} }}'
            if opening is not None
            else 'opening = { method = "GET", path = "/events" }  # TODO: what is answered with the events'
        )
    return lines


def _runs(ids: Ids, requests: Requests) -> list[str]:
    """How many requests a connection takes, where no frame says which run it belongs to."""
    if ids.run:
        return []
    most = max(Counter(turn.connection for turn in requests.turns).values(), default=0)
    return ['runs = "one"' if ids.given and most == 1 else 'runs = "one_at_a_time"']


class _Events:
    """Which event each kind of frame is. `mark`: the text that only says that a stream ends, "" for none."""

    def __init__(
        self, kinds: Sequence[Kind], groups: Sequence[Sequence[Any]], dialogue: Dialogue, mark: str = ""
    ) -> None:  # fmt: skip
        kinds = [part for kind in kinds for part in (named(kind) if kind.guess is EventKind.TOOL_EXECUTING else [kind])]
        self.mark = mark
        self.kinds = kinds
        self.groups = groups
        self.dialogue = dialogue
        self.prompts = {str(prompt) for prompt in dialogue.requests.prompts}
        self.kind_of = {id(frame): kind for kind in kinds for frame in kind.frames}
        self.counts = [
            Counter(self.kind_of[id(frame)] for frame in group if id(frame) in self.kind_of) for group in groups
        ]
        self.end = self._end()
        self.begin = self._begin()
        self.text = {kind: _text_path(kind.frames, self.prompts) for kind in kinds}
        self.answer_from: Kind | None = None
        self.events = {kind: self._event(kind) for kind in kinds}
        self._end_tools()
        if mark if self.end is None else not self.text[self.end]:
            self.answer_from = self._source_of_answer()
        self.pieces = {
            kind for kind, event in self.events.items() if event is EventKind.THINKING and self._is_of_answer(kind)
        }
        thoughts = {kind for kind, event in self.events.items() if event is EventKind.THINKING} - self.pieces
        if not thoughts and (plan := self._plan()) not in (None, self.answer_from):
            self.events[plan] = EventKind.THINKING

    def _end_tools(self) -> None:
        """Where no kind ends a tool, and two are of tools: the later one, which comes as often, for the same calls."""
        tools = [kind for kind, event in self.events.items() if event is EventKind.TOOL_EXECUTING]
        if len(tools) != 2 or EventKind.TOOL_COMPLETED in self.events.values():
            return
        begun, done = tools
        if len(begun.frames) == len(done.frames) and paired(begun.frames, done.frames, self.groups).completed:
            self.events[done] = EventKind.TOOL_COMPLETED

    def _is_once(self, kind: Kind) -> bool:
        """Whether a run has one such frame: not always, since some runs fail."""
        with_it = [count[kind] for count in self.counts if count[kind]]
        return with_it.count(1) * 4 >= len(with_it) * 3 and len(with_it) * 5 >= len(self.groups) * 3

    def _end(self) -> Kind | None:
        """The kind that occurs once in a run and comes last of all such kinds."""
        votes: Counter[Kind] = Counter()
        for group in self.groups:
            kinds = [self.kind_of[id(frame)] for frame in reversed(group) if id(frame) in self.kind_of]
            fitting = [kind for kind in kinds if kind.guess not in (EventKind.FAILED, EventKind.STOPPED) and kind.terms]
            once = next((kind for kind in fitting if self._is_once(kind)), None)
            if self.mark and once is not None and once is not kinds[0] and once.guess is not EventKind.COMPLETED:
                continue  # something comes between it and the mark, which is the end then
            if once is not None:
                votes[once] += 1
        return votes.most_common(1)[0][0] if votes else None

    def _begin(self) -> Kind | None:
        """The kind that begins a run: it occurs once and is called so, or it is the first frame and says the prompt."""
        votes: Counter[Kind] = Counter()
        for group in self.groups:
            kinds = [(self.kind_of[id(frame)], frame) for frame in group if id(frame) in self.kind_of]
            for index, (kind, frame) in enumerate(kinds):
                said = not index and any(value in self.prompts for _, value in leaves(frame) if isinstance(value, str))
                if kind is not self.end and self._is_once(kind) and (said or kind.guess is EventKind.STARTED):
                    votes[kind] += 1
                    break
        return votes.most_common(1)[0][0] if votes else None

    @property
    def first_kinds(self) -> list[Kind]:
        """By HTTP, the kinds that runs begin with, where none is called so: the first message shows that work began."""
        recording = self.dialogue.requests.recording
        if self.begin is not None or recording.transport not in ("sse", "ndjson"):
            return []
        first = [self.kind_of[id(group[0])] for group in self.groups if group and id(group[0]) in self.kind_of]
        return [kind for kind in dict.fromkeys(first) if kind.terms and kind.guess is not EventKind.FAILED]

    def _event(self, kind: Kind) -> EventKind | None:
        guess = kind.guess
        if not kind.terms:
            return None
        if kind is self.end:
            return EventKind.COMPLETED
        if kind is self.begin:
            return EventKind.STARTED
        if guess in (EventKind.STARTED, EventKind.COMPLETED):
            guess = None
        several = any(count[kind] > 1 for count in self.counts)
        if guess is EventKind.THINKING and (not self.text[kind] or (not several and _PART_ENDS.search(kind.words))):
            return None
        if guess is None and self._is_stream(kind):
            return EventKind.THINKING
        # What no run has is of the connection: an error there is none of a run.
        return guess if any(count[kind] for count in self.counts) else None

    def _is_stream(self, kind: Kind) -> bool:
        """Whether frames of this kind are the pieces of one text."""
        most, text = max((count[kind] for count in self.counts), default=0), self.text[kind]
        if not text or most < 2:
            return False
        texts = [_text(frame, text) for frame in kind.frames]
        return most >= _A_STREAM or any(each != each.strip() for each in texts)

    def _plan(self) -> Kind | None:
        """Where nothing else is reasoning: the kind with a text that every run has once before its answer."""
        return next(
            (kind for kind in self.kinds
             if self.events[kind] is None and kind.guess is None and self.text[kind] and self._is_once(kind)
             and all(count[kind] for count in self.counts) and not self._has_come_in_pieces(kind)), None,
        )  # fmt: skip

    def _has_come_in_pieces(self, kind: Kind) -> bool:
        """Whether frames of this kind are the whole of what pieces of the answer have said before."""
        for group in self.groups:
            said = ""
            for each, frame in ((self.kind_of[id(frame)], frame) for frame in group if id(frame) in self.kind_of):
                said += _text(frame, self.text[each]) if each in self.pieces else ""
                if each is kind and _text(frame, self.text[kind]) not in said:
                    return False
        return True

    def _source_of_answer(self) -> Kind | None:
        """The kind with the last text before the end: a whole text rather than a piece."""
        votes: Counter[Kind] = Counter()
        for group in self.groups:
            ends = [i for i, frame in enumerate(group) if self.kind_of.get(id(frame)) is self.end]
            before = [
                self.kind_of[id(frame)] for frame in group[: ends[-1] if ends else None] if id(frame) in self.kind_of
            ]
            texts = [kind for kind in before if self.text[kind] and kind is not self.begin and kind is not self.end]
            texts = [kind for kind in texts if not _REASONING.search(kind.words)]
            wholes = [kind for kind in texts if self.events[kind] is None]
            # Pieces that come after the result of a tool are the answer to it.
            wholes = wholes or [kind for kind in texts[-1:] if self.events[kind] is EventKind.TOOL_COMPLETED]
            if texts:
                votes[(wholes or texts)[-1]] += 1
        return votes.most_common(1)[0][0] if votes else None

    def _is_of_answer(self, kind: Kind) -> bool:
        """Whether the pieces of this kind are the beginning or the end of the answer, in most runs that have both."""
        if _REASONING.search(kind.words) or kind is self.answer_from:
            return kind is self.answer_from
        same = runs = 0
        for group in self.groups:
            answer, streams = self._answer_in(group), self._streams_in(group, kind)
            runs += bool(answer and streams)
            # The first piece may come in a frame of another kind, which begins the stream.
            same += any(answer.startswith(stream) or (" " in stream and answer.endswith(stream)) for stream in streams)
        return same * 2 > runs

    def _answer_in(self, group: Sequence[Any]) -> str:
        """The answer as a whole: of the last frame that has it."""
        source = self.answer_from if self.answer_from is not None else self.end
        if source is None or not self.text[source]:
            return ""
        texts = [_text(frame, self.text[source]) for frame in group if self.kind_of.get(id(frame)) is source]
        return next((text for text in reversed(texts) if text.strip()), "")

    def _streams_in(self, group: Sequence[Any], kind: Kind) -> list[str]:
        """The texts of the frames of a kind that come one after the other, joined."""
        streams = [""]
        for frame in group:
            if self.kind_of.get(id(frame)) is kind:
                streams[-1] += _text(frame, self.text[kind])
            else:
                streams.append("")
        return [text for stream in streams if (text := stream.strip())]

    # The text -----------------------------------------------------------------------------------------------------

    def lines(self) -> Iterator[str]:
        """The tables of all kinds, then what was not found."""
        begun = [
            frame for kind, event in self.events.items() if event is EventKind.TOOL_EXECUTING for frame in kind.frames
        ]
        done = [
            frame for kind, event in self.events.items() if event is EventKind.TOOL_COMPLETED for frame in kind.frames
        ]
        calls = paired(begun, done, self.groups)
        refused = next((kind for kind in self.kinds if self._is_refusal(kind)), None)
        for kind in self.first_kinds:
            yield from ("", "# The first message of an answer shows that the request was accepted.", "[[event]]")
            yield from (Kind({**kind.terms, "$events": 0}, [], "").when, 'is = "agent_started"', "go_on = true")
        for kind in self.kinds:
            shown = json.dumps(kind.frames[0], ensure_ascii=True)
            yield ""
            shown = f"{shown[:_SHOWN]}..." if len(shown) > _SHOWN else shown
            yield f"# {numbered(len(kind.frames), 'frame')}, for example {shown}"
            yield from self._refusal(kind) if kind is refused else self._table(kind, calls)
        if self.mark:
            yield from (
                "",
                "[[ignore]]" if self.end is not None else "[[event]]",
                f"when = {{ text = {json.dumps(self.mark)} }}",
            )
            yield from ['because = "the end of a stream"'] if self.end is not None else self._ended_by_mark()
        yield from self._missing()

    def _ended_by_mark(self) -> Iterator[str]:
        yield 'is = "agent_completed"'
        yield 'text = "$answer"' if self.answer_from is not None else '# text = "PATH"'

    @property
    def has_refusals(self) -> bool:
        """Whether a kind of message is an error of no run."""
        return any(map(self._is_refusal, self.kinds))

    def _is_refusal(self, kind: Kind) -> bool:
        return kind.guess is EventKind.FAILED and bool(kind.terms) and self.events[kind] is None

    def _refusal(self, kind: Kind) -> Iterator[str]:
        text = self.text[kind]
        yield from ("[controls.error]", kind.when)
        if text:
            yield f'capture = {{ text = "{text}" }}'

    def _table(self, kind: Kind, calls: CallPaths) -> Iterator[str]:
        event, text = self.events[kind], self.text[kind]
        if not kind.terms:
            yield "# They name no kind: say with conditions what they are, as when = { PATH = { exists = true } }"
        elif event is None:
            ends = kind.guess is EventKind.COMPLETED
            because = (
                "ends a part and not the run, as no run ended with it"
                if ends
                else "TODO: say why, or make it an [[event]]"
            )
            uses = {self.dialogue.use_of(frame) for frame in kind.frames}
            because = uses.pop() if len(uses) == 1 and "" not in uses else because
            because = kind.words if kind.words == PARTS else because
            if kind is self.answer_from:
                because = "the whole of a text; the last one is the answer"
            yield from ("[[ignore]]", kind.when, f"because = {json.dumps(because)}", *self._kept(kind))
        elif event in (EventKind.TOOL_EXECUTING, EventKind.TOOL_COMPLETED):
            completed = event is EventKind.TOOL_COMPLETED
            yield "[[event]]"
            yield from tool_lines(kind, calls.completed if completed else calls.executing, text, completed=completed)
            yield from self._kept(kind)
        else:
            yield from self._event_table(kind, event, text)

    def _event_table(self, kind: Kind, event: EventKind, text: str) -> Iterator[str]:
        empty = event is EventKind.THINKING and any(not _text(frame, text) for frame in kind.frames)
        filled = Kind({**kind.terms, text: {"not_empty": True}}, [], "") if empty else kind
        piece = kind in self.pieces
        if piece:
            yield "# The answer is made of these texts: they are parts of it, and no reasoning."
        yield from ("[[event]]", filled.when, f'is = "{EventKind.ANSWER_PART if piece else event}"')
        if event is EventKind.THINKING and not piece:
            yield 'collapse = "until_other_kind"'
        if event is EventKind.COMPLETED and not text:
            yield 'text = "$answer"' if self.answer_from is not None else '# text = "PATH"'
        elif event is not EventKind.STARTED:
            yield f'text = "{text}"' if text else '# text = "PATH"'
        elif said := _text_path(kind.frames, set()):
            yield f'text = "{said}?"'
        yield from self._kept(kind)
        if empty:
            yield from ("", "[[ignore]]", kind.when, 'because = "an empty piece"')

    def _kept(self, kind: Kind) -> Iterator[str]:
        if kind is self.answer_from:
            yield f'{"gather" if kind in self.pieces else "remember"} = {{ answer = "{self.text[kind]}" }}'

    def _missing(self) -> Iterator[str]:
        found = {event for kind, event in self.events.items() if kind not in self.pieces}
        found |= {EventKind.COMPLETED} if self.mark else set()
        found |= {EventKind.STARTED} if self.first_kinds else set()
        missing = [kind for kind in FIVE if kind not in found]
        if EventKind.COMPLETED in missing:
            yield from (
                "",
                "# TODO: no end was found. A profile needs one:",
                "# [[event]]",
                "# when = { PATH = VALUE }",
            )
            yield from ('# is = "agent_completed"', '# text = "PATH"')
            missing.remove(EventKind.COMPLETED)
        if missing:
            yield from (
                "",
                "# Not found in these frames. Map them if there are any; of what stays here, say why.",
            )
            yield "[absent]"
            yield from (f'{kind} = "not among what was recorded"' for kind in missing)


def _text(frame: Any, path: str) -> str:
    value = walk(frame, path) if path else ""
    return value if isinstance(value, str) else ""


def _text_path(examples: Sequence[Any], prompts: set[str]) -> str:
    """The path of the text to read: a likely name, and the longest texts there; not where the question is repeated."""
    lengths: Counter[str] = Counter()
    for frame in examples[:_MOST]:
        for path, value in leaves(frame):
            if path.rpartition(".")[2] in _TEXT_NAMES and isinstance(value, str) and value not in prompts and value:
                # Of a list, the last item is the latest.
                lengths[path] += len(value) + 1 + (".-1." in path)
    return lengths.most_common(1)[0][0] if lengths else ""


def _start(dialogue: Dialogue) -> Iterator[str]:
    yield ""
    if not dialogue.start:
        yield from ("# TODO: the message that asks a question", "[send.start]", 'text = "{prompt}"')
        return
    yield "# The message that asks a question."
    yield "[send]"
    http = f"http = {dialogue.address}, " if dialogue.address else ""
    body = dialogue.start.removeprefix("{ ") if http else dialogue.start
    yield f"start = {'{ ' if http else ''}{http}{body}"
