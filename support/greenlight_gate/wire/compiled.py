"""The fast reader: a profile compiled to msgspec structs and generated Python source.

Only frames that are plainly right are read here; for anything else `read` returns None and the slow reader
(`explain`) takes over. Text from the profile reaches the source only as a repr() literal, never as a name.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial, reduce
from operator import or_
from typing import Any, Protocol

import msgspec

from greenlight_gate.events import Control, Event, EventKind
from greenlight_gate.wire.fields import Field
from greenlight_gate.wire.spec import EventSpec, Spec
from greenlight_gate.wire.values import FIRST_WEIGHT, PARSED_STAMPS, RESTS, STAMP_FORMATS, read_stamp


class FastReader(Protocol):
    """Reads one text frame; None for a frame that needs explaining. `is_ascii`: that is known of it already."""

    def __call__(self, data: bytes, is_ascii: bool = False) -> Event | Control | None:
        """Raises msgspec.DecodeError, UnicodeDecodeError or RecursionError for no JSON of the shapes known."""


# Reads text frames of ASCII that are all events, with None for one that needs explaining; raises for any other frame.
EventsReader = Callable[[Sequence[bytes]], list[Event | None]]


# All types allow null, which is what an absent member reads as: the wire may write either. A struct without fields
# accepts any object and decodes nothing of it.
_LEAF: dict[str, Any] = {
    "id": str,
    "text": str,
    "int": int,
    "number": float,
    "stamp": str | int | float,
    "any": Any,
    "object": msgspec.defstruct("AnyObject", []),
}
# For a path that events and fields use with several types: what the decoder then lets through is checked here.
_CHECKED: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "text": (str,),
    "int": (int,),
    "number": (int, float),
    "stamp": (str, int, float),
    "any": (str, int, float, bool, list, dict),
    "object": (dict,),
}
# What few kinds have comes behind the others, by name.
_OF_INPUTS = ("input", "choice", "choices")
_EVENT_ARGUMENTS = tuple(name for name in Event.__struct_fields__ if name not in ("synthesised", *_OF_INPUTS))


class _Node:
    """A position in the tree of all paths: a leaf's type, or named children."""

    def __init__(self) -> None:
        self.leaf: Any = None
        self.children: dict[str, _Node] = {}

    def add(self, path: str, leaf: Any = None) -> None:
        """Adds a path; without a leaf of its own it takes the type that others give it, or any."""
        node = self
        for name in path.split("."):
            node = node.children.setdefault(name, _Node())
        if leaf is None:
            node.leaf = node.leaf or Any
        else:
            node.leaf = leaf if node.leaf in (None, leaf) else Any

    def leaf_at(self, path: str) -> Any:
        """The type of the leaf at a path that was added."""
        node = self
        for name in path.split("."):
            node = node.children[name]
        return node.leaf

    def is_mixed(self) -> bool:
        """Whether some path is a value for one field and a container for another."""
        own = self.leaf is not None and bool(self.children)
        return own or any(child.is_mixed() for child in self.children.values())

    def add_event(self, event: EventSpec) -> None:
        """Adds all paths of an event."""
        for field, paths in event.fields.values():
            for path in paths:
                self.add(path, _LEAF[field.type])

    def struct(self, name: str, tag_field: str | None = None, tag: str | None = None) -> Any:
        """The struct type of this node; its attributes are a0, a1, ... by the order of the children."""
        fields: list[tuple[str, Any, Any]] = []
        for index, child in enumerate(self.children.values()):
            kind = child.struct(f"{name}_{index}") if child.children else child.leaf
            fields.append((f"a{index}", kind if kind is Any else kind | None, None))
        rename = {f"a{index}": wire_name for index, wire_name in enumerate(self.children)}
        return msgspec.defstruct(name, fields, rename=rename, gc=False, tag_field=tag_field, tag=tag)


class _Source:
    """Collects the generated lines, and the local variable of each container on a path."""

    def __init__(self, root: _Node) -> None:
        self.root = root
        self.lines: list[str] = []
        self.locals: dict[str, str] = {"": "f"}

    def emit(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line)

    def value(self, path: str) -> tuple[str, str]:
        """The expression for what stands at `path`, and the local that must not be None for it ("" if none)."""
        parent, _, _ = path.rpartition(".")
        holder = self._container(parent)
        return f"{holder}.{self._attribute(path)}", "" if holder == "f" else holder

    def guarded(self, path: str) -> str:
        """The expression for what stands at `path`, None if its container is not there."""
        value, holder = self.value(path)
        return f"{value} if {holder} is not None else None" if holder else value

    def compile(self, name: str, values: dict[str, Any]) -> Any:
        # The source is made of fixed text, numbers and repr() literals; no text of a profile becomes code.
        exec(compile("\n".join(self.lines), f"<profile {name}>", "exec"), values)  # noqa: S102
        return values[name]

    def _attribute(self, path: str) -> str:
        node = self.root
        *parents, last = path.split(".")
        for name in parents:
            node = node.children[name]
        return f"a{list(node.children).index(last)}"

    def _container(self, path: str) -> str:
        if path not in self.locals:
            expression = self.guarded(path)
            self.locals[path] = f"c{len(self.locals)}"
            self.emit(1, f"{self.locals[path]} = {expression}")
        return self.locals[path]


