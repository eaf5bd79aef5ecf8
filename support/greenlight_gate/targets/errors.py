"""Converts plain data to structs; an error is one line: where, what was expected, what came instead."""

import copy
import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import inspect as shapes

from greenlight_gate.findings import printable
from greenlight_gate.targets.sections import Invalid
from greenlight_gate.targets.suggestions import nearest

T = TypeVar("T")
Segments = list[str | int]

_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_SEGMENT = re.compile(r"\.(\w+)|\[(\d+)\]|\[(\.\.\.)\]")
_UNKNOWN = re.compile(r"unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"missing required field `(.*)`", re.DOTALL)
_WORD = re.compile(r"\w+")
_SHOWN = 60
_MOST_MISTAKES = 50


class Misconfigured(Exception):
    """The user's mistake, or an environment that is not there (exit code 3). Its text is one printable line.

    `lines`: the same for a terminal; several mistakes have a line each, below one that counts them.
    """

    def __init__(self, text: str, mistakes: Sequence[str] = ()) -> None:
        several = f"{text}: {'; '.join(mistakes)}" if mistakes else text
        super().__init__(printable(" ".join(several.split())))
        parts = (f"{text}:", *(f"  {mistake}" for mistake in mistakes)) if mistakes else (str(self),)
        self.lines = tuple(printable(part) for part in parts)


class TargetFault(Exception):
    """The target answered, and wrongly: unhealthy, another version, no JSON. Its text is one printable line."""

    def __init__(self, text: str) -> None:
        super().__init__(printable(" ".join(text.split())))


def convert(data: object, kind: type[T], file: str, stand_ins: Mapping[str, Any] | None = None) -> T:
    """`data` (of a TOML file) as `kind`. Raises Misconfigured with the file, and of all mistakes the key path and more.

    `stand_ins`: right values for keys without a default, so that what is wrong beside a missing one is found as well.
    """
    try:
        return msgspec.convert(data, kind, strict=True)
    except msgspec.ValidationError as error:
        mistakes = _all_mistakes(error, data, kind, stand_ins or {})
    except RecursionError:
        raise Misconfigured(
            f"{file}: expected a few levels of tables, but it is nested too deeply to be read"
        ) from None
    if len(mistakes) == 1:
        raise Misconfigured(f"{file}: {mistakes[0]}")
    raise Misconfigured(f"{file}: {len(mistakes)} mistakes", mistakes)


def _all_mistakes(
    error: msgspec.ValidationError, data: Any, kind: type[Any], stand_ins: Mapping[str, Any]
) -> list[str]:  # fmt: skip
    """The mistakes in the order in which they are found: each wrong key is taken out, until the rest is right.

    What only contradicts itself because of a key that was taken out is not reported.
    """
    mistakes, removed = [_explain(error, data, kind)], set[str]()
    for _ in range(_MOST_MISTAKES):
        path = _guilty(error, data)
        removed.add(_path(path))
        data = _without(data, path, stand_ins)
        if data is None:
            break
        try:
            msgspec.convert(data, kind, strict=True)
            break
        except msgspec.ValidationError as next_error:
            error = next_error
            if not _follows(error, data, removed):
                mistakes.append(_explain(error, data, kind))
        except RecursionError:
            break
    return list(dict.fromkeys(mistakes))


def _follows(error: msgspec.ValidationError, data: Any, removed: Collection[str]) -> bool:
    """Whether an error only follows from a key that was taken out."""
    guilty = _path(_guilty(error, data))
    # A list or a table that lacks what was taken out of it may be empty now.
    if guilty in removed or any(path.startswith((f"{guilty}.", f"{guilty}[")) or not guilty for path in removed):
        return True
    cause = error.__cause__
    names = {path.rpartition(".")[2] for path in removed}
    return isinstance(cause, Invalid) and not names.isdisjoint(_WORD.findall(f"{cause.expected} {cause.came}"))


def _at(error: msgspec.ValidationError, data: Any) -> Segments:
    found = _AT.search(str(error))
    return _segments(found["path"] if found else "", data)


def _guilty(error: msgspec.ValidationError, data: Any) -> Segments:
    """The path of the key that is to be taken out for an error; of a missing one, the path that it would have."""
    segments = _at(error, data)
    if isinstance(error.__cause__, Invalid):
        return [*segments, *_segments(f".{error.__cause__.key}" if error.__cause__.key else "", data)]
    said = _AT.sub("", str(error))
    name = _UNKNOWN.search(said) or _MISSING.search(said)
    return [*segments, name[1]] if name else segments


def _without(data: Any, path: Segments, stand_ins: Mapping[str, Any]) -> Any:
    """A copy without what stands at a path, or with what stands in for it; None where nothing is left to convert.

    What lacks a key goes as a whole.
    """
    if len(path) == 1 and path[0] in stand_ins:
        return {**data, str(path[0]): stand_ins[str(path[0])]}
    copied = copy.deepcopy(data)
    parent = copied
    segment: Any
    for index, segment in enumerate(path):
        if not (isinstance(parent, dict) and segment in parent) and not (
            isinstance(parent, list) and isinstance(segment, int) and segment < len(parent)
        ):
            return _without(data, path[:index], stand_ins)
        if index == len(path) - 1:
            del parent[segment]
            return copied
        parent = parent[segment]
    return None


def _explain(error: msgspec.ValidationError, data: object, kind: type[Any]) -> str:
    text = str(error)
    found = _AT.search(text)
    said = text[: found.start()] if found else text
    segments = _segments(found["path"] if found else "", data)
    where = _path(segments)
    if isinstance(error.__cause__, Invalid):
        cause = error.__cause__
        key = ".".join(part for part in (where, cause.key) if part)
        return f"{key}: expected {cause.expected}, but {cause.came}"
    unknown = _UNKNOWN.search(said)
    if unknown:
        fields = [field.encode_name for field in _fields(_shape_at(kind, segments))]
        key = ".".join(part for part in (where, unknown[1]) if part)
        return f"{key}: expected one of the known keys, but there is no {unknown[1]!r}{nearest(unknown[1], fields)}"
    missing = _MISSING.search(said)
    if missing:
        key = ".".join(part for part in (where, missing[1]) if part)
        return f"{key}: expected {_describe(_shape_at(kind, [*segments, missing[1]]))}, but it is missing"
    shape = _shape_at(kind, segments)
    came = _value_at(data, segments)
    return f"{where or 'the file'}: expected {_describe(shape)}, but {_came(came, segments)}{_near_value(came, shape)}"


def _segments(path: str, data: object) -> Segments:
    """The key path of an error. msgspec writes [...] for any key of a dictionary: its first value that is no text."""
    segments: Segments = []
    for name, index, _any in _SEGMENT.findall(path):
        if name:
            segments.append(name)
        elif index:
            segments.append(int(index))
        else:
            table = _value_at(data, segments)
            guilty = (
                [key for key, value in table.items() if not isinstance(value, str)] if isinstance(table, dict) else []
            )
            segments.extend(guilty[:1])
    return segments


def _path(segments: Segments) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in segments).removeprefix(".")


