"""Frames, paths and bodies to send, with `{name}` where a value belongs, and `{name?}` where there may be none."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from greenlight_gate.wire.errors import one_of

# What can be filled in anywhere. uuid, counter and the times are new each time.
EVERYWHERE = ("uuid", "now", "now_s", "now_ms", "counter", "user", "user_name", "token")
# Values that are there without being captured; nothing else may be called so.
RESERVED = frozenset({*EVERYWHERE, "request", "request_number", "prompt", "thread", "run", "nonce", "last_seq",
                      "last_event_id", "open_tools", "events", "item"})  # fmt: skip
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_OPTIONAL = "?"
_HINT = " (a brace that means itself is written twice)"


def names_in(template: Any, where: str) -> Iterator[tuple[str, str]]:
    """(where it stands, the name) of each `{name}` or `{name?}` in a template of any depth."""
    if isinstance(template, dict):
        for key, item in template.items():
            yield from names_in(item, f"{where}.{key}")
    elif isinstance(template, list):
        for item in template:
            yield from names_in(item, where)
    elif isinstance(template, str):
        for found in _BRACES.finditer(template):
            if found[1] is not None:
                yield where, found[1].removesuffix(_OPTIONAL)


def holds(template: Any, name: str) -> bool:
    """Whether a template has a place for the value of this name."""
    return any(each == name for _, each in names_in(template, ""))


def check_template(template: Any, where: str, names: Collection[str]) -> set[str]:
    """The names that a template is filled with. Raises ProfileError for one that nothing gives a value."""
    return {one_of(name, names, place, _HINT) for place, name in names_in(template, where)}


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with its values. Raises KeyError for a name without one.

    A text that is exactly "{name}" becomes the value itself, whatever its type, null included; within a longer text it
    becomes text. What is exactly "{name?}" is left out of its table or list while the value is not there, or null.
    """
    if isinstance(template, dict):
        return {key: fill(item, values) for key, item in template.items() if not _is_left_out(item, values)}
    if isinstance(template, list):
        return [fill(item, values) for item in template if not _is_left_out(item, values)]
    if not isinstance(template, str) or not ("{" in template or "}" in template):
        return template
    whole = _BRACES.fullmatch(template)
    if whole is not None and whole[1] is not None:
        return _value(whole[1], values)
    return _BRACES.sub(lambda found: _text(found, values), template)


def filled_or_none(template: str, values: Mapping[str, Any]) -> str | None:
    """A text filled in; None where one of its values is null, as the token of a user without one."""
    if any(values[name] is None for _, name in names_in(template, "")):
        return None
    return str(fill(template, values))


def quoted(values: Mapping[str, Any]) -> Mapping[str, str]:
    """The values as parts of a URL's path; KeyError for one that is not there."""
    return _Quoted(values)


class _Quoted(dict[str, str]):
    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        self._values = values

    def __missing__(self, name: str) -> str:
        return quote(str(self._values[name]), safe="")


def _text(found: re.Match[str], values: Mapping[str, Any]) -> str:
    if found[1] is None:
        return found[0][0]
    value = _value(found[1], values)
    return "" if value is None else str(value)


def _value(name: str, values: Mapping[str, Any]) -> Any:
    """The value of a name; with "?" behind it, null where there is none. Raises KeyError."""
    if not name.endswith(_OPTIONAL):
        return values[name]
    try:
        return values[name.removesuffix(_OPTIONAL)]
    except KeyError:
        return None


def _is_left_out(template: Any, values: Mapping[str, Any]) -> bool:
    if not isinstance(template, str) or not template.endswith(f"{_OPTIONAL}}}"):
        return False
    whole = _BRACES.fullmatch(template)
    return whole is not None and whole[1] is not None and _value(whole[1], values) is None
