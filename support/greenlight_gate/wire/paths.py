"""Generated expressions for paths, over typed structs or over plain dicts.

A path whose names lead through tables only becomes attributes of nested msgspec structs, so that the decoder builds
nothing that nobody asks for. Where a path ends in the middle of another one, or enters a list, the rest is walked.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from greenlight_gate.wire.predicates import ITEM
from greenlight_gate.wire.values import MISSING, walk_names

UNSET = msgspec.UNSET
_INDEX = re.compile(r"-?\d+")


def rest_of(value: Any, names: tuple[str, ...]) -> Any:
    """What stands at the rest of a path, or UNSET."""
    found = walk_names(value, names)
    return UNSET if found is MISSING else found


def member(value: Any, name: str) -> Any:
    """A member of a decoded JSON value, or UNSET. A list's members are called by their index."""
    if type(value) is dict:
        return value.get(name, UNSET)
    return rest_of(value, (name,)) if type(value) is list else UNSET


class Tree:
    """All paths into a frame, split into the part that is typed and the rest that is walked."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._children: dict[str, Any] = {}
        self._split: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        wanted = sorted({path for path in paths if not path.startswith("$")})
        names = {path: tuple(path.split(".")) for path in wanted}
        leaves = {names[path] for path in wanted}
        leaves |= {parts[: self._until_index(parts)] for parts in names.values()} - {()}
        for path, parts in names.items():
            typed = next((parts[:n] for n in range(1, len(parts) + 1) if parts[:n] in leaves), parts)
            self._split[path] = (typed, parts[len(typed):])  # fmt: skip
            node = self._children
            for name in typed:
                node = node.setdefault(name, {})

    @staticmethod
    def _until_index(parts: tuple[str, ...]) -> int:
        """How many names come before the first that may be an index, the first name of all aside."""
        return next((n for n, name in enumerate(parts) if n and _INDEX.fullmatch(name)), len(parts))

    def split(self, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(typed names, names to walk) of a path."""
        return self._split[path]

    def attribute(self, typed: tuple[str, ...]) -> str:
        """The name of the struct's attribute for the last of these names."""
        node = self._children
        for name in typed[:-1]:
            node = node[name]
        return f"a{list(node).index(typed[-1])}"

    def struct(self) -> Any:
        """The struct type of a frame. Everything may be absent (UNSET) or null."""
        return _struct(self._children, "Frame")


def _struct(children: dict[str, Any], name: str) -> Any:
    fields: list[tuple[str, Any, Any]] = []
    for index, inner in enumerate(children.values()):
        kind = _struct(inner, f"{name}_{index}") | None | msgspec.UnsetType if inner else Any
        fields.append((f"a{index}", kind, UNSET))
    rename = {f"a{index}": wire_name for index, wire_name in enumerate(children)}
    return msgspec.defstruct(name, fields, rename=rename, gc=False)


class PathSource:
    """Collects the lines of one generated function. Text of a profile goes into `constants`, or in as a repr().

    `typed`: the frame is a struct of the tree, else a decoded value.
    """

    def __init__(self, tree: Tree, *, typed: bool, constants: dict[str, Any]) -> None:
        self.tree = tree
        self.typed = typed
        self.constants = constants
        self.lines: list[str] = []
        self._locals: dict[tuple[str, ...], str] = {(): "f"}

    def branch(self) -> "PathSource":
        """The same lines, inside of a branch: what is looked up there is not known behind it."""
        inner = PathSource(self.tree, typed=self.typed, constants=self.constants)
        inner.lines = self.lines
        inner._locals = dict(self._locals)
        return inner

    def emit(self, depth: int, line: str) -> None:
        """One more line."""
        self.lines.append("    " * depth + line)

    def constant(self, value: Any) -> str:
        """The name under which the generated code finds a value."""
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def path(self, path: str, depth: int = 1) -> str:
        """The expression for what stands at a path: in the frame, in `$item`, or a value by its `$name`."""
        root, _, rest = path.partition(".")
        if root == ITEM:
            inside = f"rest_of(item, {tuple(rest.split('.'))!r})" if rest else "item"
            # Most items are tables of plain values: a member of one is not worth a walk.
            plain = bool(rest) and "." not in rest
            return f"(item.get({rest!r}, UNSET) if type(item) is dict else {inside})" if plain else inside
        if root == "$open_tools":
            return "len(st.open)"
        if root == "$events":
            return "st.events"
        if root.startswith("$"):
            value = f"values.get({root[1:]!r}, UNSET)"
            return f"rest_of({value}, {tuple(rest.split('.'))!r})" if rest else value
        typed, walked = self.tree.split(path)
        value = self._member(typed, depth)
        return f"rest_of({value}, {walked!r})" if walked else value

    def _member(self, typed: tuple[str, ...], depth: int) -> str:
        holder = self._holder(typed[:-1], depth)
        if not self.typed:
            return f"member({holder}, {typed[-1]!r})"
        value = f"{holder}.{self.tree.attribute(typed)}"
        return value if holder == "f" else f"({value} if {holder} else UNSET)"

    def _holder(self, typed: tuple[str, ...], depth: int) -> str:
        if typed not in self._locals:
            value = self._member(typed, depth)
            self._locals[typed] = f"c{len(self._locals)}"
            self.emit(depth, f"{self._locals[typed]} = {value}")
        return self._locals[typed]
