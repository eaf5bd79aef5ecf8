"""The fast reader: a profile compiled to msgspec structs and generated Python source.

Only frames that are plainly right are read here; for anything else `read` returns None and the patient reader
(`explain`) takes over. Text from the profile reaches the source only as a repr() literal, never as a name.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from support.events import Control, Event, EventKind
from support.wire.spec import EventSpec, Field, Spec
from support.wire.values import MINUTES, read_stamp

U = msgspec.UNSET
_LEAF: dict[str, Any] = {
    "id": str | None,
    "text": str,
    "int": int | None,
    "number": float | None,
    "stamp": str | int | float | None,
    "any": Any,
    "object": msgspec.Raw,
}
_NEVER_NULL = {"text", "object"}
_EVENT_ARGUMENTS = Event.__struct_fields__


class _Node:
    """A position in the tree of all paths: a leaf's type, or named children."""

    def __init__(self) -> None:
        self.leaf: Any = None
        self.children: dict[str, _Node] = {}

    def add(self, path: str, leaf: Any) -> None:
        node = self
        for name in path.split("."):
            node = node.children.setdefault(name, _Node())
        node.leaf = leaf if node.leaf in (None, leaf) else Any

    def struct(self, name: str) -> tuple[Any, dict[str, str]]:
        """The struct type of this node; its attributes are a0, a1, ... by the order of the children."""
        fields: list[tuple[str, Any, Any]] = []
        renames: dict[str, str] = {}
        for index, (child_name, child) in enumerate(self.children.items()):
            attribute = f"a{index}"
            renames[attribute] = child_name
            if child.children:
                inner, _ = child.struct(f"{name}_{index}")
                fields.append((attribute, inner | msgspec.UnsetType, U))
            elif child.leaf is msgspec.Raw:
                fields.append((attribute, msgspec.Raw, msgspec.Raw(b"")))
            elif child.leaf is Any:
                fields.append((attribute, Any, U))
            else:
                fields.append((attribute, child.leaf | msgspec.UnsetType, U))
        return msgspec.defstruct(name, fields, rename=renames, gc=False), renames


class _Source:
    """Collects the generated lines, and the local variable of each container on a path."""

    def __init__(self, root: _Node) -> None:
        self.root = root
        self.lines: list[str] = []
        self.locals: dict[str, str] = {"": "f"}

    def emit(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line)

    def attribute(self, path: str) -> str:
        node = self.root
        *parents, last = path.split(".")
        for name in parents:
            node = node.children[name]
        return f"a{list(node.children).index(last)}"

    def container(self, path: str) -> str:
        """The local variable that holds the container at `path`, or UNSET; emits its assignment on first use."""
        if path not in self.locals:
            parent, _, _ = path.rpartition(".")
            above = self.container(parent)
            name = f"c{len(self.locals)}"
            value = f"{above}.{self.attribute(path)}"
            self.emit(1, f"{name} = {value}" if above == "f" else f"{name} = {value} if {above} is not U else U")
            self.locals[path] = name
        return self.locals[path]


def compile_reader(spec: Spec) -> Callable[[bytes], Event | Control | None]:
    """A function that reads one text frame (UTF-8 JSON), or returns None for a frame that needs explaining.

    Raises msgspec.DecodeError, UnicodeDecodeError or RecursionError for frames that are no JSON of the shapes known.
    """
    root = _Node()
    for path in spec.frame.kind:
        root.add(path, str)
    for event in spec.events.values():
        for field, paths in event.fields.values():
            for path in paths:
                root.add(path, _LEAF[field.is_])
    for control in spec.controls.values():
        for path in (*control.when, *control.capture.values()):
            root.add(path, Any if path not in spec.frame.kind else str)
    if _mixed(root):
        return lambda _: None
    struct, _ = root.struct("Frame")
    decode = msgspec.json.Decoder(struct).decode
    readers = {
        name: _event_reader(event, root, index, spec.frame.kind)
        for index in range(len(spec.frame.kind))
        for event in spec.events.values()
        for name in ((index, kind) for kind in event.kinds)
    }
    return _dispatch(spec, root, decode, readers)


def _mixed(node: _Node) -> bool:
    own = node.leaf is not None and bool(node.children)
    return own or any(_mixed(child) for child in node.children.values())


def _compile(source: _Source, name: str, values: dict[str, Any]) -> Any:
    # The source is made of fixed text, numbers and repr() literals; no text of a profile becomes code.
    exec(compile("\n".join(source.lines), f"<profile {name}>", "exec"), values)  # noqa: S102
    return values[name]


