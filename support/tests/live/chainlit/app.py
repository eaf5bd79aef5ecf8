"""A small Chainlit app on the scripted agent: tools as steps, an answer in tokens, approvals as actions."""

import os
import sys
from pathlib import Path

import chainlit as cl

sys.path.insert(0, str(Path(__file__).parents[1] / "agent"))
from scripted_agent import Agent

agent = Agent()


@cl.password_auth_callback
def sign_in(username: str, password: str) -> cl.User | None:
    return cl.User(identifier=username) if password == os.environ["LIVE_PASSWORD"] else None


async def approve(tool: str, arguments: dict[str, int]) -> bool:
    actions = [
        cl.Action(name="approve", payload={"value": "approve"}, label="Approve"),
        cl.Action(name="deny", payload={"value": "deny"}, label="Deny"),
    ]
    came = await cl.AskActionMessage(content=f"May I use the {tool}?", actions=actions, timeout=1).send()
    return came is not None and came["name"] == "approve"


@cl.on_message
async def answer(message: cl.Message) -> None:
    history = cl.user_session.get("history") or []
    cl.user_session.set("history", [*history, message.content])
    user = cl.user_session.get("user").identifier
    run = cl.context.current_run.id
    steps: dict[str, cl.Step] = {}
    said = cl.Message(content="")
    async for what, *rest in agent.answer(user, message.content, history, approve):
        if what == "think":
            async with cl.Step(name="thinking", type="llm") as step:
                step.output = rest[0]
        elif what == "tool":
            step = steps[rest[0]] = cl.Step(name=rest[1], type="tool", parent_id=run)
            step.input = rest[2]
            await step.__aenter__()
        elif what == "result":
            step = steps.pop(rest[0])
            step.output, step.is_error = rest[2], rest[3]
            await step.__aexit__(None, None, None)
        else:
            await said.stream_token(rest[0])
    await said.send()
