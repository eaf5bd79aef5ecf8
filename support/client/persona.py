"""What makes a person recognisable in a conversation: a canary that names its owner."""

import secrets

from support.rules import canary_words

MARKER = canary_words.MARKER.decode()
_UNIQUE_LETTERS = 8


def canary_of(name: str) -> str:
    """A synthetic secret of fixed shape: the marker, the owner's name in letters, and eight letters of its own.

    One word of small letters, another one each time; `support.rules.canary_words` says how the name is written.
    """
    unique = "".join(secrets.choice(canary_words.LETTERS) for _ in range(_UNIQUE_LETTERS))
    return canary_words.canary_word(name, unique)
