"""The parameter types of steps: users, questions, events, invalid tokens and messages."""
# mypy: allow-untyped-calls
# behave ships no types for its parameter types.

from collections.abc import Callable

from behave import matchers

from greenlight_gate.bdd.actions.access import SIGNED_OUT
from greenlight_gate.bdd.actions.invalid_messages import MESSAGE_NAMES
from greenlight_gate.client.forged_tokens import FORGERIES
from greenlight_gate.events import FIVE, EventKind

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
}
OTHER_QUESTIONS = {
    "a question whose tool fails": "failing_tool",
    "a question about the previous question": "follow_up",
    "a question about what to remember": "recall",
    "something to remember": "remember",
}
PARSED_STAMPS = {str(kind): kind for kind in FIVE}

_PHRASES = {f"a question that {words}": prompt for words, prompt in QUESTIONS.items()} | OTHER_QUESTIONS
# The longest first, since a phrase may begin with another one.
_QUESTION_PATTERN = "|".join(sorted(_PHRASES, key=len, reverse=True))


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


# A text that each parameter type accepts.
SAMPLES = {
    "Question": next(iter(_PHRASES)), "InvalidToken": next(iter(FORGERIES)), "Message": next(iter(MESSAGE_NAMES)),
    "User": "Ada", "Number": "7",
}  # fmt: skip


def register() -> None:
    """Registers the parameter types with behave; to be called before steps are loaded."""
    matchers.register_type(
        Question=_Words(_QUESTION_PATTERN, question),
        InvalidToken=_Words("|".join(sorted((*FORGERIES, SIGNED_OUT), key=len, reverse=True)), str),
        Message=_Words("|".join(sorted(MESSAGE_NAMES, key=len, reverse=True)), str),
        User=_Words(r"[A-Z][a-z]+", str),
        Number=_Words(r"\d+", int),
    )
