"""An agent of Pydantic AI behind AG-UI: POST / for users with a token, who each have conversations of their own.

Its model is the scripted one at LIVE_MODEL_URL.
"""

import asyncio
import json
import os
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import jwt
from pydantic_ai import Agent, ApprovalRequired, DeferredToolRequests, RunContext
from pydantic_ai.conversation_store import InMemoryConversationStore
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.ui.ag_ui import AGUIAdapter
from pydantic_ai.usage import UsageLimits
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

model = OpenAIChatModel("scripted", provider=OpenAIProvider(base_url=os.environ["LIVE_MODEL_URL"], api_key="any-key"))
# A model that says nothing for two seconds has failed.
agent = Agent(model, deps_type=str, output_type=[str, DeferredToolRequests], model_settings={"timeout": 2})
conversations = InMemoryConversationStore()
# The runs of a conversation follow one another.
locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
notebook: dict[str, str] = {}


@agent.output_validator
def whole(context: RunContext[str], output: str | DeferredToolRequests) -> str | DeferredToolRequests:
    """Half an answer is none."""
    reason = context.messages[-1].finish_reason
    if reason not in ("stop", "tool_call"):
        raise RuntimeError(f"the model has not finished: {reason}")
    return output


@agent.tool
def calculator(context: RunContext[str], expression: str) -> int:
    """Multiplies the numbers of an expression such as 6*7."""
    if "Ask me" in str(context.prompt) and not context.tool_call_approved:
        raise ApprovalRequired
    a, b = re.findall(r"\d+", expression)
    return int(a) * int(b)


@agent.tool
def notes(context: RunContext[str], action: str, text: str = "", topic: str = "") -> str:
    """Adds a note of the user, or searches their notes."""
    if action == "add":
        notebook[context.deps] = text
        return f"Noted: {text}"
    return "lunch is at noon" if topic == "lunch" else notebook.get(context.deps, "there is no such note")


@agent.tool_plain
def weather(place: str) -> str:
    """Reads the weather."""
    return f"the station on {place} is unavailable"


@agent.tool_plain
async def research(topic: str) -> str:
    """Looks a topic up, which takes a while."""
    await asyncio.sleep(0.5)
    return f"What is known about {topic} is shown in many books, and none contradicts the others about the moon."


async def run(request: Request) -> Response:
    """Answers a request with the events of a run."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        user = jwt.decode(
            token, os.environ["LIVE_SECRET"], ["HS256"], audience="live", options={"require": ["exp", "sub"]}
        )["sub"] if scheme.lower() == "bearer" else ""  # fmt: skip
    except jwt.InvalidTokenError:
        user = ""
    if not user:
        return JSONResponse({"error": "unauthorized"}, 401)
    lock = locks[user, _thread_of(await request.body())]
    await lock.acquire()
    try:
        response = await AGUIAdapter.dispatch_request(
            request, agent=agent, deps=user, conversation_store=conversations, conversation_scope=user,
            usage_limits=UsageLimits(request_limit=None),
        )  # fmt: skip
    except BaseException:
        lock.release()
        raise
    if isinstance(response, StreamingResponse):
        response.body_iterator = _held(response.body_iterator, lock)
    else:
        lock.release()
    return response


def _thread_of(asked: bytes) -> str:
    """The conversation of a request; "" where the adapter will refuse it."""
    try:
        found = json.loads(asked)
    except (ValueError, RecursionError):
        return ""
    return str(found.get("threadId")) if isinstance(found, dict) else ""


async def _held(stream: AsyncIterator[Any], lock: asyncio.Lock) -> AsyncIterator[Any]:
    try:
        async for part in stream:
            yield part
    finally:
        lock.release()


async def health(request: Request) -> Response:
    """Says that it serves."""
    return JSONResponse({"status": "ok"})


app = Starlette(routes=[Route("/", run, methods=["POST"]), Route("/health", health)])
