"""A profile at work: frames in, readings out; and the frames that a person's client sends."""

import json
from typing import Any

import msgspec

from support.events import Problem, Reading, Unmapped
from support.wire.compiled import compile_reader
from support.wire.explain import read_value
from support.wire.spec import Promises, Spec, read_spec
from support.wire.text import WELL_FORMED, UnreadableError, lenient_value

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Profile:
    """One wire profile, compiled once.

    `read` never raises for any bytes: what cannot be read is an Unmapped reading with its problems. `fast` is for
    those who count microseconds: it returns None or raises one of UNREADABLE where `explain` must take over.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.fast = compile_reader(spec)

    @classmethod
    def from_toml(cls, text: str) -> "Profile":
        """Raises ProfileError, one line, for a text that is no profile."""
        return cls(read_spec(text))

    @property
    def name(self) -> str:
        """What the profile calls itself."""
        return self.spec.name

    @property
    def promises(self) -> Promises:
        """What the wire promises beyond the events."""
        return self.spec.promises

    def read(self, data: bytes, *, binary: bool = False) -> Reading:
        """What one message is: an Event, a Control or an Unmapped. `binary`: it came in a binary frame."""
        if not binary:
            try:
                reading = self.fast(data)
            except UNREADABLE:
                reading = None
            if reading is not None:
                return reading
        return self.explain(data, binary=binary)

    def explain(self, data: bytes, *, binary: bool = False) -> Reading:
        """The same by the patient reader, which says what is wrong."""
        problems = (Problem(WELL_FORMED, "a text frame", "a binary frame"),) if binary else ()
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
        return json.dumps(_filled(self.spec.send[what], values), ensure_ascii=False)


def _filled(template: Any, values: dict[str, Any]) -> Any:
    if isinstance(template, dict):
        return {key: _filled(item, values) for key, item in template.items()}
    if isinstance(template, list):
        return [_filled(item, values) for item in template]
    if isinstance(template, str) and template.startswith("{") and template.endswith("}"):
        return values[template[1:-1]]
    return template
