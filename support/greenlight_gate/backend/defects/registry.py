"""The list of all defects, filled by a decorator.

A defect is one decorated function::

    @defect("draft", "LIFECYCLE-4")
    def thinking_missing(run: Run, event: Outgoing) -> list[Outgoing]:
        \"\"\"agent_thinking never arrives.\"\"\"
        return [] if event.kind == THINKING else [event]

Its name is the defect's name, its module (up to the first underscore) the family, its docstring what a user
notices. With a `default` the function takes a keyword `value`. A second function for the same defect, at another
hook, is added with `also`.
"""

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeVar

from greenlight_gate.backend.hooks import HOOKS, Chain

Hook = Callable[..., Any]
_HookT = TypeVar("_HookT", bound=Hook)


class UnknownDefectError(Exception):
    """A requested defect does not exist, or does not accept the given value."""


class ConflictError(UnknownDefectError):
    """Two requested defects hide each other, so that only one of them can be observed."""


@dataclass(frozen=True)
class Defect:
    """One way in which a chat backend can be broken.

    `rules` are the ids of the rules of which at least one must report the defect; an id without a number stands for
    its family.
    `default` is the value when none is given, in `unit`; None when the defect takes no value. `promise`: what a profile
    has to promise ([promises]) before this is a defect at all; "" for most.
    """

    name: str
    family: str
    notice: str
    rules: tuple[str, ...]
    default: float | str | None = None
    unit: str = ""
    hooks: Mapping[str, Hook] = field(default_factory=dict, repr=False, compare=False)
    promise: str = ""

    @property
    def severity(self) -> str:
        """`critical` if the first rule that must report the defect is critical, else `normal`."""
        first = self.rules[0]
        critical = first in _CRITICAL or (first.partition("-")[0] in _CRITICAL_FAMILIES and first != "INPUT-7")
        return "critical" if critical or first in {"REFUSAL-1", "REFUSAL-2", "REFUSAL-3", "SUCCESS"} else "normal"


# Only one defect of each line can be observed: a missing event cannot also be repeated, renamed or empty.
HIDING = tuple(
    frozenset(line.split())
    for line in (
        "started_missing started_twice thought_before_the_start",
        "accepted_but_never_runs completed_missing completed_twice final_event_skipped",
        "final_event_skipped failed_twice failure_without_a_word failure_that_is_also_an_answer",
        "accepted_but_never_runs dies_mid_run_without_a_word hangs_mid_run_socket_open",
        "tool_executing_missing tools_hidden",
        "tool_completed_missing second_tool_never_completed placeholder_results tools_hidden",
        "tool_name_missing tool_name_differs tools_hidden",
        "run_id_missing run_id_null run_id_placeholder run_id_changes_midway",
        "thinking_missing kind_renamed truncated_json binary_frame invalid_utf8 placeholder_thoughts",
        "result_missing result_renamed double_wrapped_payload",
        "text_read_as_latin_1 question_read_as_latin_1",
        "long_answers_cut_short long_answers_dropped",
        "survives_token_expiry token_honoured_until_the_run_ends",
        "canned_answer one_answer_for_all answer_echoes_question empty_answer",
        "timestamp_zero timestamp_runs_backwards",
        "closes_1011_at_start accepted_then_closed_1000",
        "broadcast_to_all every_window_shows_everything only_newest_connection_gets_events",
        "events_lost_across_reconnect resume_unknown_but_says_ok replay_duplicates replay_out_of_order",
    )
)
_CRITICAL = {
    "LIFECYCLE-2",
    "LIFECYCLE-5",
    "LIFECYCLE-6",
    "LIFECYCLE-7",
    "CONTENT-4",
    "CONTENT-5",
    "CONTINUITY-1",
    "CONNECTION-1",
}
_CRITICAL_FAMILIES = {"IDENTITY", "INPUT", "ISOLATION"}
_defects: dict[str, Defect] = {}
REGISTRY: Mapping[str, Defect] = MappingProxyType(_defects)


def defect(
    hook: str, *rules: str, default: float | str | None = None, unit: str = "", promise: str = ""
) -> Callable[[_HookT], _HookT]:
    """Register the decorated function as a defect that acts at this hook point."""
    _require_hook(hook)

    def register(function: _HookT) -> _HookT:
        name, family = function.__name__, function.__module__.rpartition(".")[2].partition("_")[0]
        if name in _defects:
            raise ValueError(f"the defect name {name} is used twice")
        notice = (inspect.getdoc(function) or "").strip()
        if not (notice and rules):
            raise ValueError(f"the defect {name} needs a docstring (what a user notices) and the rules that report it")
        _defects[name] = Defect(name, family, notice, rules, default, unit, {hook: function}, promise)
        return function

    return register


def also(name: str, hook: str) -> Callable[[_HookT], _HookT]:
    """Let the defect `name` act at a further hook point."""
    _require_hook(hook)

    def register(function: _HookT) -> _HookT:
        known = _defects[name]
        _defects[name] = replace(known, hooks={**known.hooks, hook: function})
        return function

    return register


def activate(requests: Sequence[str]) -> Chain:
    """Build the chain for `NAME` or `NAME=VALUE` texts, in their order.

    Raises UnknownDefectError with one line that names the nearest valid names, or the value that was expected, and
    ConflictError for two that hide each other.
    """
    hooks: dict[str, list[Hook]] = {}
    names: list[str] = []
    for request in requests:
        name, equals, text = request.partition("=")
        found = _defects.get(name.strip())
        if found is None:
            raise UnknownDefectError(_unknown(name.strip()))
        _refuse_conflict(found.name, names)
        names.append(found.name)
        value = _value(found, text.strip() if equals else None)
        for hook, function in found.hooks.items():
            bound = function if value is None else functools.partial(function, value=value)
            hooks.setdefault(hook, []).append(bound)
    return Chain(hooks, tuple(requests))


def _refuse_conflict(name: str, others: Sequence[str]) -> None:
    for other in others:
        if name == other:
            raise ConflictError(f"the defect {name} is given twice")
        if any({name, other} <= line for line in HIDING):
            raise ConflictError(f"the defects {other} and {name} hide each other: choose one of them")


def _require_hook(hook: str) -> None:
    if hook not in HOOKS:
        raise ValueError(f"no hook point is called {hook}; there are {', '.join(sorted(HOOKS))}")


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, _defects, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "`greenlight serve --list-defects` shows them all"
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
