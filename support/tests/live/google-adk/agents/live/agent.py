"""An agent of Google ADK with a live model that follows rules; ADK runs its tools."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmResponse
from google.adk.models.base_llm_connection import BaseLlmConnection
from google.adk.tools import ToolContext
from google.genai import types

sys.path.insert(0, os.environ["LIVE_RULES"])
from rules import PACE_S, TOPIC_S, GaveUp, ToolFailed, pieces, result_of, said, wanted

notes_of: dict[str, str] = {}


def calculator(a: int, b: int) -> dict[str, str]:
    """Multiplies."""
    return {"value": result_of("calculator", {"a": a, "b": b}, notes_of, "")}


def notes(tool_context: ToolContext, write: str = "", read: str = "") -> dict[str, str]:
    """Writes a note, or reads it."""
    user = tool_context._invocation_context.user_id
    return {"value": result_of("notes", {"write": write, "read": read}, notes_of, user)}


def weather(place: str) -> dict[str, str]:
    """Reads the weather."""
    try:
        return {"value": result_of("weather", {"place": place}, notes_of, "")}
    except ToolFailed as error:
        return {"error": str(error)}


async def research(topic: str) -> dict[str, str]:
    """Looks a topic up."""
    await asyncio.sleep(TOPIC_S)
    return {"value": result_of("research", {"topic": topic}, notes_of, "")}


def _said(text: str) -> types.Content:
    return types.Content(role="model", parts=[types.Part(text=text)])


class Connection(BaseLlmConnection):
    """Answers by rules: calls of tools first, then the answer in pieces and as a whole."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[LlmResponse] = asyncio.Queue()
        self._asked: list[str] = []
        self._rounds: list[Any] = []
        self._results: list[str] = []
        self._waits = 0

    async def send_history(self, history: list[types.Content]) -> None:
        said_before = [content for content in history if content.role == "user" and (content.parts or [])[0].text]
        self._asked = [str((content.parts or [])[0].text) for content in said_before]

    async def send_content(self, content: types.Content) -> None:
        came = [part.function_response for part in content.parts or [] if part.function_response]
        if not came:
            self._asked.append(" ".join(part.text or "" for part in content.parts or []))
            self._results = []
            for piece in pieces("Let me see what is asked. "):
                thought = types.Content(role="model", parts=[types.Part(text=piece, thought=True)])
                await self._queue.put(LlmResponse(content=thought, partial=True))
            try:
                self._rounds = wanted(self._asked[-1])
            except GaveUp as error:
                await self._queue.put(LlmResponse(error_code="GAVE_UP", error_message=str(error), turn_complete=True))
                return
        for each in came:
            self._waits -= 1
            response = each.response or {}
            self._results += [str(response["value"])] if "value" in response else []
        if not self._waits:
            await self._go_on()

    async def _go_on(self) -> None:
        if self._rounds:
            calls = self._rounds.pop(0)
            self._waits = len(calls)
            parts = [
                types.Part(function_call=types.FunctionCall(id=f"fc-{os.urandom(6).hex()}", name=name, args=arguments))
                for name, arguments in calls
            ]
            await self._queue.put(LlmResponse(content=types.Content(role="model", parts=parts)))
            return
        answer = said(self._asked[-1], self._results, self._asked[:-1])
        for piece in pieces(answer):
            await self._queue.put(LlmResponse(content=_said(piece), partial=True))
        await self._queue.put(LlmResponse(content=_said(answer)))
        await self._queue.put(LlmResponse(turn_complete=True))

    async def send_realtime(self, blob: Any) -> None:
        """No audio."""

    async def receive(self) -> AsyncIterator[LlmResponse]:
        while True:
            response = await self._queue.get()
            await asyncio.sleep(PACE_S)
            yield response
            if response.turn_complete:
                return

    async def close(self) -> None:
        """Nothing is open."""


class Rules(BaseLlm):
    """The model."""

    model: str = "rules"

    async def generate_content_async(self, llm_request: Any, stream: bool = False) -> AsyncIterator[LlmResponse]:
        yield LlmResponse(content=_said("ok"))

    @asynccontextmanager
    async def connect(self, llm_request: Any) -> AsyncIterator[Connection]:
        yield Connection()


root_agent = LlmAgent(
    name="live", model=Rules(), instruction="Use the tools.", tools=[calculator, notes, weather, research]
)
