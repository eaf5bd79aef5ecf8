"""An assistant that needs its tool twice asks twice: each is answered, and may run once."""

from pathlib import Path

import pytest
from greenlight_gate.bdd.actions.approvals import Approvals
from greenlight_gate.bdd.world.world import World

from support.tests.bdd.test_healthy_worlds import world
from support.tests.bdd.worlds import rules
from support.tests.hostile import conduct as does
from support.tests.hostile.conduct import Talk
from support.tests.hostile.server import Act, Wire

PROMPT = """
[prompts.approval]
ask = "Ask me before you work out 17*23."
contains = ["391"]
tools = ["calculator"]
"""


def asking(*calls: str, runs: tuple[str, ...] = ()) -> Act:
    """A server that asks about each of these calls of its calculator in turn, and runs those that are approved.

    `runs`: calls that run at the end, whatever was answered.
    """

    async def door(wire: Wire) -> None:
        await does.greet(wire)
        talk, left, approved = None, list(calls), True
        while True:
            received = await wire.hear()
            if received["type"] == "ping":
                await wire.say({"type": "pong", "nonce": received["nonce"]})
            elif received["type"] == "start_agent":
                talk = Talk(wire, received, 1)
                await talk.begin()
                await ask(talk, left[0])
            elif received["type"] == "input_response" and talk is not None and left:
                call, approved = left.pop(0), received["choice"] == "approve"
                await wire.say(talk.event("input_received", input_id=f"i-{call}", choice=received["choice"]))
                if approved:
                    await run(talk, call)
                if left:
                    await ask(talk, left[0])
                    continue
                for each in runs:
                    await run(talk, each)
                await wire.say(talk.event("agent_completed", result="391" if approved else "Not worked out."))

    return door


async def ask(talk: Talk, call: str) -> None:
    of_call = {"tool_name": "calculator", "tool_call_id": call, "parameters": {"of": call}}
    choices = ["approve", "deny"]
    await talk.wire.say(
        talk.event("input_requested", input_id=f"i-{call}", question="May I?", choices=choices, **of_call)
    )


async def run(talk: Talk, call: str) -> None:
    of_call = {"tool_name": "calculator", "tool_call_id": call}
    await talk.wire.say(talk.event("tool_executing", **of_call, parameters={"of": call}))
    await talk.wire.say(talk.event("tool_completed", **of_call, status="ok", result="391"))


def answered(here: World, *, approves: bool) -> None:
    """Ada has asked, answered what she was asked, and the run has ended."""
    here.connect("Ada")
    here.ask("Ada", "approval")
    Approvals(here).answer("Ada", approves=approves)
    here.last("Ada")


def test_what_is_asked_later_is_answered_alike(tmp_path: Path) -> None:
    with world(tmp_path, asking("c1", "c2"), more=PROMPT) as here:
        answered(here, approves=True)
        assert Approvals(here).approved_runs("Ada") == (2, 2)
        assert rules(here) == set()


def test_what_is_asked_again_is_denied_again(tmp_path: Path) -> None:
    with world(tmp_path, asking("c1", "c2"), more=PROMPT) as here:
        answered(here, approves=False)
        assert (Approvals(here).runs_without_asking("Ada"), here.last("Ada").has_end) == (0, True)
        assert rules(here) == set()


def test_a_run_without_an_approval_of_its_own_is_one_too_many(tmp_path: Path) -> None:
    with world(tmp_path, asking("c1", runs=("c1",)), more=PROMPT) as here:
        answered(here, approves=True)
        assert Approvals(here).approved_runs("Ada") == (2, 1)
        assert rules(here) == {"INPUT-4"}


@pytest.mark.parametrize("call", ["c1", "c9"])
def test_a_denied_tool_runs(tmp_path: Path, call: str) -> None:
    with world(tmp_path, asking("c1", runs=(call,)), more=PROMPT) as here:
        answered(here, approves=False)
        assert Approvals(here).runs_without_asking("Ada") == 1
        assert rules(here) == {"INPUT-3" if call == "c1" else "INPUT-1"}
