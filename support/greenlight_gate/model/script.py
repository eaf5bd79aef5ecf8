r"""The script of a model: what it says, thinks and calls for which prompt, and which fault it has there. A TOML file.

    [[answers]]
    when = '(?P<sum>\d+\*\d+)'
    steps = [
      { think = "I need the calculator." },
      { call = "calculator", arguments = { expression = "{sum}" } },
      { say = "{sum} = {result}." },
    ]

The first answer whose pattern is found in the user's last message is played. Its steps are one turn up to the last of
the tool calls that follow each other, or up to a `finish`; the next turn is played when the results of the calls come.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from greenlight_gate.findings import numbered
from greenlight_gate.model.faults import FAULTS
from greenlight_gate.targets.errors import convert
from greenlight_gate.targets.sections import Invalid, Text
from greenlight_gate.targets.settings import find_toml, read_toml
from greenlight_gate.targets.suggestions import nearest

Finish = Literal["stop", "tool_calls", "length", "content_filter"]
_PLACE = re.compile(r"\{([a-z_]+)\}")
# Beside the named groups of the pattern.
_KNOWN = frozenset({"asked", "previous", "result", "results", "n"})
_MOST_TIMES = 10_000
_SCRIPTS = Path(__file__).parent / "scripts"


class ScriptStep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of an answer: exactly one of think, say, call, wait_s and finish.

    `times`: how often a text is said, {n} being the number. `arguments` of a call; `id`: its own, else a new one.
    In texts {name} is a named group of the pattern, {asked} and {previous} the user's last message and the one before,
    {result} the last result of a tool, {results} all of them since the user's last message.
    """

    think: str = ""
    say: str = ""
    times: int | str = 1
    call: str = ""
    arguments: dict[str, Any] = {}
    id: str = ""
    wait_s: Annotated[float, Meta(ge=0, le=600)] = 0.0
    finish: Finish | None = None

    def __post_init__(self) -> None:
        """Refuse a step that does nothing, or two things."""
        does = [name for name in ("think", "say", "call", "wait_s", "finish") if getattr(self, name)]
        if len(does) != 1:
            came = f"there are {' and '.join(does)}" if does else "there is none"
            raise Invalid("", "one of think, say, call, wait_s and finish", came)


class ScriptedAnswer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[answers]]: what is answered to a prompt.

    `when` is a regular expression, found anywhere in the user's last message; or `ask` is a text of it. With a `fault`,
    `ask` is what scenarios ask to see it. `fault_times`: how many calls for the same message have it; 0: all of them.
    `contains`: what the answer must hold where the backend gets over the fault.
    """

    ask: str = ""
    when: str = ""
    steps: tuple[ScriptStep, ...] = ()
    fault: str = ""
    fault_times: Annotated[int, Meta(ge=0, le=1_000)] = 0
    contains: tuple[Text, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an answer to nothing, a pattern that is none, an unknown fault, and unknown places in texts."""
        if bool(self.ask) == bool(self.when):
            raise Invalid("when", "either `when` (a pattern) or `ask` (a text)", "there is not exactly one of them")
        try:
            groups = re.compile(self.when).groupindex
        except re.error as error:
            raise Invalid("when", "a regular expression", f"it cannot be read ({error})") from None
        if self.fault and self.fault not in FAULTS:
            raise Invalid(
                "fault", f"one of {', '.join(FAULTS)}", f"{self.fault!r} is none{nearest(self.fault, FAULTS)}"
            )
        if self.fault and not self.ask:
            raise Invalid("ask", "the prompt with which the fault can be seen", "there is none")
        for index, step in enumerate(self.steps):
            for text in (step.think, step.say, str(step.times), str(step.arguments)):
                unknown = next((name for name in _PLACE.findall(text) if name not in (*_KNOWN, *groups)), None)
                if unknown:
                    expected = f"only {', '.join(sorted((*_KNOWN, *groups)))} in braces"
                    raise Invalid(f"steps[{index}]", expected, f"there is {{{unknown}}}")
        self._check_fault()

    def _check_fault(self) -> None:
        if self.fault_times and not self.fault:
            raise Invalid("fault_times", "a fault that comes so many times", "there is none")
        calls = [step for step in self.steps if step.call]
        least = {"truncated_arguments": 1, "wrong_finish": 1, "duplicate_call_ids": 2}.get(self.fault, 0)
        if len(calls) < least:
            expected = f"{numbered(least, 'step')} with `call`, since {self.fault} is a fault of tool calls"
            raise Invalid("steps", expected, f"there {'is one' if calls else 'is none'}")
        if self.fault == "truncated_arguments" and not any(step.arguments for step in calls):
            raise Invalid("steps", "arguments of a call, half of which can be sent", "there are none")

    def found_in(self, message: str) -> dict[str, str] | None:
        """The named groups of the pattern in a message; None where it is not for this message."""
        if self.ask:
            return {} if self.ask in message else None
        match = re.search(self.when, message)
        return None if match is None else {name: text or "" for name, text in match.groupdict().items()}

    @property
    def turns(self) -> tuple[tuple[ScriptStep, ...], ...]:
        """The steps of each turn. At least one turn, which may be empty."""
        turns: list[list[ScriptStep]] = [[]]
        for step in self.steps:
            last = turns[-1][-1] if turns[-1] else None
            if last is not None and (last.finish or (last.call and not (step.call or step.finish))):
                turns.append([])
            turns[-1].append(step)
        return tuple(map(tuple, turns))


