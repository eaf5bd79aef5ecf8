"""What a canary looks like: a marker, its owner's name in letters, and letters of its own.

A canary is one word of lower-case letters, so that a backend keeps, finds and repeats it as a whole, whatever it is and
whatever it is put into. The name in it can be read without knowing any user:

- Letters stand for themselves. A word of a name begins with a capital and goes on in small letters.
- `q` begins everything else: a `q` (qq), a capital or small letter where the other is usual (qu, ql), a space or one
  of . ' - : _ (qe, qd, qa, qh, qc, qn), a digit (qf and one letter), any other character (qx and five letters, its
  code point to the base of 25), and the end of the name (qz).

The marker is one half twice: wherever a canary is cut in two, a whole half is in one of the pieces. Base64 of small
letters holds neither + nor /, so that base64 and base64url of a canary are the same.

Its letters are chosen for the filter that all frames go through: it holds a j, which is rare; each of its three base64
forms holds an X, which is as rare; and most of its hex form are digits, which have no case.
"""

import functools
import re
import string
from typing import NamedTuple

HALF = b"ajiqyv"
MARKER = HALF * 2
END = b"qz"
# Without q nothing here can be taken for a marker or for the end of a name.
LETTERS = string.ascii_lowercase.replace("q", "")

_SIGNS = {"e": " ", "d": ".", "a": "'", "h": "-", "c": ":", "n": "_"}
_CODES = {sign: f"q{code}" for code, sign in _SIGNS.items()}
_DIGITS = "abcdefghij"
_POINT_LETTERS = 5
_UNIQUE_LETTERS = 8
_WORD = re.compile(
    rf"{MARKER.decode()}((?:[a-pr-z]|q[a-y]){{0,512}}{END.decode()})[{LETTERS}]{{0,{_UNIQUE_LETTERS}}}",
    re.IGNORECASE,
)
_LAST_POINT = 0x10FFFF


class Owner(NamedTuple):
    """Whose canary it is: the name as far as it is there, whether it is whole, and how many letters it took."""

    name: str
    whole: bool
    letters: int


def canary_word(name: str, unique: str) -> str:
    """The canary of a user. `unique`: letters of `LETTERS` that no other canary of this user has."""
    return f"{MARKER.decode()}{owner_code(name).decode()}{unique}"


@functools.lru_cache(maxsize=4096)
def owner_code(name: str) -> bytes:
    """What follows the marker in each canary of this user: the name and its end. Different for different names."""
    written = [_written(char, before) for char, before in zip(name, " " + name, strict=False)]
    return "".join(written).encode() + END


def _written(char: str, before: str) -> str:
    if char in string.ascii_letters:
        starts = not before.isalpha()
        usual = "" if starts == char.isupper() else ("ql" if starts else "qu")
        return usual + ("qq" if char in "qQ" else char.lower())
    if char in string.digits:
        return f"qf{_DIGITS[int(char)]}"
    return _CODES.get(char) or f"qx{_point(ord(char))}"


def _point(number: int) -> str:
    letters = []
    for _ in range(_POINT_LETTERS):
        number, digit = divmod(number, len(LETTERS))
        letters.append(LETTERS[digit])
    return "".join(reversed(letters))


@functools.lru_cache(maxsize=4096)
def read_owner(letters: bytes) -> Owner:
    """The name in the lower-case letters after a marker; the part that can be read, where they are cut off."""
    text, name, at = letters.decode(), "", 0
    capital: bool | None = None
    while at < len(text):
        char, at = text[at], at + 1
        if char == "q":
            code, at = text[at : at + 1], at + 1
            if code == "z":
                return Owner(name, whole=True, letters=at)
            if code in ("u", "l"):
                capital = code == "u"
                continue
            if code != "q":
                sign, at = _sign(code, text, at)
                if sign is None:
                    break
                name += sign
                continue
        starts = not name[-1:].isalpha() if capital is None else capital
        name += char.upper() if starts else char
        capital = None
    return Owner(name, whole=False, letters=len(text))


def named(text: str) -> str:
    """The text as reports print it: with `canary of Ada` where her canary stands, in whatever case."""
    return _WORD.sub(lambda match: f"canary of {read_owner(match[1].lower().encode()).name}", text)


def _sign(code: str, text: str, at: int) -> tuple[str | None, int]:
    if code == "f" and text[at : at + 1] in tuple(_DIGITS):
        return str(_DIGITS.index(text[at])), at + 1
    if code == "x" and len(digits := text[at : at + _POINT_LETTERS]) == _POINT_LETTERS and "q" not in digits:
        number = functools.reduce(lambda total, digit: total * len(LETTERS) + LETTERS.index(digit), digits, 0)
        return (chr(number) if number <= _LAST_POINT else None), at + _POINT_LETTERS
    return _SIGNS.get(code), at
