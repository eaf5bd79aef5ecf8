"""A profile at work on one connection: frames in, readings out, with the state in between.

Whether a phase of thinking goes on, which tools are open, what was captured and remembered: all of it follows from the
frames and from what the user's side did, so that a replay of the evidence reads the same.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from greenlight_gate.events import (
    ENDS,
    Control,
    Event,
    EventKind,
    Foreign,
    Ignored,
    Mistake,
    More,
    Problem,
    Reading,
    Several,
    Unmapped,
)
from greenlight_gate.wire.codecs import UndecodableError
from greenlight_gate.wire.codecs.chain import CodecChain, undone
from greenlight_gate.wire.codecs.texts import Json
from greenlight_gate.wire.compiled_rules import all_paths, compile_matcher, compile_scope, rules_of
from greenlight_gate.wire.fields import joined
from greenlight_gate.wire.json_text import UnreadableError, lenient_value, preview
from greenlight_gate.wire.matching import EventRule, Ignore
from greenlight_gate.wire.paths import Tree
from greenlight_gate.wire.spec import Spec
from greenlight_gate.wire.values import first_value, text_of, walk

_MOST_RUNS = 256
_MOST_FACTS = 4096
_MOST_TEXT = 65_536
# Where the wire does not name the tool, it is that of the open call.
_OF_A_CALL = frozenset({EventKind.TOOL_COMPLETED, EventKind.INPUT_REQUESTED})
_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class CompiledProfile:
    """What is compiled once for a profile and shared by all its connections."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.rules = rules_of(spec)
        self.chain = CodecChain(spec.frame.codecs, spec.frame.descriptor).codecs
        self.undecoded = [(each.undecoded, each.because) for each in spec.ignored if each.undecoded is not None]
        self.due = [step.nth if step.send is None else 0 for step in spec.steps]
        rules: tuple[EventRule | Ignore, ...] = (*spec.rules, *spec.ignored)
        self.gathered = frozenset(name for rule in rules for name in rule.gather)
        self.once: dict[EventKind, tuple[str, ...]] = {
            kind: tuple(dict.fromkeys(rule.once for rule in self.rules if rule.kind is kind and rule.once))
            for kind in {rule.kind for rule in self.rules if rule.once}
        }
        self.takes_binary = spec.frame.binary or any(codec.binary for codec, _ in self.chain)
        tree = Tree(all_paths(spec))
        self.match = compile_matcher(spec, tree, typed=False)
        self.foreign = compile_scope(spec, tree, typed=False) if spec.scope else None
        self.decode_typed: Callable[[bytes], Any] | None = None
        last, optional = self.chain[-1]
        if type(last) is Json and not last.path and not optional:
            self.decode_typed = msgspec.json.Decoder(tree.struct()).decode
        # With nothing around the JSON and nothing outside of the scope, a frame takes the short way.
        self.direct = self.decode_typed if len(self.chain) == 1 and not spec.scope else None
        self.match_typed = compile_matcher(spec, tree, typed=True)
        self.foreign_typed = compile_scope(spec, tree, typed=True) if spec.scope else None

    def ids_in(self, data: bytes) -> Event:
        """What [every] finds in a frame, whatever rule knows it: the ids of a run, a thread, a user and a request.

        As those of an event, of whatever kind.
        """
        try:
            parts: list[Any] = [data]
            for codec, optional in self.chain:
                parts = [inner for part in parts for inner in undone(codec, optional, part)]
        except (UnreadableError, UndecodableError):
            parts = []
        found: dict[str, str] = {}
        for name in ("run", "thread", "user", "request"):
            field, paths = self.spec.every.get(name, (None, ()))
            values = [walk(part, path) for part in parts for path in paths if not path.startswith("$")]
            if field is not None and field.join is not None:
                values = [joined(field.join, tuple(walk(part, path) for path in paths)) for part in parts]
            ids = (str(each) for each in values if isinstance(each, str | int) and not isinstance(each, bool))
            if (first := next(ids, None)) is not None:
                found[name] = first
        return Event(
            EventKind.THINKING, run=found.get("run"), thread=found.get("thread"), user=found.get("user"),
            request=found.get("request"),
        )  # fmt: skip

    def arguments_in(self, data: bytes, kind: EventKind) -> Any:
        """The tool's arguments in a frame with an event of this kind, as far as it has one; None if there are none."""
        try:
            parts: list[Any] = [data]
            for codec, optional in self.chain:
                parts = [inner for part in parts for inner in undone(codec, optional, part)]
        except (UnreadableError, UndecodableError):
            return None
        fields = [rule.fields for rule in self.rules if rule.kind is kind]
        paths = [path for each in fields if "arguments" in each for path in each["arguments"][1]]
        return first_value(parts, [path for path in paths if not path.startswith("$")])

    def encode(self, value: Any) -> str | bytes:
        """A value as the chain sends it. Raises UndecodableError for what cannot be sent so."""
        for codec, optional in reversed(self.chain):
            # Whether a frame as a whole is wrapped is not known; a member that is a table needs its codec.
            if not optional or isinstance(walk(value, getattr(codec, "path", "") or "-"), dict | list):
                value = codec.encode(value)
        if not isinstance(value, str | bytes):
            raise UndecodableError("the chain of codecs makes neither text nor bytes of what is sent")
        return value


