"""A small agent of LangChain on LangGraph's server: a model that follows rules, tools, and approval by middleware."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import ToolException, tool
from rules import PACE_S, TOPIC_S, ToolFailed, needs_approval, pieces, result_of, said, wanted

notes: dict[str, str] = {}


def _user(config: RunnableConfig) -> str:
    return str(config.get("configurable", {}).get("langgraph_auth_user_id", "nobody"))


@tool
async def calculator(a: int, b: int) -> str:
    """Multiplies."""
    return result_of("calculator", {"a": a, "b": b}, notes, "")


@tool
async def careful_calculator(a: int, b: int) -> str:
    """Multiplies, once the user has approved it."""
    return result_of("calculator", {"a": a, "b": b}, notes, "")


@tool
async def research(topic: str) -> str:
    """Looks a topic up."""
    await asyncio.sleep(TOPIC_S)
    return result_of("research", {"topic": topic}, notes, "")


@tool("notes")
async def notebook(config: RunnableConfig, write: str = "", read: str = "") -> str:
    """Writes a note, or reads it."""
    return result_of("notes", {"write": write, "read": read}, notes, _user(config))


@tool
async def weather(place: str) -> str:
    """Reads the weather."""
    try:
        return result_of("weather", {"place": place}, notes, "")
    except ToolFailed as error:
        raise ToolException(str(error)) from error


weather.handle_tool_error = True


class Rules(BaseChatModel):
    """Decides by rules: which tools to call for the latest question, and what to say once they have answered."""

    @property
    def _llm_type(self) -> str:
        return "rules"

    def bind_tools(self, tools: Any, **_: Any) -> "Rules":
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        calls, text = decided(messages)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text, tool_calls=calls))])

    async def _astream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        thought = [{"type": "reasoning", "reasoning": "Let me see what is asked.", "index": 0}]
        yield ChatGenerationChunk(message=AIMessageChunk(content=thought))
        await asyncio.sleep(PACE_S)
        calls, text = decided(messages)
        for index, call in enumerate(calls):
            part = {**call, "args": json.dumps(call["args"]), "index": index, "type": "tool_call_chunk"}
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[part]))
        for piece in pieces(text):
            yield ChatGenerationChunk(message=AIMessageChunk(content=[{"type": "text", "text": piece, "index": 1}]))
            await asyncio.sleep(PACE_S)


def decided(messages: list[BaseMessage]) -> tuple[list[dict[str, Any]], str]:
    """The tools to call now, or what is said."""
    asked = [str(each.text) for each in messages if isinstance(each, HumanMessage)]
    last = max(at for at, each in enumerate(messages) if isinstance(each, HumanMessage))
    answered = [each for each in messages[last:] if isinstance(each, ToolMessage)]
    done = 0
    for calls in wanted(asked[-1]):
        if len(answered) == done:
            careful = "careful_" if needs_approval(asked[-1]) else ""
            return [
                {"name": careful + name, "args": args, "id": f"call-{last}-{done + at}", "type": "tool_call"}
                for at, (name, args) in enumerate(calls)
            ], ""
        done += len(calls)
    results = [str(each.content) for each in answered if each.status != "error"]
    return [], said(asked[-1], results, asked[:-1])


graph = create_agent(
    Rules(), [calculator, careful_calculator, research, notebook, weather],
    middleware=[HumanInTheLoopMiddleware(interrupt_on={"careful_calculator": True})],
)  # fmt: skip