def _dispatch(spec: Spec, root: _Node, decode: Any, readers: dict[Any, Any]) -> Any:
    source = _Source(root)
    source.emit(0, "def read(data):")
    source.emit(1, "data.isascii() or data.decode()")
    source.emit(1, "f = decode(data)")
    tables: dict[str, Any] = {}
    for index, path in enumerate(spec.frame.kind):
        parent, _, _ = path.rpartition(".")
        holder = source.container(parent)
        tables[f"kinds{index}"] = {kind: reader for (i, kind), reader in readers.items() if i == index}
        guard = "" if holder == "f" else f" if {holder} is not U else None"
        source.emit(1, f"reader = kinds{index}.get({holder}.{source.attribute(path)}){guard}")
        source.emit(1, "if reader is not None:")
        source.emit(2, "return reader(f)")
    for name, control in spec.controls.items():
        terms = []
        for path, wanted in control.when.items():
            holder = source.container(path.rpartition(".")[0])
            guard = "" if holder == "f" else f"{holder} is not U and "
            terms.append(f"({guard}{holder}.{source.attribute(path)} == {wanted!r})")
        for path in control.capture.values():
            source.container(path.rpartition(".")[0])
        source.emit(1, f"if {' and '.join(terms) or 'True'}:")
        source.emit(2, "values = {}")
        for key, path in control.capture.items():
            holder = source.container(path.rpartition(".")[0])
            source.emit(2, f"x = {holder}.{source.attribute(path)} if {holder} is not U else U")
            source.emit(2, f"if x is not U: values[{key!r}] = x")
        source.emit(2, f"return Control({name!r}, values)")
    source.emit(1, "return None")
    return _compile(source, "read", {"U": U, "decode": decode, "Control": Control, **tables})


def _event_reader(event: EventSpec, root: _Node, kind_index: int, kind_paths: tuple[str, ...]) -> Any:
    source = _Source(root)
    source.emit(0, "def reader(f):")
    source.emit(1, f"shape = {kind_index}")
    source.emit(1, "failed = False")
    weight = 16
    for number, (name, (field, paths)) in enumerate(event.fields.items()):
        variable = f"v{number}"
        _lookup(source, variable, field, paths, weight)
        if not field.varies:
            weight *= len(paths) + 1
        _check(source, variable, name, field, event.kind)
    _stamp(source, _var(event, "stamp"))
    given = {"kind": "KIND", "server_s": "server_s", "stamp_format": "stamp_format", "shape": "shape",
             "tool_failed": "failed", "problems": "()"}  # fmt: skip
    arguments = [given.get(name) or _var(event, name) for name in _EVENT_ARGUMENTS]
    source.emit(1, f"return Event({', '.join(arguments)})")
    values = {"U": U, "Event": Event, "KIND": event.kind, "read_stamp": read_stamp, "encode": msgspec.json.encode,
              "minutes": MINUTES}  # fmt: skip
    return _compile(source, "reader", values)


def _stamp(source: _Source, stamp: str) -> None:
    """Emits the reading of the timestamp: the usual form without a call, every other one by `read_stamp`."""
    source.emit(1, "server_s = stamp_format = None")
    source.emit(1, f"if {stamp} is not None:")
    source.emit(2, "try:")
    source.emit(3, f"if {stamp}[26:] == 'Z':")
    source.emit(4, f"server_s = minutes[{stamp}[:17]] + float({stamp}[17:26])")
    source.emit(4, "stamp_format = 'ISO Z'")
    source.emit(2, "except (TypeError, ValueError):")
    source.emit(3, "pass")
    source.emit(2, "if stamp_format is None:")
    source.emit(3, f"server_s, stamp_format = read_stamp({stamp})")
    source.emit(3, "if server_s is None: return None")


def _var(event: EventSpec, name: str) -> str:
    return f"v{list(event.fields).index(name)}" if name in event.fields else "None"


def _lookup(source: _Source, variable: str, field: Field, paths: tuple[str, ...], weight: int) -> None:
    """Emits the search for one field: the first path that is there wins; later ones cost nothing when it is."""
    raw = field.is_ == "object"
    absent = f"not {variable}" if raw else f"{variable} is U"
    present = variable if raw else f"{variable} is not U"
    holders = [source.container(path.rpartition(".")[0]) for path in paths]
    for index, (path, holder) in enumerate(zip(paths, holders, strict=True)):
        depth = min(index, 1) + 1
        value = f"{holder}.{source.attribute(path)}"
        if index == 0:
            nothing = "b''" if raw else "U"
            guarded = value if holder == "f" else f"{value} if {holder} is not U else {nothing}"
            source.emit(1, f"{variable} = {guarded}")
            source.emit(1, f"if {absent}:")
            continue
        conditions = [absent] if index > 1 else []
        if holder != "f":
            conditions.append(f"{holder} is not U")
        if conditions:
            source.emit(depth, f"if {' and '.join(conditions)}:")
            depth += 1
        source.emit(depth, f"{variable} = {value}")
        if not field.varies:
            source.emit(depth, f"if {present}: shape += {index * weight}")
    if not field.optional:
        source.emit(2, f"if {absent}: return None")
    elif raw:
        source.emit(2, f"shape += {0 if field.varies else len(paths) * weight}")
    else:
        missing = f"{variable} = None" if field.varies else f"{variable} = None; shape += {len(paths) * weight}"
        source.emit(2, f"if {absent}: {missing}")


def _check(source: _Source, variable: str, name: str, field: Field, kind: EventKind) -> None:
    if field.is_ == "object":
        source.emit(1, f"if {variable} and bytes({variable})[:1] != b'{{': return None")
        return
    if not field.optional and field.is_ not in _NEVER_NULL:
        source.emit(1, f"if {variable} is None: return None")
    if field.failed:
        source.emit(1, f"if {variable} in {tuple(field.failed)!r}: failed = True")
    if name == "text":
        if field.is_ != "text":
            nullable = f"{variable} is not None and " if field.optional else ""
            source.emit(1, f"if {nullable}type({variable}) is not str: {variable} = encode({variable}).decode()")
        if not field.optional and kind is not EventKind.COMPLETED:
            source.emit(1, f"if not {variable} or {variable}.isspace(): return None")
