"""Values of frames: walking a path, and reading ids, texts and timestamps."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()
STAMP_FORMATS = ("ISO Z", "ISO offset", "ISO", "epoch s", "epoch ms", "epoch us")
# The shape of an event is a number in mixed radix: the timestamp's format, which path named the kind, and then the
# place of each field.
FIRST_WEIGHT = 1024
_NO_TIME_FROM = 1e18
# Below this, a number counts these parts of a second.
_EPOCHS = ((1e11, 1.0, "epoch s"), (1e14, 1e3, "epoch ms"), (_NO_TIME_FROM, 1e6, "epoch us"))
_MOST_PARSED_STAMPS = 4096
_MOST_DIGITS = 4
_INDEX = re.compile(r"-?\d{1,9}", re.ASCII)


class Missing:
    """The type of MISSING: a path that leads nowhere, which is not the same as null."""


MISSING = Missing()


def walk(value: Any, path: str) -> Any:
    """What stands at a dotted path of a decoded JSON value, or MISSING. In a list, names are indices: 0, -1."""
    return walk_names(value, path.split("."))


def walk_names(value: Any, names: Sequence[str]) -> Any:
    """The same for the names of a path."""
    for name in names:
        if isinstance(value, dict):
            if name not in value:
                return MISSING
            value = value[name]
        elif isinstance(value, list) and _INDEX.fullmatch(name) and -len(value) <= int(name) < len(value):
            value = value[int(name)]
        else:
            return MISSING
    return value


def first_value(parts: Iterable[Any], paths: Sequence[str]) -> Any:
    """The first value that stands at one of the paths and is not null; None if there is none."""
    values = (walk(part, path) for part in parts for path in paths)
    return next((value for value in values if value is not MISSING and value is not None), None)


def replaced(value: Any, path: str, inner: Any) -> Any:
    """A copy of the value with something else at a path of it that exists."""
    name, _, rest = path.partition(".")
    key: Any = int(name) if isinstance(value, list) else name
    new = replaced(value[key], rest, inner) if rest else inner
    if isinstance(value, list):
        return [*value[:key], new, *value[key:][1:]]
    return {**value, name: new}


def text_of(value: Any) -> str:
    """A value as readable text: a text as it is, anything else as compact JSON."""
    return value if isinstance(value, str) else _encoder.encode(value).decode(errors="replace")


def read_stamp(value: object) -> tuple[float | None, str | None]:
    """Seconds since the epoch, and the format's name (`ISO Z`, `ISO offset`, `ISO`, `epoch s`, `epoch ms`, `epoch us`).

    Numbers are distinguished by size: seconds below 1e11, milliseconds below 1e14, then microseconds. What is no time
    gives (None, None). An ISO time without a zone is read as UTC.
    """
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(f"{value[:-1]}Z" if value.endswith("z") else value)
        except ValueError:
            return None, None
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC).timestamp(), "ISO"
        return moment.timestamp(), "ISO Z" if value[-1] in "Zz" else "ISO offset"
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _NO_TIME_FROM:
        return None, None
    return next(((value / unit, name) for most, unit, name in _EPOCHS if value < most))


class _Moments(dict[str, float]):
    """Seconds since the epoch of each hundredth of a second that was asked for: "2026-01-01T00:00:00.12".

    A moment is parsed once and then looked up: many events share it. Raises ValueError for what is no such time.
    """

    def __missing__(self, text: str) -> float:
        if text[19:20] not in (".", ","):
            raise ValueError("expected the date, the time and two places of a fraction")
        moment = datetime.fromisoformat(f"{text}Z").timestamp()
        if len(self) >= _MOST_PARSED_STAMPS:
            self.clear()
        self[text] = moment
        return moment


class _Rests(dict[str, float]):
    """Seconds that the rest of a timestamp adds to its moment: "3Z" to "3456Z". Raises ValueError for other texts."""

    def __missing__(self, text: str) -> float:
        digits = text[:-1]
        if not (text.endswith("Z") and text.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
            raise ValueError("expected one to four digits and Z")
        self[text] = int(digits) / 10 ** (len(digits) + 2)
        return self[text]


PARSED_STAMPS = _Moments()
RESTS = _Rests()
