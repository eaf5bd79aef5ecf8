"""A server to which a request names the answer before it, and nothing else says which conversation it is in."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.bdd.actions.foreign_access import ForeignAccess
from greenlight_gate.bdd.world.world import World
from greenlight_gate.session.validation_session import SessionPlan

from support.tests.bdd.worlds import rules, world_of
from support.tests.cli.process import PATIENT_S, environ, target
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer, Wire

PROFILE = """
name = "responses"
[values]
conversation = { value = "{uuid}", each = "tab" }
[connection]
runs = "one_at_a_time"
[every]
run = "response.id"
request = "$request"
thread = "$conversation"
[[event]]
when = { type = "response.created" }
is = "agent_started"
[[event]]
when = { type = "response.completed" }
is = "agent_completed"
text = "response.text"
remember = { previous = "response.id" }
[controls.error]
when = { type = "error" }
capture = { code = "code", text = "text" }
[send.start]
type = "response.create"
input = "{prompt}"
previous_response_id = "{previous?}"
[refusals.foreign]
error = ["not_found"]
"""
PROMPTS = """
[prompts.without_tool]
ask = "I am {canary}, and who are you?"
contains = ["a server"]
thinking = false
[prompts.follow_up]
ask = "And what was my previous question?"
contains = ["who are you"]
thinking = false
"""


class Responses:
    """The server. `open_to_all`: whose a response is, it does not look at. `came`: what the requests held.

    `foreign`: how many of them named an answer of another user.
    """

    def __init__(self, *, open_to_all: bool = False) -> None:
        self.open_to_all = open_to_all
        self.stored: dict[str, tuple[str, str]] = {}
        self.came: list[dict[str, Any]] = []
        self.foreign = 0
        self.numbers = itertools.count(1)

    async def door(self, wire: Wire) -> None:
        await wire.upgrade()
        while True:
            asked = await wire.hear()
            self.came.append(asked)
            owner, before = self.stored.get(asked.get("previous_response_id", ""), (wire.token, ""))
            self.foreign += owner != wire.token
            if owner != wire.token and not self.open_to_all:
                await wire.say({"type": "error", "code": "not_found", "text": "no such response"})
                continue
            response = {"id": f"resp_{next(self.numbers):012}"}
            self.stored[response["id"]] = wire.token, asked["input"]
            await wire.say({"type": "response.created", "response": response})
            text = f"You asked: {before}" if "previous question" in asked["input"] else "I am a server."
            await wire.say({"type": "response.completed", "response": {**response, "text": text}})


@contextmanager
def world(folder: Path, server: Responses) -> Iterator[World]:
    """Ada and Bashir are connected."""
    with HostileServer(server.door, does.health()) as hostile:
        path = target(folder, hostile.url, budget_s=PATIENT_S)
        (folder / "responses.toml").write_text(PROFILE, encoding="utf-8")
        text = path.read_text("utf-8").partition("[prompts.")[0]
        path.write_text(f'profile = "responses.toml"\n{text}{PROMPTS}', encoding="utf-8")
        with world_of(SessionPlan(environment=str(path), output_dir=folder / "out", environ=environ())) as here:
            here.connect_all(["Ada", "Bashir"])
            yield here


def test_a_request_names_the_answer_before_it_and_the_first_one_none(tmp_path: Path) -> None:
    server = Responses()
    with world(tmp_path, server) as here:
        first = here.ask("Ada", "without_tool")
        here.wait(first)
        second = here.ask("Ada", "follow_up", follow=first)
        here.wait(second)
        assert "previous_response_id" not in server.came[0]
        assert server.came[1]["previous_response_id"] == first.run
        assert "who are you" in (second.answer or "")
        assert rules(here) == set()


@pytest.mark.parametrize("open_to_all", [False, True])
def test_another_user_names_an_answer_of_the_owner(tmp_path: Path, *, open_to_all: bool) -> None:
    server = Responses(open_to_all=open_to_all)
    with world(tmp_path, server) as here:
        here.wait(here.ask("Ada", "without_tool"))
        ForeignAccess(here).ask_in_conversation_of("Ada", "Bashir")
        assert server.foreign == 2
        assert rules(here) == ({"REFUSAL-2", "ISOLATION-1"} if open_to_all else set())
