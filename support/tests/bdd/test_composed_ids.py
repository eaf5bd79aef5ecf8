"""A server whose ids stand deep in its messages and are made of several values: `{user}:{n}`, a user and a turn."""

import asyncio
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
from support.tests.cli.process import environ, target
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer, Wire

PROFILE = """
name = "composed"
[every]
run = { at = ["params.meta.user", "params.meta.turn"], join = "/" }
request = { at = ["params.meta.id"], is = "id", regex = ":(\\\\d+)$", optional = true }
[[event]]
when = { method = "run/began" }
is = "agent_started"
[[event]]
when = { method = "run/ended" }
is = "agent_completed"
text = "params.text"
[[event]]
when = { method = "run/stopped" }
is = "agent_stopped"
[controls.error]
when = { method = "error" }
capture = { code = "params.code", request = "params.meta.id" }
[send.start]
method = "run"
params = { meta = { id = "{user}:{request_number}" }, text = "{prompt}" }
[send.stop]
method = "stop"
params = { run = "{run}" }
"""
PROMPTS = """
[prompts.without_tool]
ask = "Who are you?"
contains = ["composed"]
thinking = false
[prompts.long_running]
ask = "Think until I stop you."
contains = ["composed"]
thinking = false
"""


class Composed:
    """The server. `lenient`: anyone may stop any run."""

    def __init__(self, *, lenient: bool = False) -> None:
        self.lenient = lenient
        self.ids: list[str] = []
        self.open: dict[str, tuple[Wire, dict[str, Any]]] = {}

    async def door(self, wire: Wire) -> None:
        await wire.upgrade()
        turns, user = itertools.count(1), ""
        while True:
            said = await wire.hear()
            if said["method"] == "stop":
                await self._stop(wire, said["params"]["run"], user)
                continue
            self.ids.append(said["params"]["meta"]["id"])
            user = self.ids[-1].partition(":")[0]
            meta = {"id": self.ids[-1], "user": user, "turn": next(turns)}
            await wire.say({"method": "run/began", "params": {"meta": meta}})
            if "stop" in said["params"]["text"]:
                self.open[f"{user}/{meta['turn']}"] = wire, meta
            else:
                await asyncio.sleep(0)
                await wire.say({"method": "run/ended", "params": {"meta": meta, "text": "I am composed."}})

    async def _stop(self, wire: Wire, run: str, user: str) -> None:
        if run in self.open and (self.lenient or run.startswith(f"{user}/")):
            owner, meta = self.open.pop(run)
            await owner.say({"method": "run/stopped", "params": {"meta": meta}})
        else:
            await wire.say({"method": "error", "params": {"code": "not_yours"}})


@contextmanager
def world(folder: Path, server: Composed) -> Iterator[World]:
    """Ada and Bashir are connected."""
    with HostileServer(server.door, does.health()) as hosted:
        path = target(folder, hosted.url)
        (folder / "composed.toml").write_text(PROFILE, encoding="utf-8")
        text = path.read_text("utf-8").partition("[prompts.")[0].replace("stop = false", "stop = true")
        path.write_text(f'profile = "composed.toml"\n{text}{PROMPTS}', encoding="utf-8")
        with world_of(SessionPlan(environment=str(path), output_dir=folder / "out", environ=environ())) as here:
            here.connect_all(["Ada", "Bashir"])
            yield here


def test_runs_are_known_by_ids_that_are_made_of_several_values(tmp_path: Path) -> None:
    server = Composed()
    with world(tmp_path, server) as here:
        questions = [here.ask(user, "without_tool") for user in ("Ada", "Bashir", "Ada")]
        here.wait(*questions)
        assert [question.run for question in questions] == ["u-ada/1", "u-bashir/1", "u-ada/2"]
        assert [given.partition(":")[0] for given in server.ids] == ["u-ada", "u-bashir", "u-ada"]
        assert rules(here) == set()


@pytest.mark.parametrize("lenient", [False, True])
def test_such_a_run_is_stopped_by_its_user_and_tried_by_others(tmp_path: Path, lenient: bool) -> None:
    with world(tmp_path, Composed(lenient=lenient)) as here:
        here.ask("Ada", "long_running")
        access = ForeignAccess(here)
        access.send_stop_to("Ada", "Bashir")
        assert access.has_reached("Bashir") == lenient
        assert ("REFUSAL-2" in rules(here)) == lenient
