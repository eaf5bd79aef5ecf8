"""Scenarios of a model that fails, where the model was not asked or shows no such fault, or is gone."""

import asyncio
import contextlib
import http.client
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from greenlight_gate.bdd.actions.model_faults import ModelFaults
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import World
from greenlight_gate.model.script import load_script
from greenlight_gate.session.scripted_model import ModelGone
from greenlight_gate.trace import ModelCall

from support.tests.backend.users import eventually
from support.tests.bdd.test_healthy_worlds import world
from support.tests.hostile import conduct as does
from support.tests.hostile.server import Act, Wire
from support.tests.model.serving import DEADLINE_S, RunningModel, served


def asks_model(model: RunningModel, asking: Callable[[str], str]) -> Act:
    """A server that asks the model before it answers; `asking`: what it makes of the user's text."""

    async def door(wire: Wire) -> None:
        await does.greet(wire)
        while (received := await wire.hear())["type"] != "start_agent":
            continue
        await asyncio.to_thread(ask, model.port, asking(json.dumps(received)))
        await does.rightly(does.Talk(wire, received, 1))
        await wire.hear()

    return door


def scripted(model: RunningModel) -> str:
    """The lines of a target file whose backend asks this model."""
    return f'\n[model]\nscript = "reference"\nurl = "http://127.0.0.1:{model.port}/v1"\n'


def ask(port: int, *texts: str) -> None:
    """Asks with these messages of the user."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    body = {"model": "m", "messages": [{"role": "user", "content": text} for text in texts]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize(
    ("asking", "said", "need"),
    [
        (lambda text: "Good morning!", "did not ask the scripted model at", "model_calls"),
        (lambda text: f"12*12 {text}", "in no way in which it shows the fault slow_start", ""),
        (lambda text: text, "", ""),
    ],
)
def test_a_model_that_shows_no_fault_proves_nothing(
    tmp_path: Path, asking: Callable[[str], str], said: str, need: str
) -> None:
    with (
        served(load_script("reference")) as model,
        world(tmp_path, asks_model(model, asking), more=scripted(model)) as here,
    ):
        here.connect("Ada")
        faults = ModelFaults(here)
        question = faults.ask_for_long("Ada")
        assert here.canary("Ada") in question.text
        if not said:
            faults.wait_until_asked(question)
            here.wait(question)
            assert faults.failed("Ada") is question
            return
        for look in (lambda: faults.wait_until_asked(question), lambda: faults.failed("Ada")):
            with pytest.raises(NotExercised, match=said) as caught:
                look()
            assert caught.value.need == need


def test_a_model_that_is_gone_is_said_in_one_line(tmp_path: Path) -> None:
    with contextlib.ExitStack() as serving:
        model = serving.enter_context(served(load_script("reference")))
        gone = pytest.raises(ModelGone, match=r"^Suite fault: expected the calls of a scripted model at http")
        with gone, world(tmp_path, does.conversation(does.rightly), more=scripted(model)) as here:
            here.connect("Ada")
            here.wait(here.ask("Ada", "with_tool"))
            serving.close()


def test_a_call_may_be_that_of_a_scenario_beside_this_one_which_has_ended(tmp_path: Path) -> None:
    both_asked = asyncio.Barrier(2)

    def together(model: RunningModel) -> Act:
        async def door(wire: Wire) -> None:
            await does.greet(wire)
            while (received := await wire.hear())["type"] != "start_agent":
                continue
            await both_asked.wait()
            await asyncio.to_thread(ask, model.port, json.dumps(received))
            await does.rightly(does.Talk(wire, received, 1))
            await wire.hear()

        return door

    with served(load_script("reference")) as model:
        with world(tmp_path, together(model), more=scripted(model)) as here:
            other = World(here.suite, "functional/b.feature:1", 2)
            for each, user in ((other, "Ada"), (here, "Bashir")):
                each.connect(user)
            asked = [each.ask(user, "with_tool") for each, user in ((other, "Ada"), (here, "Bashir"))]
            other.wait(asked[0])
            here.wait(asked[1])
            here.suite.loop.call(other.linger(), DEADLINE_S)
            assert here.suite.past_requests
        calls = [entry.record for entry in here.recorder.entries if isinstance(entry.record, ModelCall)]
        assert (calls, here.suite.past_requests) == ([], [])


def test_a_call_for_the_unended_run_of_an_earlier_scenario_is_none_of_this_one(tmp_path: Path) -> None:
    """The conversation of that run holds what is asked here as well, and the canary of its user."""

    def late(model: RunningModel) -> Act:
        earlier: list[str] = []

        async def door(wire: Wire) -> None:
            await does.greet(wire)
            while (received := await wire.hear())["type"] != "start_agent":
                continue
            if not earlier:
                earlier.append(json.dumps(received))
                await wire.hear()
                return
            await asyncio.to_thread(ask, model.port, json.dumps(received), earlier[0])
            await does.rightly(does.Talk(wire, received, 1))
            await wire.hear()

        return door

    with served(load_script("reference")) as model:
        with world(tmp_path, late(model), more=scripted(model)) as here:
            here.suite.worlds.discard(here)  # no scenario runs beside the two
            earlier = World(here.suite, "functional/b.feature:1", 2)
            earlier.connect("Ada")
            earlier.ask("Ada", "with_tool", text=f"I am {earlier.canary('Ada')}.")
            earlier.leave_all()
            here.suite.loop.call(earlier.linger(), DEADLINE_S)
            later = World(here.suite, "functional/c.feature:1", 3)
            later.connect("Bashir")
            later.wait(later.ask("Bashir", "with_tool"))
            here.suite.loop.call(later.linger(), DEADLINE_S)
        assert [entry.record for entry in later.recorder.entries if isinstance(entry.record, ModelCall)] == []
        assert "ISOLATION-4" not in {finding.rule for finding in later.findings}


def test_a_call_for_what_is_asked_in_another_users_conversation_is_none_of_its_owners(tmp_path: Path) -> None:
    both_asked, asked = asyncio.Barrier(2), list[str]()

    def together(model: RunningModel) -> Act:
        async def door(wire: Wire) -> None:
            await does.greet(wire)
            while (received := await wire.hear())["type"] != "start_agent":
                continue
            asked.append(json.dumps(received))
            before = asked[:-1]
            await both_asked.wait()
            await asyncio.to_thread(ask, model.port, *before, json.dumps(received))
            await does.rightly(does.Talk(wire, received, len(before) + 1))
            await wire.hear()

        return door

    with served(load_script("reference")) as model:
        with world(tmp_path, together(model), more=scripted(model)) as here:
            for user in ("Ada", "Bashir"):
                here.connect(user)
            question = here.ask("Ada", "with_tool")
            eventually(lambda: bool(asked))
            theirs = here.session_of(question).names_of(question)
            attempt = {**theirs, "prompt": f"I am {here.canary('Bashir')}."}
            here.call(here.tab("Bashir").send_foreign("start", "Ada", attempt))
            here.wait(question)
        calls = [entry.record for entry in here.recorder.entries if isinstance(entry.record, ModelCall)]
        assert [(call.request, call.owners) for call in calls] == [(question.request, ())]
        assert "ISOLATION-4" not in {finding.rule for finding in here.findings}
