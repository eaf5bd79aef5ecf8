"""Errors of a profile, and the nearest valid name."""

import difflib
import math
import re
from collections.abc import Collection, Iterable
from typing import Any

import msgspec

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_PATH = re.compile(r"[^.\s]+(\.[^.\s]+)*")
# Deeper than any frame that users write a profile for, and far from where Python's recursion ends.
_MOST_LEVELS = 100


class ProfileError(Exception):
    """A profile that cannot be used: one line with the key path, what was expected and what came."""


def one_of(name: str, names: Collection[str], where: str, hint: str = "") -> str:
    """The name, if it is known; else ProfileError with the known ones, the nearest first."""
    if name in names:
        return name
    ordered = sorted(names, key=lambda known: -difflib.SequenceMatcher(None, known, name).ratio())
    raise ProfileError(f"{where}: unknown name {name!r}, expected one of {', '.join(ordered)}{hint}")


def known(section: dict[str, Any], names: Collection[str], where: str) -> None:
    """Raises ProfileError for a key that is none of the names."""
    for key in section:
        one_of(key, names, f"{where}.{key}" if where else key)


def check_values(data: dict[str, Any]) -> None:
    """Raises ProfileError for what no JSON holds (inf, nan), and for tables or lists that are nested too deeply."""
    waiting: list[tuple[str, Any, int]] = [("", data, 0)]
    while waiting:
        where, value, level = waiting.pop()
        if level > _MOST_LEVELS:
            key = where.split(".", 1)[0]
            raise ProfileError(f"{key}: expected at most {_MOST_LEVELS} levels of tables and lists, got more")
        if isinstance(value, float) and not math.isfinite(value):
            raise ProfileError(f"{where}: expected a number that JSON can hold, got {value}")
        if isinstance(value, dict):
            waiting += [(f"{where}.{key}" if where else key, item, level + 1) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{where}[{index}]", item, level + 1) for index, item in enumerate(value)]


def check_paths(paths: Iterable[str], where: str, least: int = 1) -> None:
    """Raises ProfileError for what is no path, and for fewer than `least`."""
    count = 0
    for path in paths:
        count += 1
        if not isinstance(path, str) or not _PATH.fullmatch(path):
            raise ProfileError(f"{where}: expected names joined by dots, got {path!r}")
        if path.count(".") >= _MOST_LEVELS:
            raise ProfileError(f"{where}: expected a path of at most {_MOST_LEVELS} names, got {path.count('.') + 1}")
    if count < least:
        raise ProfileError(f"{where}: expected at least one name, got none")


def check_names(names: Iterable[str], where: str, taken: Collection[str] = ()) -> None:
    """Raises ProfileError for names of values that are no names, or that mean something else already."""
    for name in names:
        if not _NAME.fullmatch(name):
            raise ProfileError(f"{where}.{name}: expected a name of small letters, digits and _, got {name!r}")
        if name in taken:
            raise ProfileError(f"{where}.{name}: {name!r} has a meaning of its own, expected another name")


def convert(value: Any, to: Any, where: str) -> Any:
    """The value as a struct or a builtin type. Raises ProfileError with the path below `where`."""
    if value is None:
        raise ProfileError(f"{where}: expected a value, got nothing")
    if isinstance(value, dict) and isinstance(to, type) and issubclass(to, msgspec.Struct):
        known(value, to.__struct_encode_fields__, where)
        for field in msgspec.structs.fields(to):
            if field.required:
                convert(value.get(field.encode_name), Any, f"{where}.{field.encode_name}")
    try:
        return msgspec.convert(value, to)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise ProfileError(f"{where}{path.rstrip('`')}: {message[:1].lower()}{message[1:]}") from error


def table(data: dict[str, Any], name: str) -> dict[str, Any]:
    """A table of the file, empty if it is not there."""
    section = data.get(name, {})
    if not isinstance(section, dict):
        raise ProfileError(f"{name}: expected a table, got {section!r}")
    return section


def tables(data: dict[str, Any], name: str) -> list[tuple[str, dict[str, Any]]]:
    """A list of tables ([[name]]), each with where it stands: `event[0]`."""
    sections = data.get(name, [])
    if not isinstance(sections, list):
        raise ProfileError(f"{name}: expected tables written as [[{name}]], got {sections!r}")
    found = []
    for index, section in enumerate(sections):
        if not isinstance(section, dict):
            raise ProfileError(f"{name}[{index}]: expected a table written as [[{name}]], got {section!r}")
        found.append((f"{name}[{index}]", section))
    return found
