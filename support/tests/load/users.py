"""Loads for tests: people with tokens for the embedded backend, and plans that are over soon."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
from greenlight_gate.client.persona_canary import canary_of
from greenlight_gate.load.channel import LocalDesk
from greenlight_gate.load.director import Conductor
from greenlight_gate.load.plan import Guest, Plan, Question
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.latency import Encoded
from greenlight_gate.measure.latency import Summary as Figures
from greenlight_gate.measure.load_result import Summary
from greenlight_gate.rules.engine.run_state import Budgets
from greenlight_gate.targets.access import Access
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.settings import load_target, profile_text

from support.tests.backend.users import ENVIRONMENT

PROFILE = profile_text("agent-events", Path())[1]
BUDGETS = Budgets(handshake_s=2, start_s=2, silence_s=2, tool_s=5, run_s=10)
# A budget for backends of which tests expect that nothing comes.
IMPATIENT = Budgets(handshake_s=0.4, start_s=0.4, silence_s=0.4, tool_s=0.4, run_s=3)


def embedded(url: str) -> Target:
    return load_target("embedded", ENVIRONMENT).at(url)


def guests(target: Target, count: int, prompts: Sequence[str] = ("with_tool",)) -> tuple[Guest, ...]:
    access = Access(target, ENVIRONMENT)

    async def made() -> list[Guest]:
        found = []
        for persona in target.people(count):
            entry, canary = await access.pass_for(persona), canary_of(persona.name)
            asked = tuple(Question(target.question(p, canary), target.expectation(p, canary)) for p in prompts)
            found.append(
                Guest(persona.name, persona.user or None, entry.url(target.url), asked, 0, entry.headers,
                      tuple(entry.subprotocols), entry.first_message)
            )  # fmt: skip
        return found

    return tuple(asyncio.run(made()))


def plan(url: str, people: int = 5, *, prompts: Sequence[str] = ("with_tool",), **values: Any) -> Plan:
    """A load on the embedded backend, or on one that takes anybody: for these `user` is not known."""
    usual: dict[str, Any] = {"budgets": BUDGETS, "clock": "same-host", "runs_each": 3}
    return Plan(id="test", profile_toml=PROFILE, guests=guests(embedded(url), people, prompts), **{**usual, **values})


def strangers(made: Plan) -> Plan:
    """The same for a backend that does not say who anybody is."""
    return msgspec.structs.replace(made, guests=tuple(msgspec.structs.replace(g, user=None) for g in made.guests))


def run(made: Plan, shards: int = 1) -> Summary:
    with ThreadPoolExecutor(shards) as pool:
        return Conductor(made, [pool] * shards, LocalDesk()).run()


def figures(encoded: Encoded | None) -> Figures:
    assert encoded is not None
    found = Histogram.decode(encoded).summary()
    assert found is not None
    return found
