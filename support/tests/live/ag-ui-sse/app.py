"""An agent of Pydantic AI behind AG-UI: POST / for users with a token, who each have conversations of their own."""

import asyncio
import os

import jwt
from model import MODEL
from pydantic_ai import Agent, DeferredToolRequests
from pydantic_ai.conversation_store import InMemoryConversationStore
from pydantic_ai.ui.ag_ui import AGUIAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

agent = Agent(MODEL, output_type=[str, DeferredToolRequests])
conversations = InMemoryConversationStore()
secret = os.environ["AG_UI_JWT_SECRET"]


@agent.tool_plain
def calculator(a: int, b: int) -> int:
    """Multiplies."""
    return a * b


@agent.tool_plain
def weather(place: str) -> str:
    """Tells the weather."""
    return "the weather service is unavailable" if place == "Mars" else f"4 degrees in {place}"


@agent.tool_plain
async def research(topic: str) -> str:
    """Takes a while."""
    await asyncio.sleep(0.8)
    return "The moon draws the tides"


@agent.tool_plain(requires_approval=True)
def send_email(to: str) -> str:
    """Sends a mail."""
    return f"sent to {to}"


async def run(request: Request) -> Response:
    """Answers a request with the events of a run."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        user = jwt.decode(token, secret, ["HS256"], audience="ag-ui")["sub"] if scheme.lower() == "bearer" else ""
    except jwt.InvalidTokenError:
        user = ""
    if not user:
        return JSONResponse({"error": "unauthorized"}, 401)
    return await AGUIAdapter.dispatch_request(
        request, agent=agent, conversation_store=conversations, conversation_scope=user
    )


async def health(request: Request) -> Response:
    """Says that it serves."""
    return JSONResponse({"status": "ok"})


app = Starlette(routes=[Route("/", run, methods=["POST"]), Route("/health", health)])
