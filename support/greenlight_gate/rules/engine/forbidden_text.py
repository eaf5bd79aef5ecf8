"""The search for what no frame may contain: serialisation errors, secrets and stack traces.

Frames are searched as bytes. `suspicious` is a filter of a few literal searches, which may be asked once for a whole
socket read; only the frames that it lets through are looked at with regular expressions.
"""

import re
from typing import NamedTuple

_SERIALISATION_ERROR = "a serialisation error"


class ForbiddenText(NamedTuple):
    """What was found: a serialisation error, else a secret or a stack trace. `actual` is what reports print."""

    is_serialisation_error: bool
    actual: str


class _Pattern(NamedTuple):
    """What to look for, where the byte `gate` and the text `literal` are both in the frame."""

    gate: bytes
    literal: bytes
    name: str
    pattern: re.Pattern[bytes]


def _pattern(gate: bytes, literal: bytes, name: str, pattern: bytes) -> _Pattern:
    return _Pattern(gate, literal, name, re.compile(pattern))


# Where a word begins. In the bytes of a JSON text a line break is a backslash and a letter, which \b takes for a part
# of the word that follows.
_START = rb"(?:(?<!\w)|(?<=\\[nrtbf]))"

# A single byte is found ten times as fast as a longer literal: each pattern is only tried where a byte occurs that it
# needs and that is rare in answers.
_PATTERNS = (
    _pattern(b"<", b"<", _SERIALISATION_ERROR, rb"<[A-Za-z_]\w*(?:\.\w+)+: [^<>]{1,60}>"),
    _pattern(b"<", b" object at 0x", _SERIALISATION_ERROR, _START + rb"object at 0x[0-9a-fA-F]{4,}"),
    _pattern(b"<", b" at 0x", _SERIALISATION_ERROR, rb"<[\w.]+ [^<>]{1,200} at 0x[0-9a-fA-F]{6,}>"),
    _pattern(b"[", b"[token of ", "a token", rb"\[token of [^\]]{1,60}\]"),
    _pattern(b"J", b"eyJ", "a JSON web token", _START + rb"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"),
    _pattern(b"K", b" KEY-----", "a private key", rb"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"),
    _pattern(b"K", b"AKIA", "an API key", _START + rb"AKIA[0-9A-Z]{16}\b"),
    _pattern(b"-", b"sk-", "an API key", _START + rb"sk-[A-Za-z0-9_-]{20,}"),
    _pattern(
        b"@", b"://", "a password in an address",
        _START + rb"[a-z][a-z0-9+]{1,20}://[^\s:@/\"]{0,60}:[^\s@/\"]{1,120}@",
    ),
    _pattern(b"(", b"Traceback (", "a stack trace", rb"Traceback \(most recent call last\)"),
    _pattern(b"\\", b", line ", "a stack trace", rb"File \\?\"[^\"]{1,200}\", line \d+"),
    _pattern(
        b"(", b"at ", "a stack trace",
        _START + rb"at [\w$.<>/ ]{1,160} ?\([^()\s\"]{1,200}\.(?:java|kt|scala|[cm]?[jt]s|cs):\d+",
    ),
    _pattern(b"(", b"): ", "a stack trace", rb"#\d+ [^\s\"]{1,200}\.php\(\d+\): "),
    _pattern(b"(", b"(node:", "a stack trace", _START + rb"at [\w$.<>/ ]{1,160} ?\(node:[^()\s\"]{1,200}:\d+\)"),
    _pattern(
        b"(", b":line ", "a stack trace",
        _START + rb"at [\w$.<>`]{1,160}\([^()\"]{0,200}\) in [^\"]{1,200}:line \d+",
    ),
    _pattern(b"[", b"goroutine ", "a stack trace", _START + rb"goroutine \d+ \[[a-z ]+\]:"),
)  # fmt: skip
# A number that is a byte is found in a third of the time of a text of one byte.
_LT, _SQUARE, _J, _K, _AT, _ROUND, _BACK = dict.fromkeys(
    pattern.gate[0] for pattern in _PATTERNS if pattern.gate != b"-"
)
_ESCAPED = re.compile(rb"\\u00([2-7][0-9a-fA-F])")


def suspicious(data: bytes) -> bool:
    """Whether the bytes have to be searched closely."""
    if _LT in data or _SQUARE in data or _J in data or _K in data or _AT in data or _ROUND in data or _BACK in data:
        return True
    # No byte of this literal is rare; searched from the right it costs a quarter of what `in` costs.
    return data.rfind(b"sk-") >= 0


def search(data: bytes) -> tuple[ForbiddenText, ...]:
    """Serialisation errors, secrets and stack traces, the first of each kind; nothing when clean.

    Printable characters that JSON wrote as escapes are decoded first. A secret itself is never repeated: only what it
    is, and where it begins.
    """
    if b"\\u00" in data:
        data = _ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), data)
    found: dict[str, ForbiddenText] = {}
    for gate, literal, name, pattern in _PATTERNS:
        if name in found or gate not in data or literal not in data:
            continue
        match = pattern.search(data)
        if match is None:
            continue
        if name is _SERIALISATION_ERROR:
            found[name] = ForbiddenText(True, match.group().decode(errors="replace"))
        else:
            found[name] = ForbiddenText(False, f"{name} at byte {match.start()}")
    return tuple(found.values())
