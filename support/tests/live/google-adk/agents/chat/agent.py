"""An agent of Google ADK on the scripted model at LIVE_MODEL_URL, whose tools are the usual ones of ADK."""

import asyncio
import os
import re

from google.adk.agents import LlmAgent
from google.adk.models.lite_llm import LiteLlm
from google.adk.tools import FunctionTool, ToolContext

TOPIC_S = 0.5


def calculator(expression: str, tool_context: ToolContext) -> dict[str, str]:
    """Multiplies the numbers of an expression such as 6*7."""
    a, b = re.findall(r"\d+", expression)
    return {"value": str(int(a) * int(b))}


def is_to_ask(expression: str, tool_context: ToolContext) -> bool:
    """Whether the user wants to be asked before the tool runs."""
    said = [event.content for event in tool_context.session.events if event.author == "user" and event.content]
    texts = [part.text for content in said for part in content.parts or [] if part.text]
    return bool(texts) and "Ask me" in texts[-1]


def notes(tool_context: ToolContext, action: str, text: str = "", topic: str = "") -> dict[str, str]:
    """Adds a note of the user, in the state that all of their sessions share, or searches their notes."""
    if action == "add":
        tool_context.state["user:note"] = text
        return {"value": f"Noted: {text}"}
    note = tool_context.state.get("user:note", "there is no such note")
    return {"value": "lunch is at noon" if topic == "lunch" else note}


def weather(place: str) -> dict[str, str]:
    """Reads the weather."""
    return {"error": f"the station on {place} is unavailable"}


async def research(topic: str) -> dict[str, str]:
    """Looks a topic up, which takes a while."""
    await asyncio.sleep(TOPIC_S)
    known = f"What is known about {topic} is shown in many books, and none contradicts the others about the moon."
    return {"value": known}


root_agent = LlmAgent(
    name="chat",
    model=LiteLlm(model="openai/scripted", api_base=os.environ["LIVE_MODEL_URL"], api_key="any-key", num_retries=0),
    instruction="Use the tools.",
    tools=[FunctionTool(calculator, require_confirmation=is_to_ask), notes, weather, research],
)
