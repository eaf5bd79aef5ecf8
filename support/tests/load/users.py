"""Loads for tests: users with tokens for the embedded backend, and plans that are over soon."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
from greenlight_gate.client.canary_factory import canary_of
from greenlight_gate.load.channel import LocalDirectorChannel
from greenlight_gate.load.director import Director
from greenlight_gate.load.plan import LoadPlan, PlannedPrompt, PlannedUser
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.latency_summary import Encoded, LatencySummary
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.targets.access import Access
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import Prompt
from greenlight_gate.targets.settings import load_target, profile_text

from support.tests.backend.users import ENVIRONMENT

PROFILE = profile_text("agent-events", Path())[1]
SSE = profile_text("agent-events-sse", Path())[1]
BUDGETS = TimeBudgets(handshake_s=2, start_s=2, silence_s=2, tool_s=5, run_s=10)
# A budget for backends of which tests expect that nothing comes.
IMPATIENT = TimeBudgets(handshake_s=2, start_s=0.4, silence_s=0.4, tool_s=0.4, run_s=3)


SUM = Prompt(ask="What is 17*23?", contains=("391",), tools=("calculator",))


def embedded(url: str) -> Target:
    """The embedded target; its sum is the same in each session, since backends written by hand know one answer."""
    target = load_target("embedded", ENVIRONMENT).at(url)
    return msgspec.structs.replace(target, prompts=msgspec.structs.replace(target.prompts, with_tool=SUM))


def planned(target: Target, count: int, prompts: Sequence[str] = ("with_tool",)) -> tuple[PlannedUser, ...]:
    access = Access(target, ENVIRONMENT)

    async def made() -> list[PlannedUser]:
        found = []
        for persona in target.users(count):
            token, canary = await access.token_for(persona), canary_of(persona.name)
            asked = tuple(PlannedPrompt(target.question(p, canary), target.expectation(p, canary)) for p in prompts)
            found.append(
                PlannedUser(persona.name, persona.user or None, token.url(target.url), asked, 0, token.headers,
                      tuple(token.subprotocols), token.first_message)
            )  # fmt: skip
        return found

    return tuple(asyncio.run(made()))


def plan(url: str, users: int = 5, *, prompts: Sequence[str] = ("with_tool",), **values: Any) -> LoadPlan:
    """A load on the embedded backend, or on one that takes anybody: for these `user` is not known."""
    usual: dict[str, Any] = {"budgets": BUDGETS, "clock": "same-host", "runs_each": 3}
    return LoadPlan(
        id="test", profile_toml=PROFILE, users=planned(embedded(url), users, prompts), **{**usual, **values}
    )


def strangers(made: LoadPlan) -> LoadPlan:
    """The same for a backend that does not say who anybody is."""
    return msgspec.structs.replace(made, users=tuple(msgspec.structs.replace(g, user_id=None) for g in made.users))


def run(made: LoadPlan, shards: int = 1) -> LoadResult:
    with ThreadPoolExecutor(shards) as pool:
        return Director(made, [pool] * shards, LocalDirectorChannel()).run()


def figures(encoded: Encoded | None) -> LatencySummary:
    assert encoded is not None
    found = Histogram.decode(encoded).summary()
    assert found is not None
    return found