class Script(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole script. `pace_ms`: the pause between two pieces of a stream; `name`: of the model, as clients list it.

    `otherwise` is said to a prompt for which there is no answer. `retry_after_s`: with a 429. `late_s`: how late the
    first token of a slow start comes.
    """

    answers: Annotated[tuple[ScriptedAnswer, ...], Meta(min_length=1)]
    name: Text = "scripted"
    pace_ms: Annotated[float, Meta(ge=0, le=60_000)] = 2.0
    otherwise: Text = "The script of this model has no answer to that."
    retry_after_s: Annotated[int, Meta(ge=0, le=600)] = 1
    late_s: Annotated[float, Meta(ge=0, le=600)] = 1.0

    @property
    def digest(self) -> str:
        """The same for the same script, wherever it is read."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]

    def __post_init__(self) -> None:
        """Refuse a fault that is never played, since an earlier answer is found in its prompt."""
        for index, answer in enumerate(self.answers):
            if not answer.fault:
                continue
            first = next(i for i, each in enumerate(self.answers) if each.found_in(answer.ask) is not None)
            if first != index:
                came = f"answers[{first}] is found in it, and comes before"
                raise Invalid(f"answers[{index}].ask", "a prompt to which this answer is the first", came)

    def faulty(self, fault: str) -> ScriptedAnswer | None:
        """The first answer with this fault."""
        return next((answer for answer in self.answers if answer.fault == fault), None)


def load_script(name_or_path: str, relative_to: Path = Path()) -> Script:
    """The script of a file, or one that ships, by its name. Raises Misconfigured: the place, and what was expected.

    A file that is based on one that ships (`base = "reference"`) has that one's answers behind its own.
    """
    path = find_toml("script of a model", name_or_path, _SCRIPTS, relative_to)
    data = read_toml(path)
    if isinstance(data.get("base"), str) and isinstance(data.get("answers"), list):
        base = read_toml(find_toml(f"{path}: base: script of a model", data.pop("base"), _SCRIPTS, _SCRIPTS))
        data = {**base, **data, "answers": [*data["answers"], *base["answers"]]}
    return convert(data, Script, str(path))


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with the values in place of the names in braces; what is not known stays."""
    return _PLACE.sub(lambda match: values.get(match[1], match[0]), text)


def repeated(step: ScriptStep, values: Mapping[str, str]) -> str:
    """What a step says, as often as it says it."""
    wanted = filled(str(step.times), values)
    times = min(int(wanted), _MOST_TIMES) if wanted.isdigit() else 1
    return "".join(filled(step.say, {**values, "n": str(number)}) for number in range(1, times + 1))
