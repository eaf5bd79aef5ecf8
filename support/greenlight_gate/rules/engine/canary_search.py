"""The search for canaries in whatever came, without knowing the users.

`suspicious` is a filter of a few literal searches, which may be asked once for a whole socket read; `search` searches
closely, in time proportional to the length. Found are canaries that are plain, in any case, at any depth of JSON, in
percent-, unicode- and HTML-escapes and quoted-printable, in any mixture of these; in full-width letters or with
characters of no width in between; in base64 and base64url at all alignments, and in hex; in the packings of `packings`;
and what is cut off at its left, if a half of the marker is left. `across` finds what is split over two frames.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from greenlight_gate.rules.engine import packings
from greenlight_gate.rules.engine.canary import HALF, read_owner
from greenlight_gate.rules.engine.text_decoding import CORES, HEX, hides, layers, unpacked

_WORD = re.compile(rb"(" + HALF + rb")?" + HALF + rb"(?!" + HALF + rb")([a-z]{0,512})")
# A number that is a byte is found in a tenth of the time of a text.
_RARE, _RARE_CAPITAL, _RARE_IN_BASE64 = b"jJX"
_HEX_DIGITS = max(re.findall(rb"[0-9]+", HEX), key=len)
# However a canary is written, it takes one of these: most short texts have none.
_NEEDED = re.compile(rb"[jJXVH0-9%\\=&\[\x80-\xff]")
_SHORT = 256
# A name of JSON is no text.
_TEXT_ENDS = rb"(?=\\*+\"(?!\s*:)|\\[^\"\\]|\n|\Z)"


def _around(letter: bytes, word: bytes, longer: bytes, *, any_case: bool, with_whole: bool) -> bytes:
    """A pattern for what stands around a letter in a word, or in a piece of it; it is tried behind the letter.

    A piece begins where the text does that holds it, or ends there, or both. `longer`: the word with what always
    follows it where the text goes on. `with_whole`: the whole word matches as well.
    """

    def spelt(letters: bytes) -> bytes:
        return b"".join(b"[%c%c]" % (each, each ^ 0x20) for each in letters) if any_case else letters

    def ahead(right: bytes, *, whole: bool) -> bytes:
        ended = [spelt(right[:i]) + _TEXT_ENDS for i in range(len(right) + 1)]
        return b"|".join([*ended, spelt(right)] if whole else ended)

    at = word.index(letter)
    behind = b"|".join(
        b"(?<=%b)" % (begins + spelt(word[i : at + 1])) for i in range(1, at + 1) for begins in (rb"[\"\n]", rb"\A")
    )
    return b"(?:(?<=%b)(?:%b)|(?:%b)(?:%b))" % (
        spelt(word[: at + 1]), ahead(word[at + 1 :], whole=with_whole), behind, ahead(longer[at + 1 :], whole=True),
    )  # fmt: skip


def _after(letters: bytes, befores: bytes) -> bytes:
    """A pattern for one of these letters that hardly any text has where a text begins, or after one of `befores`."""
    return rb"[%b](?<![^\"\n%b][%b])" % (letters, befores, letters)


def _in_letters(letters: bytes, *, with_whole: bool) -> re.Pattern[bytes]:
    small = letters[:1].lower()
    before = HALF[HALF.index(small) - 1 :][:1]
    around = _around(small, HALF, HALF, any_case=True, with_whole=with_whole)
    return re.compile(_after(letters, before + before.upper()) + around)


def _in_base64(letters: bytes, *, with_whole: bool) -> re.Pattern[bytes]:
    """`letters`: one for each of the three alignments."""
    arounds, befores = [], b""
    # In the middle of a canary, base64 of a half always goes on like this.
    for number, ((core, _), after) in enumerate(zip(CORES, (b"2", b"", b"Z"), strict=True)):
        letter = letters[number : number + 1]
        befores += core[core.index(letter) - 1 :][:1]
        arounds.append(_around(letter, core, core + after, any_case=False, with_whole=with_whole))
    return re.compile(_after(bytes({*letters}), befores) + b"(?:%b)" % b"|".join(arounds))


# Each begins with a letter that is rare, and goes on with what is rare before it.
_NEAR_RARE, _NEAR_RARE_CAPITAL = _in_letters(b"j", with_whole=True), _in_letters(b"J", with_whole=True)
_NEAR_RARE_IN_BASE64 = _in_base64(b"XXX", with_whole=True)
_PIECE, _PIECE_IN_BASE64 = _in_letters(b"jJ", with_whole=False), _in_base64(b"XXX", with_whole=False)
# A marker that is cut near each of its rare letters is so near these as well, and hardly any other text is.
_CONFIRMING, _CONFIRMING_IN_BASE64 = _in_letters(b"qQ", with_whole=False), _in_base64(b"Wqm", with_whole=False)
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
    """Whether the bytes have to be looked at frame by frame: they may hold a canary, or a piece of one."""
    if len(data) <= _SHORT and _NEEDED.search(data) is None:
        return False
    if _RARE in data and _NEAR_RARE.search(data, data.index(_RARE)) is not None:
        return True
    if _RARE_CAPITAL in data and _NEAR_RARE_CAPITAL.search(data, data.index(_RARE_CAPITAL)) is not None:
        return True
    if _RARE_IN_BASE64 in data and _NEAR_RARE_IN_BASE64.search(data, data.index(_RARE_IN_BASE64)) is not None:
        return True
    # From the right, a text that is not there is found missing in a third of the time of `in`.
    return data.rfind(_HEX_DIGITS) >= 0 or hides(data) or packings.may_hold(data)


def may_hold(data: bytes) -> bool:
    """Whether a frame that is suspicious may hold a canary, or at least a half of its marker, not only a piece."""
    plain = HALF in data.lower() or any(core in data for core, _ in CORES)
    return plain or data.rfind(_HEX_DIGITS) >= 0 or hides(data) or packings.may_hold(data)


def has_piece(data: bytes) -> bool:
    """Whether a text in a frame may be a piece of a marker, which is not whole in it."""
    return _PIECE.search(data) is not None or _PIECE_IN_BASE64.search(data) is not None


def in_pieces(frames: bytes) -> bool:
    """Whether frames, one a line, may hold pieces of one canary: its marker holds the rare letter twice."""
    if len(_PIECE.findall(frames)) > 1 and _CONFIRMING.search(frames) is not None:
        return True
    return len(_PIECE_IN_BASE64.findall(frames)) > 1 and _CONFIRMING_IN_BASE64.search(frames) is not None


def search(data: bytes) -> FrameSearch:
    """All canaries in a text, the first sighting of each."""
    found: dict[bytes, Sighting] = {}
    unfinished = False
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
    opens = (piece for piece in pieces if suspicious(piece) and (has_piece(piece) or search(piece).unfinished))
    return list(islice(opens, _MOST_OPEN))
