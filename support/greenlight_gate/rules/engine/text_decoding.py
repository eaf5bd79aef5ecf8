"""Decoding of text: escapes of all kinds, layer by layer, and base64 and hex where a canary begins.

Everything takes time in proportion to the text, whatever it holds: no layer is longer than the one before, there are at
most `MOST_LAYERS`, and no byte is decoded more often than once for each of the few ways in which it can be read.
"""

import base64
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from greenlight_gate.rules.engine.canary import HALF

MOST_LAYERS = 8

_ZERO_WIDTH = (
    rb"\xc2\xad|\xcd\x8f|\xd8\x9c|\xe1\xa0\x8e|\xe2\x80[\x8b-\x8f\xaa-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xb8[\x80-\x8f]"
    rb"|\xef\xbb\xbf|\xf3\xa0[\x80-\x87][\x80-\xbf]"
)
# The letters of Unicode's full-width forms, which NFKC turns into ASCII.
_WIDE = rb"\xef\xbc[\xa1-\xba]|\xef\xbd[\x81-\x9a]"
_ZERO_WIDTH_NAMES = rb"shy|zwn?j|ZeroWidthSpace|NoBreak|NegativeVeryThinSpace"

# Only what may hide letters, or another escape, or stand between letters unseen: é, < and quotes are no reason. Each
# is looked for from the first byte that it cannot do without, which is found at once.
_ESCAPED = re.compile(rb"\\(?:u(?:00(?:2[56]|[4-7aA])|2[0oO]|[fF](?:[eE]|[fF][2-5])|\{)|x(?:2[56]|[4-7]))")
_REFERENCE = re.compile(rb"&(?:amp;)*+(?:#|(?:" + _ZERO_WIDTH_NAMES + rb");)")
_PERCENT, _BACKSLASH, _AMPERSAND, _EQUALS = b"%\\&="
# A letter as "=6A", or the soft line break of RFC 2045 section 6.7, with its line break as it is or escaped in JSON.
_QUOTED_PRINTABLE = re.compile(rb"=(?:([4-7][0-9A-Fa-f])|(?:\\++r)?\\++n|\r?\n)")
_QUOTED = re.compile(rb"%(?:2[56]|[4-7][0-9A-Fa-f]|[eEcC][0-9A-Fa-f]%)")
_HIDDEN = re.compile(_ZERO_WIDTH + rb"|" + _WIDE)


def _character(number: int) -> bytes:
    return chr(number).encode(errors="surrogatepass") if number <= 0x10FFFF else b""


def _unescaped(match: re.Match[bytes]) -> bytes:
    return _character(int(match[1] or match[2] or match[3], 16))


def _unquoted(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode())


def _unreferenced(match: re.Match[bytes]) -> bytes:
    if match[1] or match[2]:
        return _character(int(match[1], 16) if match[1] else int(match[2]))
    return b""


def _unquoted_printable(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) if match[1] else b""


def _narrow(match: re.Match[bytes]) -> bytes:
    return unicodedata.normalize("NFKC", match[0].decode()).encode()


def _without(match: re.Match[bytes]) -> bytes:
    return b""


# One pass undoes what was escaped several times over in the same way. A run of backslashes is looked at once, from its
# beginning; the other runs cannot begin inside themselves.
_STEPS: tuple[tuple[str, re.Pattern[bytes], Callable[[re.Match[bytes]], bytes]], ...] = (
    (
        "unicode escapes",
        re.compile(rb"(?<!\\)\\++(?:u([0-9a-fA-F]{4})|u\{0{0,8}([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2}))"),
        _unescaped,
    ),
    ("percent-encoded", re.compile(rb"%(?:25)*([0-9a-fA-F]{2})"), _unquoted),
    (
        "HTML entities",
        re.compile(
            rb"&(?:amp;)*+(?:#[xX]0*+([0-9a-fA-F]{1,6});?|#0*+([0-9]{1,7});?|(?:" + _ZERO_WIDTH_NAMES + rb");)"
        ),
        _unreferenced,
    ),
    ("quoted-printable", _QUOTED_PRINTABLE, _unquoted_printable),
    ("zero-width characters", re.compile(_ZERO_WIDTH), _without),
    ("full-width forms", re.compile(_WIDE), _narrow),
)  # fmt: skip


