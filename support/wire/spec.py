"""The profile file as data: what a TOML profile may say, and clear errors for what it may not.

A profile maps frames to events by declaration only: paths, names and kinds. See `profiles/agent-events.toml`.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator
from typing import Any, Literal, get_args

import msgspec

from support.events import EventKind
from support.wire.refusals import Refusals, Ways

FieldType = Literal["id", "text", "int", "number", "stamp", "any", "object"]

EVERY_FIELDS = ("run", "thread", "user", "request", "parent", "seq", "event_id", "stamp", "agent")
OWN_FIELDS = ("text", "tool", "call", "status", "arguments", "duration")


class ProfileError(Exception):
    """A profile that cannot be used: one line with the key path, what was expected and what came."""


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one field of an event stands.

    `at` are names (or dotted paths), tried in order at each place; the first value that is not null counts.
    `optional` fields may be absent or null; `varies` fields may stand elsewhere from event to event without that
    being a change of shape (CONTENT-6). `failed` lists the values that mean failure (of a tool), `failing_at` the
    names of `at` under which any value does.
    """

    at: tuple[str, ...]
    is_: FieldType = msgspec.field(name="is")
    optional: bool = False
    varies: bool = False
    failed: tuple[str, ...] = ()
    failing_at: tuple[str, ...] = ()

    def means_failure(self, path: str) -> bool:
        """Whether a value found at this path says that something failed."""
        return any(path == name or path.endswith(f".{name}") for name in self.failing_at)


class Frame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a frame becomes a JSON value, and which paths may name its kind."""

    kind: tuple[str, ...]
    codecs: tuple[Literal["json"], ...] = ("json",)


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frame that belongs to no run: all of `when` (path = value) must hold; `capture` keeps values by name."""

    when: dict[str, str | int | bool]
    capture: dict[str, str] = {}


