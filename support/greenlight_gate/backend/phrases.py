"""The texts of the assistant."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from greenlight_gate.backend.tools.tool import Call, ToolResult

GREETINGS: Mapping[str, str] = MappingProxyType(
    {"assistant": "I am on it.", "helper": "The helper takes over this part."}
)
INTRODUCTION = (
    "Hello! I am the reference assistant. I work out sums, keep your private notes, research a topic, and sometimes "
    "ask a helper."
)
HELLO = "Hello to you, too! The reference assistant is listening: ask me for a sum, a note or some research."
ABANDONED = {
    "error_code": "GAVE_UP",
    "error_message": "the assistant gave up, as it was asked to",
    "recovery_suggestion": "Ask for something that can be done.",
}
MODERATED = {
    "error_code": "CONTENT_POLICY",
    "error_message": "this request is not answered: it breaks the terms of use",
    "recovery_suggestion": "Ask for something else.",
}
FORETHOUGHTS = (
    "I collect what is known about this.",
    "I decide which sources deserve trust.",
    "I start the long search now.",
)
AFTERTHOUGHTS = (
    "I compare what the sources say.",
    "I have what I need for an answer.",
)
_WORD = re.compile(r"\w{4,}")


def result_in_words(call: Call, outcome: ToolResult) -> str:
    """Return the result of a tool, or why it failed, as one sentence."""
    subject = list(call.parameters.values())[-1]
    if not outcome.ok:
        return f"I could not get an answer from the {call.tool} for {subject}: {outcome.text}."
    if call.tool == "calculator":
        return f"{subject} = {outcome.text}."
    if call.tool == "weather":
        return f"The weather for {subject}: {outcome.text}."
    return outcome.text


def without(call: Call, *, denied: bool) -> str:
    """Return the answer if a tool may not be used: the user has `denied` it, or has not answered in time."""
    why = "you have not allowed it" if denied else "you have not answered in time"
    return f"I have not used the {call.tool}: {why}."


def recalled(question: str | None) -> str:
    """Return the text about the previous request."""
    if question is None:
        return "There was none: this conversation begins with what you ask now."
    return f"Before this you asked me: “{question[:500]}”"


def repeated(words: str, times: int) -> str:
    """Return the words again: once as they are, several times as numbered lines."""
    return words if times == 1 else "\n".join(f"{number}. {words}" for number in range(1, times + 1))


def beyond_me(text: str) -> str:
    """Return an answer for a request that no tool can handle."""
    words = sorted(_WORD.findall(text[:300]), key=len, reverse=True)
    subject = f"about {words[0].lower()[:40]} " if words else ""
    return (
        f"I know little {subject}that would be worth your time. What I do well: sums such as 17*23, your private "
        "notes, and thorough research."
    )


def listed(names: Sequence[str]) -> str:
    """Join names as in a sentence."""
    return f"the {names[0]}" if len(names) == 1 else f"the {', the '.join(names[:-1])} and the {names[-1]}"
