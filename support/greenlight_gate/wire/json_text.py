"""From the bytes of a frame to a JSON value, leniently: what is wrong is said, and as much as possible is read."""

import codecs
import json
from collections.abc import Callable
from typing import Any

from greenlight_gate.events import Mistake, Problem


class UnreadableError(Exception):
    """No JSON value can be made of the frame; `problems` says why."""

    def __init__(self, reason: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(reason)
        self.problems = problems


def lenient_value(data: bytes) -> tuple[Any, tuple[Problem, ...]]:
    """The JSON value of a text frame and all that is wrong with its form.

    Broken UTF-8, byte order marks, lone surrogates, NaN, text after the value and double encoding are reported and
    read around. Raises UnreadableError when no value is left, for instance for half a JSON text.
    """
    problems: list[Problem] = []

    def wrong(expected: str, actual: str) -> None:
        problems.append(Problem(Mistake.FORM, expected, actual))

    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        wrong("UTF-8", f"byte 0x{data[error.start]:02x} at {error.start}: {error.reason}")
        text = data.decode(errors="replace")
    if data.startswith(codecs.BOM_UTF8):
        wrong("no byte order mark", "a byte order mark")
        text = text[1:]
    value = _parse(text, wrong, problems)
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except ValueError:
            wrong("a JSON object", "a JSON text that holds broken JSON")
        else:
            wrong("a JSON object", "JSON encoded twice: a text that holds the object")
    return _without_surrogates(value, wrong), tuple(problems)


def _parse(text: str, wrong: Callable[[str, str], None], problems: list[Problem]) -> Any:
    def constant(name: str) -> None:
        wrong("numbers that JSON knows", name)

    def whole(digits: str) -> int | float:
        try:
            return int(digits)
        except ValueError:
            # JSON sets no limit, and Python does (sys.get_int_max_str_digits).
            wrong("numbers of sensible length", f"a number of {len(digits)} digits")
            return float(digits)

    decoder = json.JSONDecoder(parse_constant=constant, parse_int=whole)
    stripped = text.strip(" \t\r\n")
    try:
        value, end = decoder.raw_decode(stripped)
    except RecursionError:
        wrong("JSON of sensible depth", "nesting too deep to read")
        raise UnreadableError("nested too deeply", tuple(problems)) from None
    except ValueError as error:
        wrong("a whole JSON value", f"{error} in {preview(text)}")
        raise UnreadableError("not JSON", tuple(problems)) from None
    if end != len(stripped):
        wrong("nothing after the JSON value", preview(stripped[end:]))
    return value


def _without_surrogates(value: Any, wrong: Callable[[str, str], None]) -> Any:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        wrong("no lone surrogates", "half of a surrogate pair")
        scrubbed = json.dumps(value, ensure_ascii=False).encode(errors="replace")
        return json.loads(scrubbed)
    except (RecursionError, ValueError):
        return value
    return value


def preview(text: str, most: int = 80) -> str:
    """A short, printable piece of a hostile text."""
    short = text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"
    return short.encode("unicode_escape", errors="replace").decode("ascii") if not short.isprintable() else short
