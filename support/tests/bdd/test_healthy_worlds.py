"""What a healthy target may do, seen from the World of a scenario: it is not accused, nor asked for what it lacks."""
# mypy: allow-untyped-calls
# behave ships types only of what steps need.

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import greenlight_gate
import pytest
from behave.model import Step
from behave.step_registry import StepRegistry
from greenlight_gate.bdd.actions.cut_matrix import deadline_s
from greenlight_gate.bdd.actions.network import Network
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.runner.step_registry import CheckedStepRegistry
from greenlight_gate.bdd.world.world import World
from greenlight_gate.session.validation_session import SessionPlan, ValidationSession
from greenlight_gate.trace import Closed

from support.tests.cli.process import HASTY_S, environ, target
from support.tests.hostile import conduct as does
from support.tests.hostile.conduct import Talk
from support.tests.hostile.server import Act, HostileServer, Wire

PROFILE = Path(greenlight_gate.__file__).parent / "wire/profiles/agent-events.toml"


@contextmanager
def world(
    folder: Path, door: Act, *, profile: str = "", promises: str = "", more: str = ""
) -> Iterator[World]:  # fmt: skip
    """A World against a server that has no resume. `profile`: lines that are added to the default profile."""
    with HostileServer(door, does.health()) as server:
        path = target(folder, server.url, more=more, budget_s=HASTY_S)
        if profile or promises:
            text = PROFILE.read_text("utf-8").replace("[promises]\n", f"[promises]\n{promises}\n") + profile
            (folder / "mine.toml").write_text(text, encoding="utf-8")
            path.write_text(f'profile = "mine.toml"\n{path.read_text("utf-8")}', encoding="utf-8")
        suite = ValidationSession(
            SessionPlan(environment=str(path), output_dir=folder / "reports", environ=environ())
        )  # fmt: skip
        try:
            suite.start()
            here = World(suite, "functional/a.feature:1", 1)
            yield here
            suite.loop.call(here.linger(), 30.0)
        finally:
            suite.stop()


async def first_one_hangs(talk: Talk) -> None:
    """A server that answers one request at a time, and whose first request on a connection takes for ever."""
    is_second = getattr(talk.wire, "is_second", False)
    talk.run = f"run-{is_second}"
    await talk.begin()
    if is_second:
        await talk.finish()


def one_at_a_time() -> Act:
    """Its second connection answers."""
    connections = 0

    async def door(wire: Wire) -> None:
        nonlocal connections
        connections += 1
        wire.is_second = connections > 1  # type: ignore[attr-defined]
        await does.conversation(first_one_hangs)(wire)

    return door


def test_after_a_timeout_a_connection_that_answers_one_at_a_time_is_asked_nothing_more(tmp_path: Path) -> None:
    with world(tmp_path, one_at_a_time(), profile='\n[connection]\nruns = "one_at_a_time"\n') as here:
        here.connect("Ada")
        first = here.ask("Ada", "with_tool")
        here.wait(first)
        second = here.ask("Ada", "with_tool")
        here.wait(second)

        assert (first.gave_up, second.answer, first.connection != second.connection) == (True, "It is 391.", True)
        assert {finding.run for finding in here.findings} == {first.run}


class Second:
    """A server of one request at a time, and what it does with a second one: refuse, queue, or answer it instead."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.first: Talk | None = None

    async def answer(self, talk: Talk) -> None:
        if self.first is None:
            self.first = talk
            await talk.begin()
            return
        if self.way == "refuses":
            await talk.wire.say({"type": "error_message", "error_code": "BUSY", "error_message": "one at a time"})
        if self.way != "instead":
            await self.first.finish()
        if self.way in ("queues", "instead"):
            await does.rightly(talk)


@pytest.mark.parametrize(
    ("way", "lost"), [("refuses", []), ("queues", []), ("instead", ["first"]), ("drops", ["second"])]
)  # fmt: skip
def test_a_second_request_is_refused_or_answered_and_the_first_is_never_lost(
    tmp_path: Path, way: str, lost: list[str]
) -> None:
    door = does.conversation(Second(way).answer)
    with world(tmp_path, door, profile='\n[connection]\nruns = "one_at_a_time"\n') as here:
        here.connect("Ada")
        here.ask("Ada", "with_tool")
        here.ask_meanwhile("Ada", "with_tool")

        first, second = here.questions
        assert (first.answer, second.answer) == (
            None if lost == ["first"] else "It is 391.",
            "It is 391." if way in ("queues", "instead") else None,
        )
        assert ("LIFECYCLE-2" in {finding.rule for finding in here.findings}) == bool(lost)


def test_a_conversation_outlives_its_connection_only_where_that_is_promised(tmp_path: Path) -> None:
    with world(tmp_path, does.conversation(does.rightly)) as here:
        network = Network(here)
        network.connect("Ada")
        asked = here.ask("Ada", "with_tool")
        here.wait(asked)
        here.wait(here.ask("Ada", "with_tool", follow=asked))
        network.lose("Ada")
        network.reconnect("Ada")
        here.wait(here.ask("Ada", "with_tool"))

        with pytest.raises(NotExercised, match=r"capabilities\.resume = false"):
            here.ask("Ada", "with_tool", follow=asked)


def test_the_rest_of_a_run_that_ends_with_its_connection_is_not_waited_for(tmp_path: Path) -> None:
    promises = "runs_end_with_connection = true"
    with world(tmp_path, one_at_a_time(), promises=promises) as here:
        network = Network(here)
        network.connect("Ada")
        here.wait_for_first_event(here.ask("Ada", "with_tool"))
        network.lose("Ada")
        with pytest.raises(NotExercised, match="promises that a run ends with its connection"):
            network.reconnect("Ada")


def test_a_scenario_that_is_skipped_leaves_no_connection_open(tmp_path: Path) -> None:
    def lacks(context: SimpleNamespace) -> None:
        context.world.need("resume")

    steps = StepRegistry()
    steps.add_step_definition("when", "something is lacking", lacks)
    step = Step("a.feature", 1, "When", "when", "something is lacking")
    run = CheckedStepRegistry(steps).run_of(step)
    assert run is not None
    with world(tmp_path, does.conversation(does.rightly)) as here:
        here.connect("Ada")
        (session,) = here.sessions["Ada"]
        context = SimpleNamespace(world=here, scenario=SimpleNamespace(all_steps=[step]))
        context.use_with_user_mode = contextlib.nullcontext
        with pytest.raises(NotExercised):
            run(context)

        ends = [entry.record for entry in here.recorder.entries if isinstance(entry.record, Closed)]
        assert (session.open, [end.by for end in ends]) == (False, ["client"])


def test_a_slow_target_gets_the_time_that_its_cuts_take() -> None:
    assert deadline_s(cells=100, at_once=24, answer_s=0.1) < 1000
    assert deadline_s(cells=100, at_once=4, answer_s=30.0) > 25 * 2 * 30.0