def _value_at(data: Any, segments: Segments) -> Any:
    for segment in segments:
        data = data[segment]
    return data


def _bare(shape: shapes.Type) -> shapes.Type:
    return shape.type if isinstance(shape, shapes.Metadata) else shape


def _options(shape: shapes.Type) -> list[shapes.Type]:
    """The alternatives of a shape, without None: TOML cannot write it."""
    bare = _bare(shape)
    types = bare.types if isinstance(bare, shapes.UnionType) else (bare,)
    return [_bare(option) for option in types if not isinstance(option, shapes.NoneType)]


def _fields(shape: shapes.Type) -> tuple[shapes.Field, ...]:
    return next((option.fields for option in _options(shape) if isinstance(option, shapes.StructType)), ())


def _shape_at(kind: type[Any], segments: Segments) -> shapes.Type:
    shape: shapes.Type = shapes.type_info(kind)
    for segment in segments:
        for option in _options(shape):
            if isinstance(option, shapes.StructType):
                shape = next((field.type for field in option.fields if field.encode_name == segment), shape)
            elif isinstance(option, shapes.DictType):
                shape = option.value_type
            elif isinstance(option, shapes.VarTupleType):
                shape = option.item_type
    return shape


def _describe(shape: shapes.Type) -> str:
    if isinstance(shape, shapes.Metadata):
        said = (shape.extra_json_schema or {}).get("description")
        return str(said) if said else _describe(shape.type)
    if isinstance(shape, shapes.UnionType):
        return " or ".join(_describe(option) for option in shape.types if not isinstance(option, shapes.NoneType))
    if isinstance(shape, shapes.LiteralType):
        return "one of " + ", ".join(f'"{value}"' for value in shape.values)
    if isinstance(shape, shapes.IntType | shapes.FloatType):
        noun = "a whole number" if isinstance(shape, shapes.IntType) else "a number"
        bounds = ((shape.gt, "above"), (shape.ge, "of at least"), (shape.le, "and at most"))
        limits = [
            f"{word} {bound:g}" if bound < 1e6 else f"{word} {bound}" for bound, word in bounds if bound is not None
        ]
        return " ".join([noun, *limits])
    if isinstance(shape, shapes.VarTupleType):
        return ("a list" if not shape.min_length else "a list that is not empty") + f" of {_describe(shape.item_type)}"
    names: dict[type[shapes.Type], str] = {shapes.StrType: "a text", shapes.BoolType: "true or false"}
    return names.get(type(shape), "a table")


def _came(value: object, segments: Segments) -> str:
    key = str(segments[-1]) if segments else ""
    if key.endswith("_env"):
        return "what came is no such name (it is not shown, for it could be the secret itself)"
    if isinstance(value, dict | list):
        return "a table came" if isinstance(value, dict) else f"a list of {len(value)} came"
    if isinstance(value, bool):
        return f"{str(value).lower()} came"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number of more than 64 bits came"
    shown = repr(value) if isinstance(value, str | float | int) else str(value)
    return f"{shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '...'} came"


def _near_value(value: object, shape: shapes.Type) -> str:
    words = [
        str(word) for option in _options(shape) if isinstance(option, shapes.LiteralType) for word in option.values
    ]
    close = difflib.get_close_matches(value, words, n=1) if isinstance(value, str) else []
    return f"; the nearest is {close[0]!r}" if close else ""
