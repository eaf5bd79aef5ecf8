"""What must never stand in a frame: serialiser debris, secrets and stack traces.

Frames are searched as bytes. `suspicious` is a filter of a few literal searches, which may be asked once for a whole
socket read; only what it lets through is looked at with regular expressions.
"""

import re

from support.events import Problem

# Single bytes are searched ten times as fast as longer literals, and stand for the patterns that contain them.
_FILTERS = (b"(", b"<", b"@", b"[", b"\\", b"eyJ", b" KEY-----", b"sk-", b"AKIA")

_DEBRIS = re.compile(rb"<[A-Za-z_]\w*(?:\.\w+)+: [^<>]{1,60}>|\bobject at 0x[0-9a-fA-F]{4,}")
_SECRETS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("a token", re.compile(rb"\[token of [^\]]{1,60}\]")),
    ("a JSON web token", re.compile(rb"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*")),
    ("a private key", re.compile(rb"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----")),
    ("an API key", re.compile(rb"\bsk-[A-Za-z0-9_-]{20,}|\bAKIA[0-9A-Z]{16}\b")),
    ("a password in an address", re.compile(rb"\b[a-z][a-z0-9+]{1,20}://[^\s:@/\"]{1,60}:[^\s@/\"]{1,120}@")),
    ("a stack trace", re.compile(rb"Traceback \(most recent call last\)")),
    ("a stack trace", re.compile(rb"File \\?\"[^\"]{1,200}\", line \d+")),
    ("a stack trace", re.compile(rb"\bat [\w$.<>/ ]{1,160} ?\([^()\s\"]{1,200}\.(?:java|kt|scala|[cm]?[jt]s|cs):\d+")),
    ("a stack trace", re.compile(rb"\bgoroutine \d+ \[[a-z ]+\]:")),
)


def suspicious(data: bytes) -> bool:
    """Whether anything in the bytes is worth a closer look."""
    for literal in _FILTERS:
        if literal in data:
            return True
    return False


def search(data: bytes) -> tuple[Problem, ...]:
    """CONTENT-2 for debris and CONTENT-5 for secrets and stack traces, the first of each kind; nothing when clean.

    A secret itself is never repeated in a problem: only what it is, and where it begins.
    """
    problems = []
    if (debris := _DEBRIS.search(data)) is not None:
        problems.append(Problem("CONTENT-2", "no serialiser debris", debris.group().decode(errors="replace")))
    named: set[str] = set()
    for name, pattern in _SECRETS:
        if name not in named and (found := pattern.search(data)) is not None:
            named.add(name)
            problems.append(Problem("CONTENT-5", "nothing secret or internal", f"{name} at byte {found.start()}"))
    return tuple(problems)
