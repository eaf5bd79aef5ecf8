"""The fields of an event, and where each stands in a frame."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

import msgspec
from msgspec import UNSET

from greenlight_gate.wire.errors import ProfileError, check_paths, convert, one_of
from greenlight_gate.wire.predicates import read_regex

FieldType = Literal["id", "text", "int", "number", "stamp", "any", "object"]

EVERY_FIELDS = ("run", "thread", "user", "request", "parent", "seq", "event_id", "stamp", "agent")
# What belongs to one user: where it is the same for all, each user's events name what is another user's.
OWNED_FIELDS = ("run", "thread", "user", "request")
OWN_FIELDS = ("text", "tool", "call", "status", "arguments", "duration", "input", "choice", "choices")
_TYPES = get_args(FieldType)
# What a field is where the profile gives no more than its path.
_USUAL: dict[str, FieldType] = {
    "run": "id", "thread": "id", "user": "id", "request": "id", "parent": "id", "seq": "int", "event_id": "id",
    "stamp": "stamp", "agent": "text", "text": "any", "tool": "text", "call": "id", "status": "any",
    "arguments": "any", "duration": "number", "input": "id", "choice": "any", "choices": "any",
}  # fmt: skip


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one field of an event stands.

    `at` are names (or dotted paths), tried in order at each place; the first value that is not null counts.
    `optional` fields may be absent or null; `varies` fields may stand elsewhere from event to event without that
    being a change of shape. `failed` lists the values that mean failure (of a tool), `ok` those that mean success, so
    that any other means failure; `failing_at` the names of `at` under which any value does. `regex` takes a part of a
    text: its first group, or all that it finds.
    `join`: the field is made of the values at all paths of `at`, with this between them, and missing where one of them
    is. `value` is the field itself, where the wire never says it.
    """

    at: tuple[str, ...] = ()
    is_: FieldType | None = msgspec.field(name="is", default=None)
    optional: bool = False
    varies: bool = False
    failed: tuple[str | bool | int | float, ...] = ()
    ok: tuple[str | bool | int | float, ...] = ()
    failing_at: tuple[str, ...] = ()
    regex: str = ""
    join: str | None = None
    value: str | None = None

    def __post_init__(self) -> None:
        """Refuse two lists that could contradict each other."""
        if self.ok and self.failed:
            raise ValueError("expected either failed or ok, got both")

    @property
    def type(self) -> FieldType:
        """The type that its values have."""
        assert self.is_ is not None
        return self.is_

    @property
    def is_in_milliseconds(self) -> bool:
        """Whether its name says that it is a number of milliseconds, as in `execution_time_ms` or `durationMs`."""
        return all(re.search(r"(_ms|Ms|[mM]illis|[mM]illiseconds)$", name) is not None for name in self.at)

    def is_failure(self, value: Any) -> bool:
        """Whether a value that came says that something failed. True is not 1 here, nor False 0."""
        if value is None or isinstance(value, dict | list):
            return False
        if self.ok:
            return not _is_one_of(value, self.ok)
        return _is_one_of(value, self.failed)

    def failure_code(self, variable: str) -> str:
        """The same as an expression over a local variable that holds a value or None: literals and nothing else."""
        if not self.ok and all(isinstance(value, str) for value in self.failed):
            return f"{variable} in {self.failed!r}"
        tests = " or ".join(_equals(variable, value) for value in self.ok or self.failed)
        came = f"{variable} is not None and type({variable}) not in (dict, list)"
        return f"{came} and {'not ' if self.ok else ''}({tests})"

    def means_failure(self, path: str) -> bool:
        """Whether a value found at this path says that something failed."""
        return any(path == name or path.endswith(f".{name}") for name in self.failing_at)


def joined(between: str, parts: tuple[Any, ...]) -> Any:
    """A field that is made of several values, which are texts or integers; UNSET where one of them is missing."""
    if not all(isinstance(part, str | int) and not isinstance(part, bool) for part in parts):
        return UNSET
    return between.join(map(str, parts))


def _equals(variable: str, value: str | bool | int | float) -> str:
    if isinstance(value, bool):
        return f"{variable} is {value}"
    return f"{variable} == {value!r}" + ("" if isinstance(value, str) else f" and type({variable}) is not bool")


def _is_one_of(value: Any, values: tuple[str | bool | int | float, ...]) -> bool:
    return any(value == each and isinstance(value, bool) is isinstance(each, bool) for each in values)


Fields = Mapping[str, tuple[Field, tuple[str, ...]]]


def read_fields(section: dict[str, Any], where: str, allowed: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a table, each with all its paths in order. Raises ProfileError.

    A text or a list of texts stands for the paths alone; a `?` behind the last one makes the field optional.
    """
    return dict(_fields(section, where, allowed))


def _fields(
    section: dict[str, Any], where: str, allowed: tuple[str, ...]
) -> Iterator[tuple[str, tuple[Field, tuple[str, ...]]]]:
    places = convert(section.get("places", [""]), tuple[str, ...], f"{where}.places")
    if not places:
        raise ProfileError(f'{where}.places: expected at least one place ("" is the root), got none')
    check_paths([place for place in places if place], f"{where}.places", least=0)
    for name, value in section.items():
        if name == "places":
            continue
        key = f"{where}.{name}"
        one_of(name, (*allowed, "places"), key)
        field = _field(name, value, key)
        rooted = {at: at.startswith("$") for at in field.at}
        if field.join is not None and len(places) > 1:
            raise ProfileError(
                f"{key}.join: expected one place, since all that is joined stands together, got {places}"
            )
        paths = tuple(f"{place}.{at}" if place and not rooted[at] else at for place in places for at in field.at)
        yield name, (field, tuple(dict.fromkeys(paths)))


def _field(name: str, value: Any, key: str) -> Field:
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        texts = convert(value, list[str], key)
        optional = bool(texts) and texts[-1].endswith("?")
        value = {"at": [*texts[:-1], texts[-1].removesuffix("?")] if texts else [], "is": _USUAL[name]}
        value["optional"] = optional
    if isinstance(value, dict) and isinstance(value.get("is"), str):
        one_of(value["is"], _TYPES, f"{key}.is")
    field: Field = convert(value, Field, key)
    if field.value is not None:
        if field.at or field.regex or field.join is not None:
            raise ProfileError(f"{key}.value: expected it alone, or at without it, got both")
        if name in OWNED_FIELDS:
            raise constant_id(key, field.value)
        return msgspec.structs.replace(field, is_=field.is_ or "text")
    if "at" not in value:
        convert(None, Any, f"{key}.at")
    field = _with_part(field, name, key)
    for failing in field.failing_at:
        one_of(failing, field.at, f"{key}.failing_at")
    check_paths(field.at, f"{key}.at")
    return field


def constant_id(key: str, value: Any) -> ProfileError:
    """The error of an id that is the same for all users."""
    return ProfileError(
        f"{key}: expected where an id stands that tells users apart, got {value!r} for all of them; "
        "leave it out if this wire has none"
    )


def _with_part(field: Field, name: str, key: str) -> Field:
    """The field, if it takes a part of a value, or is made of several, with the type that belongs to it."""
    if field.regex:
        read_regex(field.regex, f"{key}.regex")
    if field.join is not None and (len(field.at) < 2 or field.regex or field.failing_at):
        raise ProfileError(f"{key}.join: expected at least two paths in at, and no regex, got {list(field.at)}")
    if field.regex or field.join is not None:
        return msgspec.structs.replace(field, is_=field.is_ or _USUAL[name])
    if field.is_ is None:
        convert(None, Any, f"{key}.is")
    return field
