"""The last texts of one connection, joined by where they stood: for a canary that arrives in many pieces.

A place is the path of names in a frame's JSON, through JSON in JSON as well, or what else a text came in. Frames wait
until there are many of them, or nothing more will come; only then are they read and joined. Bounded in what waits, in
the number of places and in the length of each, whatever comes.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

# The letters of a long name as escapes.
MOST_CARRIED: Final = 1_024
MOST_PLACES: Final = 64
MOST_PIECES: Final = 512
MOST_WAITING: Final = 64
_MOST_WAITING_BYTES = 65_536
_MOST_TEXTS = 512
_MOST_NESTED = 4
_LONGEST_READ: Final = 262_144


class TextStreams:
    """What stood at each place lately: the texts by the number of their records, the oldest first."""

    def __init__(self) -> None:
        self.places: dict[str, dict[int, str]] = {}
        self._waiting: list[tuple[int, str, bytes]] = []
        self._waiting_bytes = 0

    def add(self, n: int, data: bytes, place: str = "") -> None:
        """Adds a frame, or with a place of its own a text that is no message. `n`: its record."""
        if len(data) <= _LONGEST_READ:
            self._waiting.append((n, place, data))
            self._waiting_bytes += len(data)

    @property
    def full(self) -> bool:
        """Whether as much waits as may."""
        return len(self._waiting) >= MOST_WAITING or self._waiting_bytes >= _MOST_WAITING_BYTES

    def joined(self) -> Iterator[Mapping[int, str]]:
        """Joins what waits. Yields what has come to stand at each place, of several records, before any is dropped."""
        changed: set[str] = set()
        for n, place, data in self._waiting:
            for path, text in _texts_of(data) if not place else ((place, data.decode(errors="replace")),):
                yield from self._add(n, path, text)
                changed.add(path)
        self._waiting.clear()
        self._waiting_bytes = 0
        yield from [pieces for place, pieces in self.places.items() if place in changed and len(pieces) > 1]

    def clear(self) -> None:
        """Forgets all: nothing is being split."""
        self.places.clear()
        self._waiting.clear()
        self._waiting_bytes = 0

    def _add(self, n: int, place: str, text: str) -> Iterator[Mapping[int, str]]:
        pieces = self.places.pop(place, {})
        if len(self.places) >= MOST_PLACES:
            yield self.places.pop(next(iter(self.places)))
        self.places[place] = pieces
        pieces[n] = edges(pieces.get(n, "") + text)
        if len(pieces) > MOST_PIECES or sum(map(len, pieces.values())) > 3 * MOST_CARRIED:
            yield pieces
            self.places[place] = last_of(pieces, MOST_PIECES // 2)


def last_of(pieces: dict[int, str], most: int = MOST_CARRIED) -> dict[int, str]:
    """The last texts, so many of them and so long together that the next may go on with a canary in them."""
    kept: list[tuple[int, str]] = []
    carried = 0
    for n in reversed(pieces):
        if carried >= MOST_CARRIED or len(kept) >= most:
            break
        kept.append((n, pieces[n]))
        carried += len(pieces[n])
    return dict(reversed(kept))


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
