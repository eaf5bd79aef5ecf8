"""What the agents of the live tests do with the reference prompts, by rules: which tools they use, what they say.

It needs nothing but Python, since it runs in the environment of each server.
"""

import re
from typing import Any

PACE_S, TOPIC_S = 0.01, 0.5
Call = tuple[str, dict[str, Any]]
_WORDS = "is shown in many books and none contradicts the others about what the moon does to the water of the sea"


class GaveUp(Exception):
    """The agent cannot go on."""


class ToolFailed(Exception):
    """A tool could not do its work."""


def wanted(text: str) -> list[list[Call]]:
    """The tools to use for a question, round by round. Raises GaveUp."""
    if "give up" in text:
        raise GaveUp("the agent gave up, as it was asked to")
    sums: list[Call] = [("calculator", {"a": int(a), "b": int(b)}) for a, b in re.findall(r"(\d+)\*(\d+)", text)]
    if secret := _secret(text):
        return [[("notes", {"write": secret})]]
    if "my secret word" in text:
        return [[("notes", {"read": "secret word"})]]
    if "same time" in text:
        return [sums]
    if "weather" in text:
        return [[("weather", {"place": "Mars"})]]
    if found := re.search(r"research (.*?)(?: thoroughly|, one after|\.)", text):
        topics = [topic.strip().removeprefix("the ") for topic in re.split(r",| and ", found[1])]
        return [[("research", {"topic": topic})] for topic in topics]
    rounds = [[each] for each in sums]
    return [*rounds, [("notes", {"read": "lunch"})]] if "notes" in text else rounds


def needs_approval(text: str) -> bool:
    """Whether the user is to be asked before the tools are used."""
    return "Ask me" in text


def result_of(name: str, arguments: dict[str, Any], notes: dict[str, str], user: str) -> str:
    """What a tool says. `notes`: the note of each user. Raises ToolFailed."""
    if name == "calculator":
        return str(int(arguments["a"]) * int(arguments["b"]))
    if name == "research":
        return f"a book about the {arguments['topic']}"
    if name == "weather":
        raise ToolFailed("no station answers")
    if arguments.get("write"):
        notes[user] = str(arguments["write"])
        return "written down"
    return "lunch is at noon" if arguments.get("read") == "lunch" else notes.get(user, "nothing")


def takes_s(name: str) -> float:
    """How long a tool takes."""
    return TOPIC_S if name == "research" else PACE_S


def said(text: str, results: list[str], asked: list[str]) -> str:  # noqa: PLR0911
    """The answer, from what the tools said. `asked`: what the user asked before in this conversation."""
    repeated, times = re.search(r'repeat "(.*?)"', text, re.DOTALL), re.search(r"(\d+) times", text)
    if repeated and times:
        return "\n".join(f"{number}. {repeated[1]}" for number in range(1, int(times[1]) + 1))
    if repeated:
        return f"{repeated[1]}: the result is {results[0]}."
    if "previous question" in text:
        return f"Your previous question was: {asked[-1] if asked else 'none'}"
    if secret := _secret(text):
        return f"I have written down that your secret word is {secret}."
    if "weather" in text:
        return "The weather could not be read: no station answers."
    if "research" in text:
        return f"What is known from {' and '.join(results)} {_WORDS}."
    if needs_approval(text) and not results:
        return "I went on without the calculator."
    if results:
        return f"The result is {' and '.join(results)}."
    return "Good morning! I am the reference assistant."


def pieces(answer: str) -> list[str]:
    """An answer in words."""
    return re.findall(r"\S+\s*", answer)


def _secret(text: str) -> str:
    found = re.search(r"secret word is (\S+?)\.?$", text)
    return found[1] if found else ""