class _RunState:
    """What is known of a run that is under way."""

    __slots__ = ("answer", "events", "facts", "kept", "open", "phase")

    def __init__(self) -> None:
        self.events = 0
        self.open: list[tuple[str | None, str | None]] = []
        self.phase: EventKind | None = None
        self.facts: set[tuple[EventKind, str, str]] = set()
        self.kept: dict[str, Any] = {}
        # The parts of its answer so far.
        self.answer = ""


class Reader:
    """One connection's reader. `values` are what is captured, remembered and given, by name."""

    def __init__(self, machine: CompiledProfile) -> None:
        self.machine = machine
        self._rules = machine.rules
        self._absent = machine.spec.absent
        self._once = machine.once or None
        self._direct = machine.direct
        self._match = machine.match_typed
        self.values: dict[str, Any] = {}
        self.problems: tuple[Problem, ...] = ()
        # How often each step of the handshake is still to come.
        self.due = list(machine.due)
        # Which run gave the latest of each value, where its frame named one.
        self._given_by: dict[str, str] = {}
        self._out: list[Reading] = []
        self._runs: dict[str | None, _RunState] = {}
        self._ended: deque[str | None] = deque(maxlen=_MOST_RUNS)

    # What the user's side did -----------------------------------------------------------------------------------

    def opened(self, user: str | None, values: Mapping[str, Any], *, resumes: bool = False) -> None:
        """The connection was opened with these captured and given values; `resumes`: it continues a conversation."""
        self.values.update(values)
        if self.due:
            taken = self.machine.spec.steps_to_take(resumes=resumes)
            self.due = [nth if index in taken else 0 for index, nth in enumerate(self.due)]
        if user is not None:
            self.values.setdefault("user", user)

    def asked(self, request: str | None, thread: str | None) -> None:
        """A request was sent: what was gathered for the last one is discarded."""
        self.values["request"] = request
        if thread is not None:
            self.values["thread"] = thread
        for name in self.machine.gathered:
            self.values.pop(name, None)
        self._runs.pop(None, None)

    # What came ----------------------------------------------------------------------------------------------------

    def read(self, data: bytes, *, binary: bool = False) -> Reading:
        """What one message is. Never raises, whatever the bytes are."""
        machine = self.machine
        direct = self._direct
        if direct is not None and not binary:
            # The usual frame: JSON of the known shapes, in which a rule finds one thing.
            out = self._out
            out.clear()
            try:
                data.isascii() or data.decode()
                self.problems = ()
                if self._match(direct(data), self, out) and len(out) == 1:
                    return out[0]
            except _DECODE_ERRORS:
                out.clear()
            if out:
                return Several(_distinguished(out))
        problems = (
            (Problem(Mistake.FORM, "a text frame", "a binary frame"),) if binary and not machine.takes_binary else ()
        )
        out = []
        try:
            parts: list[Any] = [data]
            for codec, optional in machine.chain[:-1] if machine.decode_typed is not None else machine.chain:
                parts = [inner for part in parts for inner in undone(codec, optional, part)]
            for part in parts:
                self._part(part, problems, out)
        except UnreadableError as error:
            out.append(self._undecoded(data) or Unmapped(str(error), (*problems, *error.problems)))
        except UndecodableError as error:
            out.append(self._undecoded(data) or Unmapped(preview(str(error), 160), problems))
        if len(out) == 1:
            return out[0]
        return Several(_distinguished(out)) if out else Ignored("nothing is in it", problems)

    def _undecoded(self, data: bytes) -> Reading | None:
        """What a message that no codec can read is, if an [[ignore]] table is for such messages."""
        if not self.machine.undecoded:
            return None
        text = data.decode(errors="replace")
        return next((Ignored(why) for pattern, why in self.machine.undecoded if pattern.search(text)), None)

    def _part(self, part: Any, problems: tuple[Problem, ...], out: list[Reading]) -> None:
        machine = self.machine
        if machine.decode_typed is not None and isinstance(part, bytes):
            try:
                part.isascii() or part.decode()
                frame = machine.decode_typed(part)
            except _DECODE_ERRORS:
                value, more = lenient_value(part)
                self._value(value, (*problems, *more), out)
                return
            self.problems = problems
            foreign = machine.foreign_typed(frame, self.values) if machine.foreign_typed is not None else None
            if foreign is not None or not machine.match_typed(frame, self, out):
                self._value(lenient_value(part)[0], problems, out)
            return
        if isinstance(part, bytes | bytearray):
            raise UndecodableError("the chain of codecs leaves bytes; it ends with json, or with a codec of its own")
        self._value(part, problems, out)

    def _value(self, value: Any, problems: tuple[Problem, ...], out: list[Reading]) -> None:
        machine = self.machine
        if not isinstance(value, dict | list):
            wrong = Problem(Mistake.FORM, "a JSON object", preview(text_of(value)) or "an empty text")
            out.append(Unmapped("not a JSON object", (*problems, wrong)))
            return
        what = machine.foreign(value, self.values) if machine.foreign is not None else None
        self.problems = problems
        if what is not None:
            out.append(Foreign(*what, _one(ForeignReader(self, problems).read(value))))
        elif not machine.match(value, self, out):
            out.append(Unmapped(self._unknown(value), problems))

    def _unknown(self, value: dict[str, Any] | list[Any]) -> str:
        paths = self.machine.spec.frame.kind or tuple(
            dict.fromkeys(term.path for rule in self.machine.rules for term in rule.when if term.path[0] != "$")
        )
        for path in paths:
            kind = walk(value, path)
            if isinstance(kind, str):
                return f"no rule for {path} {preview(kind)}"
        return (
            "no rule for a list" if isinstance(value, list) else f"no rule for a frame with {preview(', '.join(value))}"
        )

    def ids_in(self, data: bytes) -> Event:
        """The ids that [every] finds in a frame."""
        return self.machine.ids_in(data)

    def arguments_in(self, data: bytes, kind: EventKind) -> Any:
        """The arguments of the tool that a frame is about; None if it names none, or the tools of several calls."""
        return self.machine.arguments_in(data, kind)

    # What the rules hand over -------------------------------------------------------------------------------------

    def take(self, out: list[Reading], control: Control) -> None:
        """A frame of the protocol."""
        out.append(msgspec.structs.replace(control, problems=self.problems) if self.problems else control)

    def ignored(self, out: list[Reading], because: str) -> None:
        """A frame that is passed over."""
        out.append(Ignored(because, self.problems))

    def gather(self, name: str, text: str, run: str | None) -> None:
        """One more piece of a text: of the run that the frame names, else of whatever is in progress."""
        kept = self._kept_of(run)
        if kept is None:
            kept = self.values
            self._given_by.pop(name, None)
        kept[name] = (kept.get(name, "") + text)[:_MOST_TEXT]

    def remember(self, name: str, value: Any, run: str | None) -> None:
        """A value that is kept: for the run that the frame names, and as the latest of the connection."""
        kept = self._kept_of(run)
        if kept is None:
            self._given_by.pop(name, None)
        else:
            kept[name] = value
            assert run is not None
            self._given_by[name] = run
        self.values[name] = value

    def _kept_of(self, run: str | None) -> dict[str, Any] | None:
        """What is kept of the run that a frame names; None where it names none, or one that has ended."""
        return None if run is None or run in self._ended else self.state(run).kept

    def values_of(self, run: str | None) -> dict[str, Any]:
        """The values as a run sees them: what it gave itself, and nothing that another run gave."""
        state = self._runs.get(run)
        if state is None and run is None and len(self._runs) == 1:
            run, state = next(iter(self._runs.items()))
        others = [name for name, given_by in self._given_by.items() if given_by != run] if run is not None else []
        if not others and (state is None or not state.kept):
            return self.values
        own = {name: value for name, value in self.values.items() if name not in others}
        return {**own, **(state.kept if state is not None else {})}

    def state(self, run: str | None) -> _RunState:
        """What is known of a run; of the only one that is open where the frame does not say which."""
        known = self._runs.get(run)
        if known is None:
            if run is None and len(self._runs) == 1:
                return next(iter(self._runs.values()))
            known = _RunState()
            if run not in self._ended:
                self._runs[run] = known
            if len(self._runs) > _MOST_RUNS:
                del self._runs[next(iter(self._runs))]
        return known

    def event(self, index: int, event: Event, out: list[Reading]) -> None:
        """An event that a rule has built: a new one, or more of the one before."""
        rule = self._rules[index]
        if self.problems:
            event = msgspec.structs.replace(event, problems=(*self.problems, *event.problems))
        state = self._runs.get(event.run) or self.state(event.run)
        if event.kind is EventKind.ANSWER_PART:
            self._part_of_answer(event, state, out)
            return
        if event.tool is None and event.call is not None and event.kind in _OF_A_CALL:
            name = next((tool for call, tool in state.open if call == event.call), None)
            event = msgspec.structs.replace(event, tool=name)
        collapse = rule.collapse
        if collapse != "no" and (state.phase is event.kind or collapse == "always"):
            out.append(More(event))
            return
        if self._once is not None and not self._is_new(event, state):
            out.append(More(event))
            return
        if event.text is None and state.answer and event.kind is EventKind.COMPLETED and event.parent is None:
            event = msgspec.structs.replace(event, text=state.answer)
        if self._absent and not rule.synthesised:
            self._infer(event, state, out)
        self._emit(event, state, out)

    def _part_of_answer(self, event: Event, state: _RunState, out: list[Reading]) -> None:
        """A piece of the answer: no event, but it shows that the run has begun, and ends a phase of thinking."""
        if EventKind.STARTED in self._absent:
            self._infer(event, state, out)
        state.phase = event.kind
        state.answer = (state.answer + (event.text or ""))[:_MOST_TEXT]
        out.append(More(event))

    def _is_new(self, event: Event, state: _RunState) -> bool:
        """Whether no event of this kind said the same before, by the fields that a rule for the kind has as `once`."""
        for name in self.machine.once.get(event.kind, ()):
            fact = getattr(event, name, None)
            if fact is None:
                continue
            key = (event.kind, name, str(fact))
            if key in state.facts:
                return False
            if len(state.facts) < _MOST_FACTS:
                state.facts.add(key)
        return True

    def _infer(self, event: Event, state: _RunState, out: list[Reading]) -> None:
        """Events that the wire does not show are inferred as late as possible, so that a run stays complete."""
        absent, kind = self.machine.spec.absent, event.kind
        if EventKind.STARTED in absent and not state.events and event.run not in self._ended:
            self._emit(_inferred(event, EventKind.STARTED), state, out)
        if EventKind.TOOL_EXECUTING in absent and kind is EventKind.TOOL_COMPLETED:
            begun = _inferred(event, EventKind.TOOL_EXECUTING)
            self._emit(msgspec.structs.replace(begun, tool=event.tool, call=event.call), state, out)
        if EventKind.TOOL_COMPLETED in absent and kind in ENDS:
            for call, tool in list(state.open):
                done = _inferred(event, EventKind.TOOL_COMPLETED)
                self._emit(msgspec.structs.replace(done, tool=tool, call=call), state, out)

    def _emit(self, event: Event, state: _RunState, out: list[Reading]) -> None:
        state.events += 1
        state.phase = event.kind
        if event.kind is EventKind.TOOL_EXECUTING:
            state.open.append((event.call, event.tool))
            del state.open[:-_MOST_RUNS]
        elif event.kind is EventKind.TOOL_COMPLETED:
            _close(state.open, event)
        elif event.kind in ENDS and event.parent is None:
            self._runs.pop(event.run, None)
            self._ended.append(event.run)
        out.append(event)


