"""The last texts of one connection, joined by where they stood: for a canary that arrives in many pieces.

A place is the path of names in a frame's JSON, through JSON in JSON as well, or what else a text came in. Bounded in
the number of places and in the length of each, whatever comes.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

# The letters of a long name as escapes.
MOST_CARRIED: Final = 1_024
MOST_PLACES: Final = 64
MOST_PIECES: Final = 512
_MOST_TEXTS = 512
_MOST_NESTED = 4
_LONGEST_READ: Final = 262_144


class TextStreams:
    """What stood at each place lately: the texts by the number of their records, the oldest first."""

    def __init__(self) -> None:
        self.places: dict[str, dict[int, str]] = {}

    def add_frame(self, n: int, data: bytes) -> list[Mapping[int, str]]:
        """Adds all texts of a frame; returns what now stands at their places, where it is of several records."""
        if len(data) > _LONGEST_READ:
            return []
        changed = {place: self._add(n, place, text) for place, text in _texts_of(data)}
        return [pieces for pieces in changed.values() if len(pieces) > 1]

    def add_texts(self, texts: Iterable[tuple[int, str, bytes]]) -> list[Mapping[int, str]]:
        """Adds texts that are no messages, each with its record and place; returns like `add_frame`."""
        changed = {place: self._add(n, place, text.decode(errors="replace")) for n, place, text in texts}
        return [pieces for pieces in changed.values() if len(pieces) > 1]

    def clear(self) -> None:
        """Forgets all: nothing is being split."""
        self.places.clear()

    def _add(self, n: int, place: str, text: str) -> dict[int, str]:
        pieces = self.places.pop(place, {})
        if len(self.places) >= MOST_PLACES:
            del self.places[next(iter(self.places))]
        self.places[place] = pieces
        pieces[n] = edges(pieces.get(n, "") + text)
        carried = sum(map(len, pieces.values()))
        while len(pieces) > MOST_PIECES or carried > 2 * MOST_CARRIED:
            carried -= len(pieces.pop(next(iter(pieces))))
        return pieces


def edges(text: str) -> str:
    """As much of a long text as can be part of a canary that is split: its beginning and its end."""
    half = MOST_CARRIED // 2
    return text if len(text) <= MOST_CARRIED else f"{text[:half]}\n{text[-half:]}"


def _texts_of(data: bytes) -> Iterator[tuple[str, str]]:
    """The texts of a frame in their order, with their places; all of it as one text, if it is no JSON."""
    value = _decoded(data)
    pending: list[tuple[str, int, Any]] = [("", 0, data.decode(errors="replace") if value is None else value)]
    for _ in range(_MOST_TEXTS):
        if not pending:
            return
        place, nested, value = pending.pop()
        if isinstance(value, dict):
            # From the end, what comes first is next.
            pending += reversed([(f"{place}.{name}", nested, item) for name, item in value.items()])
        elif isinstance(value, list):
            pending += reversed([(f"{place}[]", nested, item) for item in value[:_MOST_TEXTS]])
        elif isinstance(value, str) and value:
            inner = _decoded(value) if value[0] in "{[" and nested < _MOST_NESTED else None
            if inner is None:
                yield place, value
            else:
                pending.append((place, nested + 1, inner))


def _decoded(data: bytes | str) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        # No JSON: then it is a text.
        return None
