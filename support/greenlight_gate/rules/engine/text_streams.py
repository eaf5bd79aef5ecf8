"""The last texts of one connection, joined by where they stood: for a canary that arrives in many pieces.

A place is the path of names in a frame's JSON, through JSON in JSON as well, with the ids of the run, the request or
the choice that the text belongs to, or what else a text came in: the texts of two runs that are sent in turn are not
one text. Frames wait
until there are many of them, or nothing more will come; only then are they read and joined. Bounded in what waits, in
the number of places and in the length of each, whatever comes.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

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
# Whose text a piece is. Ids that each frame has for itself, such as those of events, are none of these.
_BELONGS_TO = re.compile(r"(run|request|response|completion|task|turn|call|tool_?call)_?id|index", re.IGNORECASE)


class Pieces(NamedTuple):
    """What stands at one place: the texts by the numbers of their records. `in_one`: one record has several of them."""

    texts: Mapping[int, str]
    in_one: bool


class TextStreams:
    """What stood at each place lately: the texts by the number of their records, the oldest first."""

    def __init__(self) -> None:
        self.places: dict[str, dict[int, str]] = {}
        self._in_one: set[str] = set()
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

    def joined(self) -> Iterator[Pieces]:
        """Joins what waits. Yields what has come to stand at each place, of several texts, before any is dropped."""
        changed: set[str] = set()
        for n, place, data in self._waiting:
            for path, text in _texts_of(data) if not place else ((place, data.decode(errors="replace")),):
                yield from self._add(n, path, text)
                changed.add(path)
        self._waiting.clear()
        self._waiting_bytes = 0
        for place, texts in self.places.items():
            if place in changed and (len(texts) > 1 or place in self._in_one):
                yield Pieces(texts, place in self._in_one)

    def clear(self) -> None:
        """Forgets all: nothing is being split."""
        self.places.clear()
        self._in_one.clear()
        self._waiting.clear()
        self._waiting_bytes = 0

    def _add(self, n: int, place: str, text: str) -> Iterator[Pieces]:
        texts = self.places.pop(place, {})
        if len(self.places) >= MOST_PLACES:
            oldest = next(iter(self.places))
            yield Pieces(self.places.pop(oldest), oldest in self._in_one)
            self._in_one.discard(oldest)
        self.places[place] = texts
        if n in texts:
            self._in_one.add(place)
        texts[n] = edges(texts.get(n, "") + text)
        if len(texts) > MOST_PIECES or sum(map(len, texts.values())) > 3 * MOST_CARRIED:
            yield Pieces(texts, place in self._in_one)
            self.places[place] = last_of(texts, MOST_PIECES // 2)


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
    whose = "".join(_whose(value))
    pending: list[tuple[str, int, Any]] = [(whose, 0, data.decode(errors="replace") if value is None else value)]
    for _ in range(_MOST_TEXTS):
        if not pending:
            return
        place, nested, value = pending.pop()
        if isinstance(value, dict):
            # From the end, what comes first is next.
            pending += reversed([(f"{place}.{name}", nested, item) for name, item in value.items()])
        elif isinstance(value, list):
            pending += reversed([(f"{place}[{''.join(_whose(item))}]", nested, item) for item in value[:_MOST_TEXTS]])
        elif isinstance(value, str) and value:
            inner = _decoded(value) if value[0] in "{[" and nested < _MOST_NESTED else None
            if inner is None:
                yield place, value
            else:
                pending.append((place, nested + 1, inner))


def _whose(value: Any) -> Iterator[str]:
    """The ids in an object, but for those in its lists, whose items have their own."""
    pending = [value]
    for _ in range(_MOST_TEXTS):
        if not pending:
            return
        value = pending.pop()
        for name, item in value.items() if isinstance(value, dict) else ():
            if isinstance(item, dict):
                pending.append(item)
            elif isinstance(item, str | int) and _BELONGS_TO.fullmatch(name):
                yield f"{name}={item};"


def _decoded(data: bytes | str) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        # No JSON: then it is a text.
        return None
