"""The search for canaries in whatever came, without knowing the users.

`suspicious` is a filter of a few literal searches, which may be asked once for a whole socket read; `search` searches
closely, in time proportional to the length. Found are canaries that are plain, in any case, at any depth of JSON, in
percent-, unicode- and HTML-escapes and quoted-printable, in any mixture of these; in full-width letters or with
characters of no width in between; in base64 and base64url at all alignments, and in hex; in the packings of `packings`;
and what is cut off at its left, if a half of the marker is left. `across` finds what is split over two frames.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from greenlight_gate.rules.engine import packings
from greenlight_gate.rules.engine.canary import HALF, read_owner
from greenlight_gate.rules.engine.text_layers import CORES, HEX, hides, layers, unpacked

_WORD = re.compile(rb"(" + HALF + rb")?" + HALF + rb"(?!" + HALF + rb")([a-z]{0,512})")
# A number that is a byte is found in a tenth of the time of a text.
_RARE, _RARE_CAPITAL, _RARE_IN_BASE64 = b"jJX"
_CORE_0, _CORE_1, _CORE_2 = (core for core, _ in CORES)
_HEX_DIGITS = max(re.findall(rb"[0-9]+", HEX), key=len)


def _pieces_of(word: bytes, rare: int, letters: bytes) -> bytes:
    """A pattern for pieces of a word that hold its rare letter, and end where the text that holds them does."""
    at = word.index(rare)
    left, right = word[:at], word[at + 1 :]
    text_begins, text_ends = rb"(?<![" + letters + rb"])", rb"(?![" + letters + rb"])"
    begun = b"|".join(text_begins + left[i:] for i in range(1, len(left) + 1))
    ended = b"|".join(right[:i] + text_ends for i in range(len(right) + 1))
    letter = bytes([rare])
    return rb"(?:%b)%b(?:%b|%b)|%b%b(?:%b)" % (begun, letter, right, ended, left, letter, ended)


# A piece of a marker that is split over three frames or more, where the piece does not hold a half of it.
_PIECE = re.compile(_pieces_of(HALF, _RARE, b"A-Za-z"), re.IGNORECASE)
_PIECE_IN_BASE64 = re.compile(
    b"|".join(_pieces_of(core, _RARE_IN_BASE64, b"A-Za-z0-9+/_-") for core in (_CORE_0, _CORE_1, _CORE_2))
)
# The end of a text, or half of an escape before it.
_END = re.compile(rb'(?:[%&\x80-\xff][#;0-9a-z]{0,8}){0,4}(?:["\\]|\Z)')
_QUOTE = re.compile(rb'(?<!\\)\\*+"')
_BRACKETS = b" \t\r\n,:;{}[]"
_MOST_OPEN = 4
_MOST_PIECES = 64
_MOST_AT_AN_EDGE = 1024


class Sighting(NamedTuple):
    """A canary that was seen: its owner's name in letters, as far as it is there, and how it was written.

    `whole`: the end of the name is there. `cut`: they reach to the end of a text, so that more may follow.
    `clipped`: only one half of the marker is there.
    """

    letters: bytes
    how: str
    whole: bool
    cut: bool
    clipped: bool = False

    @property
    def owner(self) -> str:
        """The owner's name, or what can be read of it."""
        owner = read_owner(self.letters)
        return owner.name if owner.whole else f"{owner.name or self.letters.decode()}..."


class FrameSearch(NamedTuple):
    """What `search` found: the canaries, each once; and whether there are pieces of one that is not whole."""

    sightings: tuple[Sighting, ...]
    unfinished: bool


NOTHING_FOUND = FrameSearch((), unfinished=False)


def suspicious(data: bytes) -> bool:
    """Whether the bytes have to be searched closely."""
    if (_RARE in data or _RARE_CAPITAL in data) and (HALF in data.lower() or _PIECE.search(data) is not None):
        return True
    if _RARE_IN_BASE64 in data and (
        _CORE_0 in data or _CORE_1 in data or _CORE_2 in data or _PIECE_IN_BASE64.search(data) is not None
    ):
        return True
    # From the right, a text that is not there is found missing in a third of the time of `in`.
    return data.rfind(_HEX_DIGITS) >= 0 or hides(data) or packings.may_hold(data)


def search(data: bytes) -> FrameSearch:
    """All canaries in a text, the first sighting of each."""
    found: dict[bytes, Sighting] = {}
    unfinished = _PIECE.search(data) is not None or _PIECE_IN_BASE64.search(data) is not None
    for text, how in _readings(data):
        small = text.lower()
        for sighting in _words(small, text, how):
            if sighting.letters not in found or (found[sighting.letters].clipped and not sighting.clipped):
                found[sighting.letters] = sighting
        unfinished = unfinished or _is_unfinished(small)
    return FrameSearch(tuple(found.values()), unfinished)


def _readings(data: bytes) -> Iterator[tuple[bytes, str]]:
    """Each way to read a text, and how a canary is then said to be written."""
    for text, undone in layers(data):
        small = text.lower()
        yield text, " and ".join(undone)
        for inner, packing in unpacked(text, small):
            yield inner, " and ".join((packing, *undone))
        for inner, packing in packings.texts(text, small):
            yield inner, " and ".join((packing, *undone))
            for innermost, of_it in unpacked(inner, inner.lower()):
                yield innermost, " and ".join((f"{of_it} in {packing}", *undone))


def _words(small: bytes, text: bytes, how: str) -> Iterator[Sighting]:
    for match in _WORD.finditer(small):
        end, owner = match.end(), read_owner(match[2])
        whole, letters, clipped = owner.whole, match[2][: owner.letters], match[1] is None
        if clipped and not whole:
            continue
        cut = not whole and _END.match(small, end) is not None
        written = how or ("plain" if text[match.start() : end] == match[0] else "in other letter case")
        yield Sighting(letters, f"{written}, cut off at its left" if clipped else written, whole, cut, clipped)


def _is_unfinished(small: bytes) -> bool:
    halves = small.count(HALF)
    if not halves:
        return False
    whole = (1 if match[1] is None else 2 for match in _WORD.finditer(small) if read_owner(match[2]).whole)
    return halves != sum(whole)


def across(before: bytes, after: bytes) -> tuple[Sighting, ...]:
    """The canaries that begin at the end of some text of one frame and go on at the beginning of one of another.

    Only those whose owner's name is whole: what merely happens to stand in the next frame is no part of a canary.
    """
    tails = [piece[-_MOST_AT_AN_EDGE:] for piece in _pieces(before)]
    heads = [piece[:_MOST_AT_AN_EDGE] for piece in _pieces(after)]
    pairs = [(tail, head) for tail in _open(tails) for head in heads[:_MOST_PIECES]]
    pairs += [(tail, head) for head in _open(heads) for tail in tails[-_MOST_PIECES:]]
    found: dict[bytes, Sighting] = {}
    for tail, head in pairs:
        for sighting in search(tail + head).sightings:
            if sighting.whole and not sighting.clipped:
                found.setdefault(sighting.letters, sighting)
    return tuple(found.values())


def _pieces(frame: bytes) -> list[bytes]:
    """All texts of a frame, whatever depth of JSON they are at: what stands between quotes, escaped or not."""
    return [piece for piece in _QUOTE.split(frame) if piece.strip(_BRACKETS)]


def _open(pieces: Iterable[bytes]) -> list[bytes]:
    return [piece for piece in pieces if suspicious(piece) and search(piece).unfinished][:_MOST_OPEN]
