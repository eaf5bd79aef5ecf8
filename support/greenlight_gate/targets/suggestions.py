"""Which of the known names was probably meant."""

import difflib
from collections.abc import Iterable


def nearest(name: str, names: Iterable[str]) -> str:
    """A half-sentence for the end of a message: the nearest name, or all of them when none is near."""
    known = list(names)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; the nearest is {close[0]!r}" if close else f"; known are {', '.join(known)}"


def nearest_first(name: str, names: Iterable[str]) -> list[str]:
    """All names, the likeliest to be meant first."""
    return sorted(names, key=lambda known: -difflib.SequenceMatcher(None, name.lower(), known.lower()).ratio())
