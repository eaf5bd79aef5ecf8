"""Canaries: synthetic secrets that name the user who owns them."""

import secrets

from greenlight_gate.rules.engine import canary

MARKER = canary.MARKER.decode()
_UNIQUE_LETTERS = 8


def canary_of(name: str) -> str:
    """A synthetic secret of fixed shape: the marker, the owner's name in letters, and eight letters of its own.

    One word of small letters, another one each time; `rules.engine.canary` says how the name is written.
    """
    unique = "".join(secrets.choice(canary.LETTERS) for _ in range(_UNIQUE_LETTERS))
    return canary.canary_word(name, unique)
