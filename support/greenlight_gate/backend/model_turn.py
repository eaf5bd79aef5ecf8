"""What a language model is sent and answers in one call, whatever carries it."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

OnThought = Callable[[str], Awaitable[None]]
# The tools that a model may call, and the names of their parameters, which are texts.
MODEL_TOOLS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "calculator": ("expression",),
        "notes": ("action", "text", "topic"),
        "research": ("topic",),
        "weather": ("place",),
        "helper": ("task",),
    }
)


class ModelFailed(Exception):
    """The model gave no whole answer; one line says why. `said` is what came of it."""

    def __init__(self, why: str, said: str = "") -> None:
        super().__init__(why)
        self.said = said


@dataclass
class ModelToolCall:
    """A call of a tool; `arguments` are JSON as far as they came."""

    id: str
    tool: str = ""
    arguments: str = ""

    def parameters(self) -> dict[str, str]:
        """The arguments as texts. Raises ModelFailed if they are not whole, or of a tool that there is not."""
        try:
            read = json.loads(self.arguments)
        except ValueError:
            raise ModelFailed(f"the arguments of {self.tool} are no JSON") from None
        if self.tool not in MODEL_TOOLS or not isinstance(read, dict):
            raise ModelFailed(f"there is no tool {self.tool[:40]!r} with such arguments")
        texts = {name: str(value) for name, value in read.items() if name in MODEL_TOOLS[self.tool]}
        required = ("action", "text" if texts.get("action") == "add" else "topic")
        if not texts.keys() >= set(required if self.tool == "notes" else MODEL_TOOLS[self.tool]):
            raise ModelFailed(f"arguments of {self.tool} are missing")
        return texts


@dataclass
class ModelTurn:
    """What the model sent in one call."""

    text: str = ""
    calls: list[ModelToolCall] = field(default_factory=list)
    finish: str = ""


class LanguageModel(Protocol):
    """A model that can be asked."""

    async def ask(self, messages: Sequence[Mapping[str, Any]], on_thought: OnThought) -> ModelTurn:
        """Send a conversation and return the model's turn. Raises ModelFailed for all that is no whole turn."""

    async def close(self) -> None:
        """Close the connections to the model."""


def user_message(text: str) -> dict[str, Any]:
    """What the user said, as a message."""
    return {"role": "user", "content": text}


def messages_of(turn: ModelTurn, results: Sequence[str]) -> list[dict[str, Any]]:
    """The model's calls and their results, as messages."""
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.tool, "arguments": call.arguments}}
        for call in turn.calls
    ]
    answered = zip(turn.calls, results, strict=True)
    said = [{"role": "tool", "tool_call_id": call.id, "content": result} for call, result in answered]
    return [{"role": "assistant", "content": turn.text or None, "tool_calls": calls}, *said]
