"""Canaries that are packed twice or as numbers: base64 in base64 or in hex, compressed text in base64, integers.

`may_hold` is the filter; `texts` yields what such packings hold, in which a canary is plain or in base64 or hex. All
of it takes time in proportion to the text, and of compressed text only the beginning is read.
"""

import base64
import re
import zlib
from collections.abc import Iterator
from typing import Final

from greenlight_gate.rules.engine.canary import HALF, MARKER
from greenlight_gate.rules.engine.text_decoding import decoded, from_base64, from_hex

_LONGEST_INFLATED: Final = 65_536
_COMMA = rb"\s*+,\s*+"
_HALF_AS_INTEGERS = re.compile(rb"(?<![0-9])" + _COMMA.join(b"%d" % letter for letter in HALF) + rb"(?![0-9])")
_INTEGERS = re.compile(rb"[0-9]{1,7}+(?:" + _COMMA + rb"[0-9]{1,7}+)*+")
_LAST_ASCII = 127
# What always begins base64 of zlib, at the usual level of compression, and of gzip.
_COMPRESSED = re.compile(rb"(?<![A-Za-z0-9+/_-])(?:eJ[w-z]|H4sI)[A-Za-z0-9+/_-]{12,}")
_ZLIB_OR_GZIP: Final = zlib.MAX_WBITS | 32


def _cores_of(text: bytes) -> list[tuple[bytes, bytes]]:
    """The characters that base64 of a text always has, and some that may stand before them, for each alignment."""
    cores = []
    for before in range(3):
        first, end = -(-before * 4 // 3), (before + len(text)) * 4 // 3
        packed = base64.b64encode(b"\0" * before + text)
        cores.append((packed[first:end], packed[:first]))
    return cores


_ONCE = [core for core, _ in _cores_of(MARKER)]
_TWICE = [core for once in _ONCE for core in _cores_of(once)]
_IN_HEX = [once.hex().encode() for once in _ONCE]
_HEX_0, _HEX_1, _HEX_2 = _IN_HEX
_TWICE_CORES = tuple(core for core, _ in _TWICE)


def _at(letter: bytes, begins: bytes, goes_on: bytes) -> re.Pattern[bytes]:
    """A pattern that begins with a rare letter, for what begins before it: searched in a third of the time."""
    return re.compile(b"%b(?<=%b%b)%b" % (letter, begins, letter, goes_on))


# In each of them is a V, after one of a few letters and before one of a few.
_AROUND_V = [(core[at - 1], core[at + 1]) for core in _TWICE_CORES if (at := core.index(b"V"))]
_MAY_BE_TWICE = _at(b"V", *(b"[%b]" % bytes({*sides}) for sides in zip(*_AROUND_V, strict=True)))
_ZLIB, _GZIP = _at(b"J", rb"(?<![A-Za-z0-9+/_-])e", b"[w-z]"), _at(b"H", rb"(?<![A-Za-z0-9+/_-])", b"4sI")
_INTEGERS_BEGIN = re.compile(rb"\[\s*+[0-9]{1,3}\s*+,\s*+[0-9]{1,3}\s*+,")
_V, _J, _H, _BRACKET = b"VJH["


def may_hold(data: bytes) -> bool:
    """Whether the bytes may hold a canary in one of these packings; hex is known by its small letters."""
    # A byte is found missing in a fifth of the time of a long text, and a text from the right in half of it.
    if data.rfind(_HEX_0) >= 0 or data.rfind(_HEX_1) >= 0 or data.rfind(_HEX_2) >= 0:
        return True
    if _V in data and _MAY_BE_TWICE.search(data) is not None and max(map(data.rfind, _TWICE_CORES)) >= 0:
        return True
    if (_J in data and _ZLIB.search(data) is not None) or (_H in data and _GZIP.search(data) is not None):
        return True
    return _BRACKET in data and _INTEGERS_BEGIN.search(data) is not None and _HALF_AS_INTEGERS.search(data) is not None


def texts(text: bytes, small: bytes) -> Iterator[tuple[bytes, str]]:
    """What such packings in a text hold, from the canary on, and which they are. `small`: the text in small letters."""
    for inner in from_base64(text, _TWICE):
        yield inner, "base64"
    for digits in _IN_HEX:
        for inner in from_hex(small, digits):
            yield inner, "hex"
    at = 0
    while (half := _HALF_AS_INTEGERS.search(text, at)) is not None:
        run = _INTEGERS.match(text, half.start())
        assert run is not None
        at = run.end()
        numbers = map(int, run[0].split(b","))
        yield bytes(number if number <= _LAST_ASCII else 0 for number in numbers), "integers"
    for match in _COMPRESSED.finditer(text):
        yield _inflated(decoded(match[0])), "compressed and in base64"


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(_ZLIB_OR_GZIP).decompress(data, _LONGEST_INFLATED)
    except zlib.error:
        # It only began like compressed text.
        return b""
