"""AgentOS with a workflow of one agent, whose model is the scripted one at LIVE_MODEL_URL."""

import asyncio
import os
import re

from agno.agent import Agent
from agno.db.sqlite import SqliteDb
from agno.models.openai.like import OpenAILike
from agno.os import AgentOS
from agno.os.config import AuthorizationConfig
from agno.run.base import RunContext
from agno.tools import tool
from agno.workflow import Step, Workflow

TOPIC_S = 0.5
written: dict[str, str] = {}


def calculator(expression: str) -> str:
    """Multiplies the numbers of an expression such as 6*7."""
    a, b = re.findall(r"\d+", expression)
    return str(int(a) * int(b))


@tool(requires_confirmation=True)
def approved_calculator(expression: str) -> str:
    """Multiplies the numbers of an expression such as 6*7, once the user has said yes."""
    return calculator(expression)


def notes(run_context: RunContext, action: str, text: str = "", topic: str = "") -> str:
    """Adds a note of the user, or searches their notes."""
    user = run_context.user_id or ""
    if action == "add":
        written[user] = text
        return f"Noted: {text}"
    return "lunch is at noon" if topic == "lunch" else written.get(user, "there is no such note")


def weather(place: str) -> str:
    """Reads the weather."""
    raise ConnectionError(f"the station on {place} is unavailable")


async def research(topic: str) -> str:
    """Looks a topic up, which takes a while."""
    await asyncio.sleep(TOPIC_S)
    return f"What is known about {topic} is shown in many books, and none contradicts the others about the moon."


db = SqliteDb(db_file="agno.db")
model = OpenAILike(id="scripted", base_url=os.environ["LIVE_MODEL_URL"], api_key="any-key", max_retries=0)
worker = Agent(
    id="worker", name="worker", db=db, model=model, telemetry=False, add_history_to_context=True,
    tools=[calculator, approved_calculator, notes, weather, research],
)  # fmt: skip
flow = Workflow(id="live", name="live", db=db, steps=[Step(name="work", agent=worker)], telemetry=False)
authorization = AuthorizationConfig(
    verification_keys=[os.environ["LIVE_SECRET"]], algorithm="HS256", user_isolation=True, verify_audience=True,
    audience="os1",
)  # fmt: skip
agent_os = AgentOS(
    id="os1", agents=[worker], workflows=[flow], telemetry=False, db=db, authorization=True,
    authorization_config=authorization,
)  # fmt: skip
app = agent_os.get_app()
