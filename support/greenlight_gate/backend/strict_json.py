"""Reads JSON as a strict reader does."""

import json
from typing import Any


def parse(text: str) -> Any:
    """Read JSON strictly: no NaN, no lone surrogates; raises ValueError."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
        _require_whole_characters(text, value)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


def _require_whole_characters(text: str, value: Any) -> None:
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("it holds half of a surrogate pair") from None
