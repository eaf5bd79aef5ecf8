"""Text that a wrong encoding has damaged, though its bytes are valid UTF-8.

Only a text that is known beforehand proves it: what an answer has to hold, and holds in a damaged form instead. An
agent may write "Ã¼" or U+FFFD itself, so that neither is searched for as such.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from greenlight_gate.trace import Expect

REPLACEMENT = "\ufffd"
# One damaged copy beside the text itself may be a quotation. An answer that repeats the text so often quotes nothing.
_LEAST_REPEATED = 8
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


class DamagedText(NamedTuple):
    """A text that the answer has to hold, the form that came, and what has happened to it."""

    wanted: str
    came: str
    how: str


def search(text: str, expect: Expect, results: str = "") -> DamagedText | None:
    """The first text that an answer has to hold and that is damaged in it, if any.

    What stands in the request or in the `results` of its tools just so is quoted.
    """
    folded, quoted = text.casefold(), f"{expect.prompt}\n{results}".casefold()
    for group in expect.contains:
        wanted = [each for each in group if not each.isascii()]
        if not wanted:
            continue
        intact = max(folded.count(each.casefold()) for each in group) or int(holds_plain(text, group))
        if REPLACEMENT in text and (not intact or intact >= _LEAST_REPEATED):
            cut = _cut_up(text, wanted, quoted)
            if cut is not None:
                return cut
        if not intact:
            for each in wanted:
                for how, form in _misread(each):
                    if form.casefold() in folded and form.casefold() not in quoted:
                        return DamagedText(each, form, how)
    return None


def plain(text: str) -> str:
    """A text in small letters, in one form where Unicode has several, and without marks that are not displayed.

    Such marks are joiners, and signs for the direction of writing (category Cf): agents add and leave them out.
    """
    if text.isascii():
        return text.casefold()
    letters = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in letters if unicodedata.category(letter) != "Cf")


def holds_plain(text: str, alternatives: Sequence[str]) -> bool:
    """Whether a text holds one of the others, once all are in their plain form."""
    said = plain(text)
    return any(plain(each) in said for each in alternatives)


def _cut_up(text: str, wanted: list[str], quoted: str) -> DamagedText | None:
    """A text with U+FFFD in place of some of its characters, at most one for each of their bytes in UTF-8."""
    if REPLACEMENT in quoted:
        return None
    for each in wanted:
        parts = [
            re.escape(letter) if letter.isascii() else f"(?:{re.escape(letter)}|{REPLACEMENT}{{1,{_width(letter)}}})"
            for letter in each
        ]
        for found in re.finditer("".join(parts), text, re.IGNORECASE):
            came = found[0]
            # What is mostly gone could have been anything.
            if REPLACEMENT in came and 2 * len(came.replace(REPLACEMENT, "")) >= len(each):
                return DamagedText(each, came, "characters were cut in two and decoded in parts")
    return None


def _misread(text: str) -> Iterator[tuple[str, str]]:
    """The forms that a text gets from usual mistakes: (what happened, the form)."""
    raw = text.encode(errors="surrogatepass")
    yield "UTF-8 was read as Latin-1", raw.decode("latin-1")
    yield "UTF-8 was read as Windows-1252", "".join(map(_windows_1252, raw))
    yield "its JSON was not decoded", json.dumps(text)[1:-1]
    if any(letter.isascii() and letter.isalnum() for letter in text):
        yield "all that is not ASCII was replaced", _BEYOND_ASCII.sub("?", text)


def _windows_1252(byte: int) -> str:
    """As browsers read it: five bytes have no character of their own (WHATWG Encoding, index windows-1252)."""
    try:
        return bytes((byte,)).decode("cp1252")
    except UnicodeDecodeError:
        return chr(byte)


def _width(letter: str) -> int:
    return len(letter.encode(errors="surrogatepass"))
