"""Pydantic AI's function model answers the prompts of the target: it thinks, calls tools, and says what they gave."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

from pydantic_ai.messages import ModelMessage, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel

Call = tuple[str, dict[str, Any]]
_numbers = count(1)


def _next(asked: str, results: list[str], before: list[str]) -> list[Call] | str:
    """What the model does next: tools to call, or what it says."""
    sums: list[Call] = [("calculator", {"a": int(a), "b": int(b)}) for a, b in re.findall(r"(\d+)\*(\d+)", asked)]
    if "give up" in asked:
        raise RuntimeError("the model is overloaded")
    if "previous question" in asked:
        return f"Before this you asked: {before[-1]}"
    if lines := re.search(r'repeat "([^"]+)" (\d+) times', asked):
        return "".join(f"{number}. {lines[1]}\n" for number in range(1, int(lines[2]) + 1))
    turns: list[list[Call]] = [sums[:1]] if sums else []
    if "mail" in asked:
        turns = [[("send_email", {"to": "ada"})]]
    elif "research" in asked:
        turns = [[("research", {"topic": asked})]]
    elif "Mars" in asked:
        turns = [[("weather", {"place": "Mars"})]]
    elif "at the same time" in asked:
        turns = [sums]
    elif "weather" in asked:
        turns = [sums[:1], [("weather", {"place": "Oslo"})]]
    if len(results) < len(turns):
        return turns[len(results)]
    return f"{' and '.join(results) or 'I am the test assistant'}, for: {asked}"


async def _stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
    parts = [part for message in messages for part in message.parts]
    prompts = [str(part.content) for part in parts if isinstance(part, UserPromptPart)]
    last = max(number for number, part in enumerate(parts) if isinstance(part, UserPromptPart))
    results = [str(part.content) for part in parts[last:] if isinstance(part, ToolReturnPart)]
    for thought in ("Let me ", "think."):
        yield {0: DeltaThinkingPart(content=thought)}
        await asyncio.sleep(0.005)
    doing = _next(prompts[-1], results, prompts[:-1])
    if isinstance(doing, str):
        pieces = re.findall(r"(?:\s*\S+){1,8}\s*", doing)
        for piece in pieces:
            yield piece
            await asyncio.sleep(0.005 if len(pieces) < 100 else 0)
    else:
        for place, (name, arguments) in enumerate(doing, 1):
            yield {place: DeltaToolCall(name, json.dumps(arguments), tool_call_id=f"call_{next(_numbers)}")}


MODEL = FunctionModel(stream_function=_stream)
