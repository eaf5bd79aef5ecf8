"""The parameter types of steps: users, questions, events, invalid tokens and messages."""
# mypy: allow-untyped-calls
# behave ships no types for its parameter types.

from collections.abc import Callable, Mapping
from typing import NamedTuple

from behave import matchers

from greenlight_gate.bdd.actions.access import SIGNED_OUT
from greenlight_gate.bdd.actions.invalid_messages import MESSAGE_NAMES
from greenlight_gate.client.forged_tokens import FORGERIES
from greenlight_gate.events import FIVE, EventKind
from greenlight_gate.model.faults import FAULTS

QUESTIONS = {
    "needs a tool": "with_tool",
    "needs no tool": "without_tool",
    "needs two tools": "two_tools",
    "needs two tools at once": "parallel_tools",
    "takes long": "long_running",
    "makes the agent fail": "failing_agent",
    "needs a sub-agent": "helper",
    "mixes several scripts": "other_scripts",
    "has more than 2,000 characters": "long_question",
    "asks for a long answer": "long_answer",
    "takes several seconds": "long_lasting",
    "needs approval": "approval",
    "asks for an approval that nobody gives": "unanswered_approval",
    "moderation refuses": "moderated",
}
OTHER_QUESTIONS = {
    "a question whose tool fails": "failing_tool",
    "a question about the previous question": "follow_up",
    "a question about the one before": "edited",
    "a question about what to remember": "recall",
    "something to remember": "remember",
}
_FAULT_OF = {fault.does: name for name, fault in FAULTS.items()}
PARSED_STAMPS = {str(kind): kind for kind in FIVE}

_PHRASES = {f"a question that {words}": prompt for words, prompt in QUESTIONS.items()} | OTHER_QUESTIONS


class _Words:
    """A parameter type: its pattern, and its value."""

    def __init__(self, pattern: str, convert: Callable[[str], object]) -> None:
        self.pattern = pattern
        self.convert = convert

    def __call__(self, text: str) -> object:
        return self.convert(text)


def question(text: str) -> str:
    """The name of the prompt of a phrase. Raises KeyError for an unknown phrase."""
    return _PHRASES[text]


def phrase(prompt: str) -> str:
    """The phrase of a prompt's name, as steps have it. Raises StopIteration for an unknown name."""
    return next(words for words, name in _PHRASES.items() if name == prompt)


def event_kind(text: str) -> EventKind:
    """The kind of event of this name. Raises KeyError for an unknown name."""
    return PARSED_STAMPS[text]


class ParameterType(NamedTuple):
    """What a parameter of a step accepts, and how its text becomes a value.

    `texts`: all that it accepts, each with what it leads to or ""; where there is a `pattern`, examples of what it
    accepts.
    """

    about: str
    texts: Mapping[str, str]
    convert: Callable[[str], object]
    pattern: str = ""


TYPES = {
    "User": ParameterType("A user, by a name with a capital letter.", {"Ada": "", "Bashir": ""}, str, r"[A-Z][a-z]+"),
    "Question": ParameterType(
        "What the target file has a prompt for.", {text: f"[prompts.{name}]" for text, name in _PHRASES.items()},
        question,
    ),
    "Number": ParameterType("A whole number.", {"7": ""}, int, r"\d+"),
    "InvalidToken": ParameterType(
        "A token that has to be refused.", dict.fromkeys((*FORGERIES, SIGNED_OUT), ""), str
    ),
    "ModelFault": ParameterType("A fault of the scripted model, by what it does.", _FAULT_OF, _FAULT_OF.__getitem__),
    "Message": ParameterType("A message that has to be refused.", dict.fromkeys(MESSAGE_NAMES, ""), str),
}  # fmt: skip
# A text that each parameter type accepts.
SAMPLES = {name: next(iter(kind.texts)) for name, kind in TYPES.items()}


def register() -> None:
    """Registers the parameter types with behave; to be called before steps are loaded."""
    matchers.register_type(**{name: _Words(_pattern(kind), kind.convert) for name, kind in TYPES.items()})


def _pattern(kind: ParameterType) -> str:
    # The longest text first, since another one may begin with a shorter one.
    return kind.pattern or "|".join(sorted(kind.texts, key=len, reverse=True))