class Layer(NamedTuple):
    """A text as it came, or with some escapes decoded; `undone` names the kinds of them."""

    text: bytes
    undone: tuple[str, ...]


def hides(data: bytes) -> bool:
    """Whether a text holds escapes, full-width letters, or characters without width, that may hide letters."""
    if _PERCENT in data and _QUOTED.search(data, data.index(_PERCENT)) is not None:
        return True
    if not data.isascii() and _HIDDEN.search(data) is not None:
        return True
    if _BACKSLASH in data and _ESCAPED.search(data, data.index(_BACKSLASH)) is not None:
        return True
    if _EQUALS in data and _QUOTED_PRINTABLE.search(data, data.index(_EQUALS)) is not None:
        return True
    return _AMPERSAND in data and _REFERENCE.search(data, data.index(_AMPERSAND)) is not None


def layers(data: bytes) -> Iterator[Layer]:
    """The text, then with one more layer of escapes decoded each time; `MOST_LAYERS` at most."""
    layer = Layer(data, ())
    yield layer
    if not hides(data):
        return
    for _ in range(MOST_LAYERS - 1):
        text, undone = layer
        for name, pattern, undo in _STEPS:
            shorter = pattern.sub(undo, text)
            if shorter != text:
                text = shorter
                undone = undone if name in undone else (*undone, name)
        if text == layer.text:
            return
        layer = Layer(text, undone)
        yield layer


def _core(before: int) -> tuple[bytes, bytes]:
    """The characters that base64 of HALF always has after so many other bytes, and some that may stand before them."""
    first = -(-before * 4 // 3)
    packed = base64.b64encode(b"\0" * before + HALF)
    return packed[first : first + 7], packed[:first]


# (the characters, what stands before them in a group of four), for each of the three alignments.
CORES = tuple(_core(before) for before in range(3))
HEX = HALF.hex().encode()
_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/_-]+")
_HEX_RUN = re.compile(rb"[0-9a-f]+")
_STANDARD = bytes.maketrans(b"-_", b"+/")


def unpacked(text: bytes, small: bytes) -> Iterator[tuple[bytes, str]]:
    """What base64 or hex around a marker holds, from the marker's first half on, and which of them it was.

    `small`: the same text in small letters.
    """
    for inner in from_base64(text, CORES):
        yield inner, "base64"
    for inner in from_hex(small, HEX):
        yield inner, "hex"


def from_base64(text: bytes, cores: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """What base64 holds from one of these cores on."""
    for core, before in cores:
        done = [0, 0, 0, 0]
        at = text.find(core)
        while at >= 0:
            phase = (at - len(before)) % 4
            if at >= done[phase] and (run := _BASE64_RUN.match(text, at)) is not None:
                done[phase] = run.end()
                # What really stands before says how the first byte begins; where that is cut off, it is taken for ours.
                real = text[max(at - len(before), 0) : at]
                whole = len(real) == len(before) and (not real or _BASE64_RUN.fullmatch(real) is not None)
                yield decoded((real if whole else before) + run[0])
            at = text.find(core, at + 1)


def from_hex(small: bytes, digits_of: bytes) -> Iterator[bytes]:
    """What hex in small letters holds from these digits on."""
    at = small.find(digits_of)
    while at >= 0:
        run = _HEX_RUN.match(small, at)
        assert run is not None
        digits = run[0]
        yield bytes.fromhex(digits[: len(digits) // 2 * 2].decode())
        # Beyond the end of this run, except that the next marker may stand at an odd place of it.
        odd = small.find(digits_of, at + 1, run.end())
        while odd >= 0 and (odd - at) % 2 == 0:
            odd = small.find(digits_of, odd + 1, run.end())
        if odd >= 0:
            yield bytes.fromhex(small[odd : odd + (run.end() - odd) // 2 * 2].decode())
        at = small.find(digits_of, run.end())


def decoded(run: bytes) -> bytes:
    """What characters of base64 or base64url stand for, without padding."""
    # What is left of the last group still holds one or two whole bytes.
    run = run.translate(_STANDARD)
    if len(run) % 4 == 1:
        run = run[:-1]
    return base64.b64decode(run + b"=" * (-len(run) % 4))
