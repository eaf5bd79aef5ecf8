"""A profile at work: frames in, readings out; and the frames that a client sends."""

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from greenlight_gate.events import Event, EventKind, Mistake, Problem, Reading, Unmapped
from greenlight_gate.wire.compiled import compile_reader, read_nothing
from greenlight_gate.wire.explain import read_value
from greenlight_gate.wire.json_text import UnreadableError, lenient_value
from greenlight_gate.wire.reader import CompiledProfile, Reader
from greenlight_gate.wire.spec import Promises, Spec, read_spec
from greenlight_gate.wire.templates import fill
from greenlight_gate.wire.values import first_value

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Profile:
    """One wire profile, compiled once.

    `read` never raises for any bytes: what cannot be read is an Unmapped reading with its problems. `plain` profiles
    remember nothing from frame to frame; all others are read by a `reader()` for each connection. `fast` is for
    those who count microseconds: it returns None or raises one of UNREADABLE where `explain` must take over, which for
    a profile that is not plain is always.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.plain = spec.plain
        self._machine = None if spec.plain else CompiledProfile(spec)
        # By HTTP the codecs are those of the answers: the body of a request is JSON.
        self._sends = None if spec.connection.by_http else self._machine
        self.fast, self._read_events = compile_reader(spec) if spec.plain else (read_nothing, None)
        # All connections share it.
        self._plain_reader = PlainReader(self)

    @classmethod
    def from_toml(cls, text: str) -> "Profile":
        """The profile of this text, compiled once in a process. Raises ProfileError, one line, for no profile."""
        return _compiled(text)

    @property
    def name(self) -> str:
        """The name of the profile."""
        return self.spec.name

    @property
    def promises(self) -> Promises:
        """What the wire promises beyond the events."""
        return self.spec.promises

    def reader(self) -> "Reader | PlainReader":
        """What reads one connection, frame by frame."""
        return self._plain_reader if self._machine is None else Reader(self._machine)

    def read(self, data: bytes, *, binary: bool = False) -> Reading:
        """What one message is, taken alone. `binary`: it came in a binary frame."""
        if not self.plain:
            return self.reader().read(data, binary=binary)
        if not binary:
            try:
                reading = self.fast(data)
            except UNREADABLE:
                reading = None
            if reading is not None:
                return reading
        return self.explain(data, binary=binary)

    def events(self, frames: Sequence[bytes]) -> list[Event | None] | None:
        """The events that these text frames of ASCII are, for those who count microseconds; None if not all are events.

        A single None stands for a frame that `explain` must read.
        """
        if self._read_events is None:
            return None
        try:
            return self._read_events(frames)
        except UNREADABLE:
            return None

    def explain(self, data: bytes, *, binary: bool = False) -> Reading:
        """The same by the slow reader, which reports what is wrong."""
        if not self.plain:
            return self.reader().read(data, binary=binary)
        problems = (Problem(Mistake.FORM, "a text frame", "a binary frame"),) if binary else ()
        try:
            value, more = lenient_value(data)
        except UnreadableError as error:
            return Unmapped(str(error), (*problems, *error.problems))
        return read_value(self.spec, value, (*problems, *more))

    def can_send(self, what: str) -> bool:
        """Whether the profile knows the frame: start, stop, ping or restore."""
        return what in self.spec.send

    def frame(self, what: str, **values: Any) -> str:
        """The text of a frame to send, with `{name}` in its template replaced by the values.

        A template text that is exactly "{name}" becomes the value itself, null included; KeyError for a frame that
        the profile does not know or a value that is not given.
        """
        return json.dumps(fill(self.spec.send[what], values), ensure_ascii=False)

    def wire(self, template: Any, values: Mapping[str, Any]) -> tuple[str, list[str | bytes]]:
        """A template filled in: as readable text, and the messages to send. Raises KeyError, UndecodableError."""
        value = fill(template, values)
        several = isinstance(value, list) and bool(value) and all(isinstance(part, dict) for part in value)
        parts = value if several else [value]
        texts = [json.dumps(part, ensure_ascii=False) for part in parts]
        return "\n".join(texts), list(texts) if self._sends is None else [self.encode(part) for part in parts]

    def encode(self, value: Any) -> str | bytes:
        """A value as one message of this wire. Raises UndecodableError for what its codecs cannot send."""
        return json.dumps(value, ensure_ascii=False) if self._sends is None else self._sends.encode(value)


class PlainReader:
    """The reader of a plain profile: nothing is remembered."""

    def __init__(self, profile: Profile) -> None:
        self.read = profile.read
        self._profile = profile
        self.values: dict[str, Any] = {}

    def ids_in(self, data: bytes) -> Event:
        """None: a plain profile ignores no frame."""
        return Event(EventKind.THINKING)

    def arguments_in(self, data: bytes, kind: EventKind) -> Any:
        """The arguments of the tool that a frame is about; None if it names none."""
        event = self._profile.spec.events.get(kind)
        if event is None or "arguments" not in event.fields:
            return None
        try:
            value, _ = lenient_value(data)
        except UnreadableError:
            return None
        return first_value([value], event.fields["arguments"][1])

    def opened(self, user: str | None, values: Mapping[str, Any], *, resumes: bool = False) -> None:
        """Nothing changes."""

    def asked(self, request: str | None, thread: str | None) -> None:
        """Nothing changes."""

    def values_of(self, run: str | None) -> dict[str, Any]:
        """The values as a run sees them: none."""
        return self.values


@functools.lru_cache(maxsize=64)
def _compiled(text: str) -> Profile:
    return Profile(read_spec(text))
