"""The search for canaries in whatever came, without knowing the users.

`suspicious` is a filter of a few literal searches, which may be asked once for a whole socket read; `search` searches
closely, in time proportional to the length. Found are canaries that are plain, in any case, at any depth of JSON, in
percent-, unicode- and HTML-escapes, in any mixture of these; with characters of no width in between; in base64 and
base64url at all alignments, and in hex. `across` finds what is split over two frames.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from greenlight_gate.rules.engine.canary import HALF, MARKER, read_owner
from greenlight_gate.rules.engine.text_layers import CORES, HEX, hides, layers, unpacked

_WORD = re.compile(MARKER + rb"(?!" + HALF + rb")([a-z]{0,512})")
# A number that is a byte is found in a tenth of the time of a text.
_RARE, _RARE_CAPITAL, _RARE_IN_BASE64 = b"jJX"
_CORE_0, _CORE_1, _CORE_2 = (core for core, _ in CORES)
_HEX_DIGITS = max(re.findall(rb"[0-9]+", HEX), key=len)
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
    """

    letters: bytes
    how: str
    whole: bool
    cut: bool

    @property
    def owner(self) -> str:
        """The owner's name, or what can be read of it."""
        owner = read_owner(self.letters)
        return owner.name if owner.whole else f"{owner.name or self.letters.decode()}..."


class FrameSearch(NamedTuple):
    """What `search` found: the canaries, each once; and whether there are pieces of one that is not whole."""

    sightings: tuple[Sighting, ...]
    unfinished: bool


def suspicious(data: bytes) -> bool:
    """Whether the bytes have to be searched closely."""
    if (_RARE in data or _RARE_CAPITAL in data) and HALF in data.lower():
        return True
    if _RARE_IN_BASE64 in data and (_CORE_0 in data or _CORE_1 in data or _CORE_2 in data):
        return True
    # From the right, a text that is not there is found missing in a third of the time of `in`.
    return data.rfind(_HEX_DIGITS) >= 0 or hides(data)


def search(data: bytes) -> FrameSearch:
    """All canaries in a text, the first sighting of each."""
    found: dict[bytes, Sighting] = {}
    unfinished = False
    for text, undone in layers(data):
        small = text.lower()
        how = " and ".join(undone)
        for sighting in _words(small, text, how):
            found.setdefault(sighting.letters, sighting)
        unfinished = unfinished or _is_unfinished(small)
        for inner, packing in unpacked(text, small):
            for sighting in _words(inner, inner, " and ".join((packing, *undone))):
                found.setdefault(sighting.letters, sighting)
            unfinished = unfinished or _is_unfinished(inner)
    return FrameSearch(tuple(found.values()), unfinished)


def _words(small: bytes, text: bytes, how: str) -> Iterator[Sighting]:
    for match in _WORD.finditer(small):
        end, owner = match.end(), read_owner(match[1])
        whole, letters = owner.whole, match[1][: owner.letters]
        cut = not whole and _END.match(small, end) is not None
        written = how or ("plain" if text[match.start() : end] == match[0] else "in other letter case")
        yield Sighting(letters, written, whole, cut)


def _is_unfinished(small: bytes) -> bool:
    halves = small.count(HALF)
    if not halves:
        return False
    return halves != 2 * sum(read_owner(match[1]).whole for match in _WORD.finditer(small))


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
            if sighting.whole:
                found.setdefault(sighting.letters, sighting)
    return tuple(found.values())


def _pieces(frame: bytes) -> list[bytes]:
    """All texts of a frame, whatever depth of JSON they are at: what stands between quotes, escaped or not."""
    return [piece for piece in _QUOTE.split(frame) if piece.strip(_BRACKETS)]


def _open(pieces: Iterable[bytes]) -> list[bytes]:
    return [piece for piece in pieces if suspicious(piece) and search(piece).unfinished][:_MOST_OPEN]
