"""The words that steps understand: people, questions and moments."""

import parse
from behave import register_type

from support.events import EventKind

QUESTIONS = {
    "needs a tool": "with_tool",
    "needs no tool": "without_tool",
    "needs two tools": "two_tools",
    "needs two tools at once": "parallel_tools",
    "takes long": "long_running",
    "the agent gives up on": "failing_agent",
    "needs a helper": "helper",
}
OTHER_QUESTIONS = {
    "a question whose tool fails": "failing_tool",
    "a question about the one before": "follow_up",
    "a question about what to remember": "recall",
    "something to remember": "remember",
}
MOMENTS = {
    "work began": EventKind.STARTED,
    "reasoning": EventKind.THINKING,
    "a tool is at work": EventKind.TOOL_EXECUTING,
    "the tool's result": EventKind.TOOL_COMPLETED,
    "the answer is ready": EventKind.COMPLETED,
}

_PHRASES = {f"a question that {words}": prompt for words, prompt in QUESTIONS.items()} | OTHER_QUESTIONS
# The longest first: a phrase may begin with another one.
_QUESTION_PATTERN = "|".join(sorted(_PHRASES, key=len, reverse=True))


@parse.with_pattern(_QUESTION_PATTERN)
def question(text: str) -> str:
    """The name of the prompt that a phrase stands for."""
    return _PHRASES[text]


@parse.with_pattern(r"[A-Z][a-z]+")
def person(text: str) -> str:
    """A person's name, as the target knows it."""
    return text


@parse.with_pattern(r"\d+")
def number(text: str) -> int:
    """A whole number."""
    return int(text)


def moment(text: str) -> EventKind:
    """The kind of event that a person would call this. Raises KeyError for a word that is none."""
    return MOMENTS[text]


def register() -> None:
    """Makes the words known to behave; to be called before steps are loaded."""
    register_type(Question=question, Person=person, Number=number)