class ForeignReader(Reader):
    """Reads one frame of another user: nothing of it is remembered on this connection."""

    def __init__(self, reader: Reader, problems: tuple[Problem, ...]) -> None:
        super().__init__(reader.machine)
        self.values = dict(reader.values)
        self.due = list(reader.due)
        self.problems = problems

    def read(self, data: Any, *, binary: bool = False) -> Reading:
        """What the decoded frame would be."""
        out: list[Reading] = []
        known = self.machine.match(data, self, out)
        return _one(Several(tuple(out))) if known and out else Unmapped(self._unknown(data), self.problems)


def _one(reading: Reading) -> Reading:
    """A reading, or the last of several: the one that was not inferred."""
    return reading.readings[-1] if isinstance(reading, Several) else reading


def _distinguished(readings: list[Reading]) -> tuple[Reading, ...]:
    """Several events of one frame share its id and its number: the first has them, the others an id of their own."""
    known: set[str] = set()
    apart: list[Reading] = []
    for number, reading in enumerate(readings):
        if isinstance(reading, Event) and reading.event_id is not None and reading.event_id in known:
            reading = msgspec.structs.replace(reading, event_id=f"{reading.event_id}#{number}", seq=None)  # noqa: PLW2901
        elif isinstance(reading, Event) and reading.event_id is not None:
            known.add(reading.event_id)
        apart.append(reading)
    return tuple(apart)


def _inferred(event: Event, kind: EventKind) -> Event:
    return Event(
        kind, run=event.run, thread=event.thread, user=event.user, request=event.request, parent=event.parent,
        stamp=event.stamp, server_s=event.server_s, stamp_format=event.stamp_format, shape=event.shape,
        agent=event.agent, synthesised=True,
    )  # fmt: skip


def _close(tools: list[tuple[str | None, str | None]], event: Event) -> None:
    for index, (call, tool) in enumerate(tools):
        if call == event.call if event.call is not None and call is not None else tool == event.tool:
            del tools[index]
            return
    if event.tool is None and event.call is None and tools:
        del tools[0]