class _Readers(dict[Any, Callable[[Any], Event | None]]):
    """The readers of events by a key, each made when the first such event comes: most profiles know more than come."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[Any, Callable[[], Callable[[Any], Event | None]]] = {}

    def add(self, keys: Iterable[Any], event: EventSpec, root: _Node, kind_index: int = 0) -> None:
        """From now on there is a reader of this event for these keys."""
        make = cache(partial(_event_reader, event, root, kind_index))
        self.known |= dict.fromkeys(keys, make)

    def __missing__(self, key: Any) -> Callable[[Any], Event | None]:
        reader = self[key] = self.known[key]()
        return reader


def compile_reader(spec: Spec) -> tuple[FastReader, EventsReader | None]:
    """The reader of text frames (UTF-8 JSON) of a plain profile, and that of several events, where there can be one."""
    root = _Node()
    for path in spec.frame.kind:
        root.add(path, str)
    for event in spec.events.values():
        root.add_event(event)
    for _, control in spec.controls:
        for path in (*control.when, *control.capture.values()):
            root.add(path)
    if root.is_mixed():
        return read_nothing, None
    return _by_tag(spec, _dispatch(spec, root, msgspec.json.Decoder(root.struct("Frame")).decode))


def read_nothing(data: bytes, is_ascii: bool = False) -> None:
    """The fast reader of a profile whose frames all need explaining."""


def _dispatch(spec: Spec, root: _Node, decode: Any) -> FastReader:
    source = _Source(root)
    values: dict[str, Any] = {"decode": decode, "Control": Control}
    source.emit(0, "def read(data, is_ascii=False):")
    source.emit(1, "is_ascii or data.isascii() or data.decode()")
    source.emit(1, "f = decode(data)")
    for index, path in enumerate(spec.frame.kind):
        readers = _Readers()
        for event in spec.events.values():
            readers.add(event.kinds, event, root, index)
        values |= {f"readers{index}": readers, f"kinds{index}": readers.known}
        source.emit(1, f"kind = {source.guarded(path)}")
        source.emit(1, f"if kind in kinds{index}:")
        source.emit(2, f"return readers{index}[kind](f)")
    for name, control in spec.controls:
        terms = [f"({source.guarded(path)}) == {wanted!r}" for path, wanted in control.when.items()]
        captures = {key: source.guarded(path) for key, path in control.capture.items()}
        source.emit(1, f"if {' and '.join(terms)}:")
        source.emit(2, "values = {}")
        for key, expression in captures.items():
            source.emit(2, f"x = {expression}")
            source.emit(2, f"if x is not None: values[{key!r}] = x")
        source.emit(2, f"return Control({name!r}, values)")
    source.emit(1, "return None")
    reader: FastReader = source.compile("read", values)
    return reader


def _by_tag(spec: Spec, any_frame: FastReader) -> tuple[FastReader, EventsReader | None]:
    """Reads events with a decoder that knows only the fields of their kind; `any_frame` reads all that is none.

    Only where the kind stands at the root: the decoder looks for it there before it decodes the rest.
    """
    where, kinds = spec.frame.kind[0], [kind for event in spec.events.values() for kind in event.kinds]
    if "." in where or len(set(kinds)) < len(kinds):
        return any_frame, None
    readers = _Readers()
    for event in spec.events.values():
        root = _Node()
        root.add_event(event)
        if root.is_mixed() or where in root.children:
            return any_frame, None
        readers.add([root.struct("Frame", tag_field=where, tag=kind) for kind in event.kinds], event, root)
    decode = msgspec.json.Decoder(reduce(or_, readers.known)).decode

    def read(data: bytes, is_ascii: bool = False) -> Event | Control | None:
        is_ascii or data.isascii() or data.decode()
        try:
            frame = decode(data)
        except msgspec.ValidationError:
            return any_frame(data, True)
        return readers[type(frame)](frame)

    def read_events(frames: Sequence[bytes]) -> list[Event | None]:
        return [readers[type(frame)](frame) for frame in map(decode, frames)]

    return read, read_events


def _event_reader(event: EventSpec, root: _Node, kind_index: int) -> Any:
    source = _Source(root)
    source.emit(0, "def reader(f):")
    source.emit(1, f"shape = {kind_index * len(STAMP_FORMATS)}")
    source.emit(1, "failed = False")
    weight = FIRST_WEIGHT
    for number, (name, (field, paths)) in enumerate(event.fields.items()):
        _lookup(source, f"v{number}", field, paths, weight)
        if not field.varies:
            weight *= len(paths)
        if any(root.leaf_at(path) is not _LEAF[field.type] for path in paths):
            source.emit(1, f"if type(v{number}) not in {field.type}_types: return None")
        _check(source, f"v{number}", name, field, event.kind)
    names = list(event.fields)
    variables = {name: f"v{names.index(name)}" for name in names}
    _stamp(source, variables.get("stamp", "None"))
    variables |= {"kind": "KIND", "server_s": "server_s", "stamp_format": "stamp_format", "shape": "shape",
                  "tool_failed": "failed", "problems": "()"}  # fmt: skip
    if "duration" in event.fields and event.fields["duration"][0].is_in_milliseconds:
        variables["duration_ms"] = variables["duration"]
    arguments = [variables.get(name, "None") for name in _EVENT_ARGUMENTS]
    arguments += [f"{name}={variables[name]}" for name in _OF_INPUTS if name in variables]
    source.emit(1, f"return Event({', '.join(arguments)})")
    values = {"Event": Event, "KIND": event.kind, "read_stamp": read_stamp, "encode": msgspec.json.encode,
              "moments": PARSED_STAMPS, "rests": RESTS, "formats": STAMP_FORMATS,
              "moment": slice(22), "rest": slice(22, None)}  # fmt: skip
    values |= {f"{name}_types": (*types, type(None)) for name, types in _CHECKED.items()}
    return source.compile("reader", values)


def _stamp(source: _Source, stamp: str) -> None:
    """Emits the reading of the timestamp: the usual form without a call, every other one by `read_stamp`."""
    source.emit(1, "server_s = stamp_format = None")
    if stamp == "None":
        return
    source.emit(1, f"if {stamp} is not None:")
    source.emit(2, "try:")
    source.emit(3, f"server_s = moments[{stamp}[moment]] + rests[{stamp}[rest]]")
    source.emit(3, "stamp_format = 'ISO Z'")
    source.emit(2, "except (TypeError, ValueError):")
    source.emit(3, f"server_s, stamp_format = read_stamp({stamp})")
    source.emit(3, "if server_s is None: return None")
    source.emit(3, "shape += formats.index(stamp_format)")


def _lookup(source: _Source, variable: str, field: Field, paths: tuple[str, ...], weight: int) -> None:
    """Emits the search for one field: the first value that is not null wins; later places cost nothing when it is."""
    expressions = [source.value(path) for path in paths]
    source.emit(1, f"{variable} = {source.guarded(paths[0])}")
    if field.means_failure(paths[0]):
        source.emit(1, f"failed = {variable} is not None")
    source.emit(1, f"if {variable} is None:")
    for index, (value, holder) in enumerate(expressions[1:], 1):
        # Most places of most frames are not there at all: that is asked first.
        terms = [f"{holder} is not None"] if holder else []
        source.emit(2, f"if {' and '.join([*terms, f'{variable} is None'])}:")
        source.emit(3, f"{variable} = {value}")
        code = [] if field.varies else [f"shape += {index * weight}"]
        code += ["failed = True"] if field.means_failure(paths[index]) else []
        if code:
            source.emit(3, f"if {variable} is not None: {'; '.join(code)}")
    source.emit(2, "pass" if field.optional else f"if {variable} is None: return None")


def _check(source: _Source, variable: str, name: str, field: Field, kind: EventKind) -> None:
    if field.failed or field.ok:
        source.emit(1, f"if {field.failure_code(variable)}: failed = True")
    if name == "choice" and field.type == "any":
        source.emit(
            1, f"if {variable} is not None and type({variable}) is not str: {variable} = encode({variable}).decode()"
        )
    if name == "text":
        nullable = f"{variable} is not None and " if field.optional else ""
        if field.type != "text":
            source.emit(1, f"if {nullable}type({variable}) is not str: {variable} = encode({variable}).decode()")
        if not field.optional and kind is not EventKind.COMPLETED:
            source.emit(1, f"if not {variable} or {variable}.isspace(): return None")
