"""Conditions on a frame: `when = { type = "message", content = { not_empty = true } }`. All of them must hold."""

import re
from typing import Any, NamedTuple

from greenlight_gate.wire.errors import ProfileError, check_paths, one_of

Scalar = str | int | float | bool

# What a `$name` in a path means beside the values that the profile captures and remembers.
OPEN_TOOLS = "$open_tools"
EVENTS = "$events"
ITEM = "$item"
UNDECODED = "$undecoded"


class Condition(NamedTuple):
    """One condition: what stands at the path, compared by `op` with the value."""

    path: str
    op: str
    value: Any


_FLAGS = ("exists", "not_empty", "null")
_NAMES = ("same_as", "other_than")
_LISTS = ("in", "not_in")
OPS = ("equal", "not_equal", *_LISTS, "regex", *_FLAGS, *_NAMES)


def read_terms(section: Any, where: str) -> tuple[Condition, ...]:
    """The conditions of a `when` table. Raises ProfileError."""
    if section is None:
        raise ProfileError(f"{where}: expected a value, got nothing")
    if not isinstance(section, dict):
        raise ProfileError(f'{where}: expected a table such as {{ type = "message" }}, got {section!r}')
    check_paths(section, where)
    return tuple(term for path, wanted in section.items() for term in _terms(path, wanted, f"{where}.{path}"))


def _terms(path: str, wanted: Any, where: str) -> list[Condition]:
    if not isinstance(wanted, dict):
        return [Condition(path, "equal", _scalar(wanted, where))]
    if not wanted:
        raise ProfileError(f"{where}: expected a condition such as {{ exists = true }}, got none")
    return [Condition(path, one_of(op, OPS, f"{where}.{op}"), _value(op, value, f"{where}.{op}")) for op, value in
            wanted.items()]  # fmt: skip


def _value(op: str, value: Any, where: str) -> Any:
    if op in _FLAGS:
        if not isinstance(value, bool):
            raise ProfileError(f"{where}: expected true or false, got {value!r}")
        return value
    if op in _LISTS:
        if not isinstance(value, list) or not value:
            raise ProfileError(f"{where}: expected a list of values, got {value!r}")
        return tuple(_scalar(item, where) for item in value)
    if op == "regex":
        return read_regex(value, where)
    if op in _NAMES and not (isinstance(value, str) and value):
        raise ProfileError(f"{where}: expected the name of a captured value, got {value!r}")
    return _scalar(value, where)


def _scalar(value: Any, where: str) -> Scalar:
    if isinstance(value, str | int | float | bool):
        return value
    kind = "array" if isinstance(value, list) else type(value).__name__
    raise ProfileError(f"{where}: expected a text, a number, true or false, or a table of conditions, got `{kind}`")


def read_regex(value: Any, where: str) -> re.Pattern[str]:
    """A regular expression. Raises ProfileError."""
    if not isinstance(value, str):
        raise ProfileError(f"{where}: expected a regular expression as a text, got {value!r}")
    try:
        return re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ProfileError(f"{where}: expected a regular expression, got {value!r} ({error})") from error
