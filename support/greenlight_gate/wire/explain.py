"""The slow reader: reads one JSON value path by path and reports what is wrong with it.

It is the reference for the compiled reader, which hands over every frame that is not plainly right.
"""

import json
from typing import Any

from msgspec import UNSET

from greenlight_gate.events import Control, Event, EventKind, Mistake, Problem, Reading, Unmapped
from greenlight_gate.wire.fields import Field
from greenlight_gate.wire.json_text import preview
from greenlight_gate.wire.spec import EventSpec, Spec
from greenlight_gate.wire.values import FIRST_WEIGHT, MISSING, STAMP_FORMATS, read_stamp, text_of, walk

# Rules of their own object to runs and tools without a name.
_OWN_RULE = {"run", "tool"}
_TYPES: dict[str, tuple[type, ...]] = {
    "id": (str, int),
    "text": (str,),
    "int": (int,),
    "number": (int, float),
    "stamp": (str, int, float),
    "object": (dict,),
    "any": (object,),
}


def read_value(spec: Spec, value: Any, problems: tuple[Problem, ...]) -> Reading:
    """The event, control or unmapped frame that a JSON value is, `problems` included."""
    if not isinstance(value, dict):
        wrong = Problem(Mistake.FORM, "a JSON object", preview(text_of(value)) or "an empty text")
        return Unmapped("not a JSON object", (*problems, wrong))
    for index, path in enumerate(spec.frame.kind):
        name = walk(value, path)
        for event in spec.events.values():
            if isinstance(name, str) and name in event.kinds:
                return _event(event, value, index, problems)
    for control_name, control in spec.controls:
        if all(walk(value, path) == wanted for path, wanted in control.when.items()):
            captured = {name: walk(value, path) for name, path in control.capture.items()}
            return Control(control_name, {k: v for k, v in captured.items() if v not in (MISSING, None)}, problems)
    kind = walk(value, spec.frame.kind[0])
    if kind is MISSING:
        return Unmapped(f"no kind at {' or '.join(spec.frame.kind)}", problems)
    return Unmapped(f"unknown kind {preview(text_of(kind))}", problems)


def _event(event: EventSpec, value: dict[str, Any], shape: int, problems: tuple[Problem, ...]) -> Event:
    found: dict[str, Any] = {}
    wrong = list(problems)
    weight = FIRST_WEIGHT
    shape *= len(STAMP_FORMATS)
    tool_failed = False
    wrapped = False
    for name, (field, paths) in event.fields.items():
        index, item = _first(value, paths)
        if index is None and (wrapped or not field.optional) and (inner := _wrapped(value, paths)) is not None:
            wrapped = True
            item, came = inner
            wrong.append(Problem(Mistake.FORM, f"{paths[0]} directly", came))
        if not field.varies:
            shape += (index or 0) * weight
            weight *= len(paths)
        item, problem = check_field(event.kind, name, field, item)
        if problem is not None:
            wrong.append(problem)
        if item is not None:
            found[name] = item
            failing = index is not None and field.means_failure(paths[index])
            tool_failed = tool_failed or failing or field.is_failure(item)
    stamp = found.get("stamp")
    server_s, stamp_format = read_stamp(stamp) if stamp is not None else (None, None)
    if stamp is not None and server_s is None:
        wrong.append(Problem(Mistake.FIELD, "a timestamp (ISO 8601 or epoch)", preview(repr(stamp))))
    if stamp_format is not None:
        shape += STAMP_FORMATS.index(stamp_format)
    return Event(
        kind=event.kind,
        run=found.get("run"),
        thread=found.get("thread"),
        user=found.get("user"),
        request=found.get("request"),
        parent=found.get("parent"),
        seq=found.get("seq"),
        event_id=found.get("event_id"),
        stamp=stamp,
        server_s=server_s,
        stamp_format=stamp_format,
        shape=shape,
        agent=found.get("agent"),
        tool=found.get("tool"),
        call=found.get("call"),
        tool_failed=tool_failed,
        text=found.get("text"),
        duration_ms=found.get("duration") if _is_timed(event) else None,
        problems=tuple(wrong),
        input=found.get("input"),
        choice=found.get("choice"),
        choices=found.get("choices"),
    )


def _is_timed(event: EventSpec) -> bool:
    """Whether the event says in milliseconds how long something took."""
    entry = event.fields.get("duration")
    return entry is not None and entry[0].is_in_milliseconds


def _first(value: dict[str, Any], paths: tuple[str, ...]) -> tuple[int | None, Any]:
    """Where the first value that is not null stands, and the value; else None, and null or MISSING."""
    nothing: Any = MISSING
    for index, path in enumerate(paths):
        item = walk(value, path)
        if item is None:
            nothing = None
        elif item is not MISSING:
            return index, item
    return None, nothing


def _wrapped(value: dict[str, Any], paths: tuple[str, ...]) -> tuple[Any, str] | None:
    """A field that stands one wrapper too deep, and how: in `payload.payload`, or in a payload that is a JSON text."""
    for path in paths:
        place, _, name = path.rpartition(".")
        if not place:
            continue
        deeper = f"{place}.{place.rpartition('.')[2]}"
        if (item := walk(value, f"{deeper}.{name}")) not in (MISSING, None):
            return item, f"the payload wrapped once more ({deeper})"
        if isinstance(text := walk(value, place), str) and (item := walk(_object(text), name)) not in (MISSING, None):
            return item, f"{place} as a text that holds JSON"
    return None


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def check_field(kind: EventKind, name: str, field: Field, item: Any) -> tuple[Any, Problem | None]:
    """The value of a field as it may be used (None: not at all), and what is wrong with it."""
    if item is UNSET:
        item = MISSING
    if item is MISSING or item is None:
        if field.optional or name in _OWN_RULE:
            return None, None
        came = "nothing" if item is MISSING else "null"
        return None, Problem(Mistake.FIELD, f"{kind} with its {' or '.join(field.at)}", came)
    right = isinstance(item, _TYPES[field.type]) and (field.type == "any" or not isinstance(item, bool))
    if not right:
        mistake = Mistake.FORM if field.type == "object" and isinstance(item, str) else Mistake.FIELD
        expected = f"{kind} with {' or '.join(field.at)} as {field.type}"
        shown = text_of(item) if field.type != "stamp" else None
        return (shown if name in ("text", "tool") else None), Problem(mistake, expected, preview(repr(item)))
    if field.type == "id":
        return str(item), None
    if name == "choice":
        item = text_of(item)
    if name == "text":
        item = text_of(item)
        # Whether an answer is empty is judged with its request; any other empty text is a field that is not filled.
        if not item.strip() and kind is not EventKind.COMPLETED and not field.optional:
            return item, Problem(Mistake.FIELD, f"{kind} with a {' or '.join(field.at)} that is not empty", repr(item))
    return item, None