class Promises(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the wire promises beyond the events: a ready frame first, and gap-free sequence numbers per thread.

    `foreign` is what an event of another person's run on a person's connection means: a leak, something that everybody
    is meant to see, or noise. Whatever it means, it is searched for canaries.
    """

    ready: bool = False
    gap_free_seq: bool = False
    foreign: Literal["leak", "broadcast-by-design", "noise"] = "leak"


class EventSpec(msgspec.Struct, frozen=True):
    """One kind of event: the wire's names for it, and all its fields with their candidate paths, in order."""

    kind: EventKind
    kinds: tuple[str, ...]
    fields: dict[str, tuple[Field, tuple[str, ...]]]


class Spec(msgspec.Struct, frozen=True):
    """A whole profile, checked."""

    name: str
    frame: Frame
    events: dict[EventKind, EventSpec]
    controls: dict[str, Control]
    send: dict[str, dict[str, Any]]
    promises: Promises
    refusals: Refusals = Refusals()


_TOP = ("name", "about", "frame", "every", "events", "controls", "send", "promises", "refusals")
_CONTROLS = ("ready", "error", "pong", "restored", "heartbeat")
_TYPES = get_args(FieldType)
_PATH = re.compile(r"[^.\s]+(\.[^.\s]+)*")
# What each frame to send may be filled with.
_SENDS = {
    "start": ("request", "prompt", "thread"),
    "claim": ("request", "prompt", "thread", "user"),
    "stop": ("run",),
    "ping": ("nonce",),
    "restore": ("thread", "last_seq"),
}
_NEEDED = {
    "start": {"prompt": "the question"},
    "claim": {"prompt": "the question", "user": "the claimed user id"},
}
_PLACEHOLDER = re.compile(r"\{(.*)\}", re.DOTALL)


def read_spec(text: str) -> Spec:
    """The profile that a TOML text declares.

    Raises ProfileError, one line, for broken TOML, unknown keys (with the nearest valid one), wrong types, missing
    parts, names that would make a frame ambiguous, and paths that are no paths.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"not TOML: {error}") from error
    _known(data, _TOP, "")
    frame = _convert(data.get("frame"), Frame, "frame")
    _paths(frame.kind, "frame.kind")
    every = _section(data, "every")
    events = {}
    for name, section in _section(data, "events").items():
        kind = EventKind(one_of(name, tuple(EventKind), f"events.{name}"))
        events[kind] = _event(kind, section, every)
    _unambiguous(events)
    controls = {name: _control(name, section) for name, section in _section(data, "controls").items()}
    send = _section(data, "send")
    for name, template in send.items():
        _template(name, template)
    if "start" not in send:
        raise ProfileError("send.start: expected the frame that asks a question, got nothing")
    return Spec(
        name=_convert(data.get("name"), str, "name"),
        frame=frame,
        events=events,
        controls=controls,
        send=send,
        promises=_convert(data.get("promises", {}), Promises, "promises"),
        refusals=_refusals(_section(data, "refusals")),
    )


def _unambiguous(events: dict[EventKind, EventSpec]) -> None:
    for kind in (EventKind.STARTED, EventKind.COMPLETED):
        if kind not in events:
            raise ProfileError(f"events.{kind}: expected a section, since no run can be judged without it")
    claimed: dict[str, EventKind] = {}
    for event in events.values():
        for name in event.kinds:
            if claimed.setdefault(name, event.kind) is not event.kind:
                where = f"events.{event.kind}.kinds"
                raise ProfileError(f"{where}: {name!r} is already the name of {claimed[name]}, expected another one")


def _control(name: str, section: Any) -> Control:
    where = f"controls.{one_of(name, _CONTROLS, f'controls.{name}')}"
    control: Control = _convert(section, Control, where)
    _paths(tuple(control.when), f"{where}.when")
    _paths(tuple(control.capture.values()), f"{where}.capture", least=0)
    return control


def _refusals(section: dict[str, Any]) -> Refusals:
    _known(section, Refusals.__struct_fields__, "refusals")
    ways: dict[str, Ways] = {name: _convert(value, Ways, f"refusals.{name}") for name, value in section.items()}
    for name, listed in ways.items():
        if not str(listed):
            raise ProfileError(f'refusals.{name}: expected a way to say no, for instance error = ["*"], got none')
    return Refusals(**ways)


def _template(name: str, template: Any) -> None:
    where = f"send.{one_of(name, tuple(_SENDS), f'send.{name}')}"
    if not isinstance(template, dict):
        raise ProfileError(f"{where}: expected a table (the frame to send), got {template!r}")
    filled = set(_placeholders(template, where, _SENDS[name]))
    for needed, what in _NEEDED.get(name, {}).items():
        if needed not in filled:
            raise ProfileError(f'{where}: expected "{{{needed}}}" where {what} belongs, got none')


def _placeholders(template: Any, where: str, names: tuple[str, ...]) -> Iterator[str]:
    if isinstance(template, dict):
        for key, item in template.items():
            yield from _placeholders(item, f"{where}.{key}", names)
    elif isinstance(template, list):
        for item in template:
            yield from _placeholders(item, where, names)
    elif isinstance(template, str) and (found := _PLACEHOLDER.fullmatch(template)):
        yield one_of(found[1], names, where)


def _event(kind: EventKind, section: Any, every: dict[str, Any]) -> EventSpec:
    where = f"events.{kind}"
    if not isinstance(section, dict):
        raise ProfileError(f"{where}: expected a table, got {section!r}")
    kinds = _convert(section.get("kinds"), tuple[str, ...], f"{where}.kinds")
    if not kinds:
        raise ProfileError(f"{where}.kinds: expected at least one name, got none")
    fields = dict(_fields(every, "every", EVERY_FIELDS))
    own = {name: value for name, value in section.items() if name != "kinds"}
    fields.update(_fields(own, where, EVERY_FIELDS + OWN_FIELDS))
    return EventSpec(kind, kinds, fields)


def _fields(
    section: dict[str, Any], where: str, allowed: tuple[str, ...]
) -> Iterator[tuple[str, tuple[Field, tuple[str, ...]]]]:
    places = _convert(section.get("places", [""]), tuple[str, ...], f"{where}.places")
    if not places:
        raise ProfileError(f'{where}.places: expected at least one place ("" is the root), got none')
    for name, value in section.items():
        if name == "places":
            continue
        key = f"{where}.{name}"
        one_of(name, (*allowed, "places"), key)
        if isinstance(value, dict) and isinstance(value.get("is"), str):
            one_of(value["is"], _TYPES, f"{key}.is")
        field: Field = _convert(value, Field, key)
        for failing in field.failing_at:
            one_of(failing, field.at, f"{key}.failing_at")
        paths = tuple(f"{place}.{at}" if place else at for place in places for at in field.at)
        _paths(paths, f"{key}.at")
        yield name, (field, paths)


def _paths(paths: tuple[str, ...], where: str, least: int = 1) -> None:
    if len(paths) < least:
        raise ProfileError(f"{where}: expected at least one name, got none")
    for path in paths:
        if not _PATH.fullmatch(path):
            raise ProfileError(f"{where}: expected names joined by dots, got {path!r}")


def _section(data: dict[str, Any], name: str) -> dict[str, Any]:
    section = data.get(name, {})
    if not isinstance(section, dict):
        raise ProfileError(f"{name}: expected a table, got {section!r}")
    return section


def _convert(value: Any, to: Any, where: str) -> Any:
    if value is None:
        raise ProfileError(f"{where}: expected a value, got nothing")
    if isinstance(value, dict) and isinstance(to, type) and issubclass(to, msgspec.Struct):
        _known(value, to.__struct_encode_fields__, where)
        for field in msgspec.structs.fields(to):
            if field.required:
                _convert(value.get(field.encode_name), Any, f"{where}.{field.encode_name}")
    try:
        return msgspec.convert(value, to)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise ProfileError(f"{where}{path.rstrip('`')}: {message[:1].lower()}{message[1:]}") from error


def _known(section: dict[str, Any], names: tuple[str, ...], where: str) -> None:
    for key in section:
        one_of(key, names, f"{where}.{key}" if where else key)


def one_of(name: str, names: tuple[str, ...], where: str) -> str:
    """The name, if it is known; else ProfileError with the known ones, the nearest first."""
    if name in names:
        return name
    ordered = sorted(names, key=lambda known: -difflib.SequenceMatcher(None, known, name).ratio())
    raise ProfileError(f"{where}: unknown name {name!r}, expected one of {', '.join(ordered)}")
