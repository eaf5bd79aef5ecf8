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
from greenlight_gate.rules.engine.text_layers import decoded, from_base64, from_hex

_LONGEST_INFLATED: Final = 65_536
_COMMA = rb"\s*+,\s*+"
_HALF_AS_INTEGERS = re.compile(rb"(?<![0-9])" + _COMMA.join(b"%d" % letter for letter in HALF) + rb"(?![0-9])")
_INTEGERS = re.compile(rb"[0-9]{1,7}+(?:" + _COMMA + rb"[0-9]{1,7}+)*+")
_LAST_ASCII = 127
# What always begins base64 of zlib, at each level of compression, and of gzip.
_COMPRESSED = re.compile(rb"(?<![A-Za-z0-9+/_-])(?:eJ[w-z]|eN[o-r]|eA[E-H]|eF[4-7]|H4sI)[A-Za-z0-9+/_-]{12,}", re.ASCII)
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
# All three are in each of them, and all of them together hardly ever in a frame that holds no base64.
_SHARED_0, _SHARED_1, _SHARED_2 = b"GVW"
_BRACKET, _CAPITAL_J, _CAPITAL_H, _CAPITAL_N = b"[JHN"
_HEX_0, _HEX_1, _HEX_2 = _IN_HEX


def may_hold(data: bytes) -> bool:
    """Whether the bytes may hold a canary in one of these packings; hex is known by its small letters."""
    # A byte is found missing in a tenth of the time of a text, and a text from the right in half of it.
    if _SHARED_0 in data and _SHARED_1 in data and _SHARED_2 in data and any(core in data for core, _ in _TWICE):
        return True
    if data.rfind(_HEX_0) >= 0 or data.rfind(_HEX_1) >= 0 or data.rfind(_HEX_2) >= 0:
        return True
    if _BRACKET in data and data.rfind(b"113,") >= 0 and _HALF_AS_INTEGERS.search(data) is not None:
        return True
    compressed = (
        (_CAPITAL_J in data and data.rfind(b"eJ") >= 0)
        or (_CAPITAL_H in data and data.rfind(b"H4sI") >= 0)
        or (_CAPITAL_N in data and data.rfind(b"eN") >= 0)
    )
    return compressed and _COMPRESSED.search(data) is not None


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
