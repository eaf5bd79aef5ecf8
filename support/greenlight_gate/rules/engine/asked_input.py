"""What is asked of the user during a run, and which tool call each request for input is about."""

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from greenlight_gate.trace import Expect


class Intruder(NamedTuple):
    """Who has tried to act on a run, and the record of that: another user, or its own with an invalid token.

    `unwelcome`: what is wrong with the token; "" for another user.
    """

    user: str
    n: int
    unwelcome: str = ""


class AskedInput(msgspec.Struct, eq=False):
    """What is asked of the user during a run, by its id or its tool call, and what has become of it.

    `n`: the record of input_requested, `seq` its number in its thread, `shown` what the user could read in it. `times`:
    how often it was shown. `approves`: the user's own first answer, None until then; `answers`: how many they have
    sent. `over`: input_received came. `runs`: how often the tool has run. `intruder`: who else has answered. `due_on`:
    the connection on which it has to be shown again. `announced`: the tool call was shown before; `owed`: what the
    request was owed before it was asked. `replaced_by`: it was asked again under another id, which the user answers
    now.
    """

    id: str | None
    tool: str | None
    call: str | None
    arguments: Any
    n: int
    seq: int | None
    owed: Expect | None
    shown: str = ""
    announced: bool = False
    times: int = 1
    approves: bool | None = None
    answers: int = 0
    over: bool = False
    runs: int = 0
    intruder: Intruder | None = None
    due_on: str = ""
    replaced_by: "AskedInput | None" = None

    @property
    def is_open(self) -> bool:
        """Whether nobody has answered yet."""
        return self.approves is None and not self.over and self.replaced_by is None

    @property
    def latest(self) -> "AskedInput":
        """What takes its place, if it was asked again; else itself."""
        asked = self
        while asked.replaced_by is not None:
            asked = asked.replaced_by
        return asked

    def is_about(self, tool: str | None, call: str | None) -> bool:
        """Whether it is about this tool call; without call ids, about this tool."""
        if self.call is not None and call is not None:
            return self.call == call
        return self.tool == tool or same_tool(self.tool, tool)

    def allows(self, arguments: Any) -> bool | None:
        """Whether a tool with these arguments does what was asked about; None: one of both does not say."""
        if self.arguments is None or arguments is None:
            return None
        try:
            return _keeps_to(self.arguments, arguments, self._was_seen)
        except RecursionError:
            return None

    def _was_seen(self, text: str) -> bool:
        forms = (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
        asked_for = self.owed.prompt if self.owed is not None else ""
        return text in asked_for or any(form in self.shown for form in forms)


def same_tool(name: str | None, other: str | None) -> bool:
    """Whether two names are of one tool, however they are spelled: `send_email`, `sendEmail`, `Send email`."""
    return bool(name and other) and (name == other or _plain(name or "") == _plain(other or ""))


def _plain(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())


def asked_about(inputs: Iterable[AskedInput], tool: str | None, call: str | None, arguments: Any) -> AskedInput | None:
    """What the user was asked about a tool call that begins: by its call id the latest; else by tool and arguments.

    Without call ids, one approval is for one run. What the arguments decide comes first, then what was approved; where
    none fits, an approved one that has not run yet is what runs with other arguments. A call that was announced before
    it was asked about has begun.
    """
    inputs = list(inputs)
    of_call = [asked for asked in inputs if call is not None and asked.call == call]
    if of_call:
        return of_call[-1]
    due = [
        asked for asked in inputs
        if (call is None or asked.call is None) and same_tool(asked.tool, tool)
        and not asked.announced and asked.runs < asked.times and asked.replaced_by is None
    ]  # fmt: skip
    fits = {id(asked): asked.allows(arguments) for asked in due}
    fitting = [asked for asked in due if fits[id(asked)] is not False] or [asked for asked in due if asked.approves]
    # By its place in this order, False first: known to fit, approved, still open.
    return min(
        fitting, key=lambda asked: (not fits[id(asked)], not asked.approves, not asked.is_open), default=None
    )  # fmt: skip


def asked_about_another_call(inputs: Iterable[AskedInput], tool: str | None, arguments: Any) -> AskedInput | None:
    """What the user was asked about the same tool with the same arguments, in another call; the latest."""
    same = (asked for asked in inputs if same_tool(asked.tool, tool) and asked.allows(arguments))
    return next(reversed(list(same)), None)


def _keeps_to(approved: Any, came: Any, was_seen: Callable[[str], bool]) -> bool:
    """Whether what came is what was approved, or that completed with nothing that the user would have to see."""
    approved, came = _parsed(approved), _parsed(came)
    if isinstance(approved, dict) and isinstance(came, dict):
        kept = all(
            _keeps_to(value, came[name], was_seen) if name in came else _is_empty(value)
            for name, value in approved.items()
        )
        return kept and all(_is_default(came[name], was_seen) for name in came.keys() - approved.keys())
    if isinstance(approved, list) and isinstance(came, list):
        pairs = zip(approved, came, strict=False)
        return len(approved) == len(came) and all(_keeps_to(one, other, was_seen) for one, other in pairs)
    if _is_empty(approved):
        return _is_default(came, was_seen)
    scalar = not isinstance(approved, dict | list) and not isinstance(came, dict | list)
    return bool(approved == came) or (scalar and str(approved) == str(came))


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)


def _is_default(value: Any, was_seen: Callable[[str], bool]) -> bool:
    """Whether a server may complete arguments with it: no text, or one that the user has seen."""
    if isinstance(value, str):
        return not value or was_seen(value)
    if isinstance(value, dict | list):
        return all(_is_default(each, was_seen) for each in (value.values() if isinstance(value, dict) else value))
    return True


def _parsed(value: Any) -> Any:
    """Arguments that are sent as a JSON text, as what they say."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
