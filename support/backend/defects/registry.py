"""The list of all defects, filled by a decorator.

A defect is one decorated function::

    @defect("draft", "LIFECYCLE-4")
    def thinking_missing(run: Run, event: Outgoing) -> list[Outgoing]:
        \"\"\"The assistant never shows what it is thinking.\"\"\"
        return [] if event.kind == THINKING else [event]

Its name is the defect's name, its module (up to the first underscore) the family, its docstring what a person
notices. With a `default` the function takes a keyword `value`. A second function for the same defect, at another
hook, is added with `also`.
"""

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from support.backend.defects.chain import HOOKS, Chain

Hook = Callable[..., Any]
_HookT = TypeVar("_HookT", bound=Hook)


class UnknownDefectError(Exception):
    """The command line names a defect that does not exist, or gives it a value that it cannot take."""


@dataclass(frozen=True)
class Defect:
    """One way in which a chat backend can be broken.

    `rules` are the ids of the rules of which at least one must object; an id without a number stands for its family.
    `default` is the value when none is given, in `unit`; None when the defect takes no value.
    """

    name: str
    family: str
    notice: str
    rules: tuple[str, ...]
    default: float | str | None = None
    unit: str = ""
    hooks: Mapping[str, Hook] = field(default_factory=dict, repr=False, compare=False)


_defects: dict[str, Defect] = {}
REGISTRY: Mapping[str, Defect] = MappingProxyType(_defects)


def defect(hook: str, *rules: str, default: float | str | None = None, unit: str = "") -> Callable[[_HookT], _HookT]:
    """Register the decorated function as a defect that acts at this hook point."""
    _require_hook(hook)

    def register(function: _HookT) -> _HookT:
        name, family = function.__name__, function.__module__.rpartition(".")[2].partition("_")[0]
        if name in _defects:
            raise ValueError(f"two defects are called {name}")
        notice = (inspect.getdoc(function) or "").strip()
        if not (notice and rules):
            raise ValueError(f"the defect {name} must say what a person notices, and which rules object")
        _defects[name] = Defect(name, family, notice, rules, default, unit, {hook: function})
        return function

    return register


def also(name: str, hook: str) -> Callable[[_HookT], _HookT]:
    """Let the defect `name` act at a further hook point."""
    _require_hook(hook)

    def register(function: _HookT) -> _HookT:
        known = _defects[name]
        hooks: dict[str, Hook] = {**known.hooks, hook: function}
        fields = (known.name, known.family, known.notice, known.rules, known.default, known.unit)
        _defects[name] = Defect(*fields, hooks)
        return function

    return register


def activate(requests: Sequence[str]) -> Chain:
    """Build the chain for `NAME` or `NAME=VALUE` texts, in their order.

    Raises UnknownDefectError with one line that names the nearest valid names, or the value that was expected.
    """
    hooks: dict[str, list[Hook]] = {}
    for request in requests:
        name, equals, text = request.partition("=")
        found = _defects.get(name.strip())
        if found is None:
            raise UnknownDefectError(_unknown(name.strip()))
        value = _value(found, text.strip() if equals else None)
        for hook, function in found.hooks.items():
            bound = function if value is None else functools.partial(function, value=value)
            hooks.setdefault(hook, []).append(bound)
    return Chain(hooks)


def _require_hook(hook: str) -> None:
    if hook not in HOOKS:
        raise ValueError(f"no hook point is called {hook}; there are {', '.join(sorted(HOOKS))}")


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, _defects, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "--list-defects shows them all"
    return f"there is no defect called {name!r}: {hint}"


def _value(found: Defect, text: str | None) -> float | str | None:
    if found.default is None:
        if text is not None:
            raise UnknownDefectError(f"the defect {found.name} takes no value, but was given {text!r}")
        return None
    if text is None:
        return found.default
    if isinstance(found.default, str):
        return text
    number = re.fullmatch(rf"\+?(\d+(?:\.\d+)?)\s*(?:{re.escape(found.unit)})?", text)
    if number is None:
        wanted = f"a number of {found.unit}" if found.unit else "a number"
        raise UnknownDefectError(f"the defect {found.name} takes {wanted}, not {text!r}")
    return float(number[1])
