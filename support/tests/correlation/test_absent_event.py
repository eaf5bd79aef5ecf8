"""A wire that shows no agent_thinking, as its profile says: four events are a complete answer, wherever counted."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.session import Session
from greenlight_gate.events import FIVE, EventKind
from greenlight_gate.evidence.replay import Meter, replay
from greenlight_gate.load.plan import LoadPlan, PlannedPrompt, PlannedUser
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.targets.access import Token
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import Persona, Prompt, Prompts
from greenlight_gate.trace import Expect
from greenlight_gate.verdict.criteria import LoadOfScenario, Status
from greenlight_gate.verdict.decision import decide
from greenlight_gate.verdict.facts import Facts, Observed, ScenarioOutcome, ScenarioResult
from greenlight_gate.wire.profile import Profile
from websockets.sync.server import ServerConnection

from support.tests.load.users import BUDGETS, run
from support.tests.wire.small import SMALL, served

REASON = "this model shows no reasoning"
PROFILE = (
    SMALL.replace('name = "small"', f'name = "no-reasoning"\n[absent]\nagent_thinking = "{REASON}"')
    .replace('run = "run_id"', 'run = "run_id"\nrequest = "request"')
    .replace('text = "{prompt}"', 'text = "{prompt}"\nrequest = "{request}"')
    + """
[[event]]
when = { type = "tool" }
is = "tool_executing"
tool = "name"
[[event]]
when = { type = "found" }
is = "tool_completed"
tool = "name"
text = "result"
"""
)
ASKED = "What is 17*23?"
EXPECT = Expect(prompt=ASKED, thinking=True, tools=1, contains=(("391",),))


def talk(line: ServerConnection) -> None:
    """Answers each question with the four events; on /short the tool's result is missing."""
    for count, asked in enumerate(line):
        ids = {"run_id": f"{line.id}-{count}", "request": json.loads(asked)["request"]}
        line.send(json.dumps({"type": "started", **ids}))
        line.send(json.dumps({"type": "tool", "name": "calculator", **ids}))
        if line.request is not None and line.request.path != "/short":
            line.send(json.dumps({"type": "found", "name": "calculator", "result": "391", **ids}))
        line.send(json.dumps({"type": "final", "answer": "It is 391.", **ids}))


@pytest.fixture
def url() -> Iterator[str]:
    with served(talk) as url:
        yield url


def in_a_scenario(url: str, trace: Path) -> Recorder:
    """One user asks in a session, which leaves its trace."""
    profile = Profile.from_toml(PROFILE)
    recorder = Recorder("a scenario", trace, profile, BUDGETS, lambda data: data)
    target = Target(name="here", url=url, prompts=Prompts(with_tool=Prompt(ask=ASKED, tools=("calculator",))))

    async def scene() -> None:
        session = Session("Ada", Persona(name="Ada"), target, profile=profile, recorder=recorder)
        await session.connect(Token("Ada", "none"), None)
        assert await session.wait_end(await session.ask(ASKED, EXPECT))
        await session.close()
        recorder.finish()

    asyncio.run(asyncio.wait_for(scene(), 20))
    return recorder


def replayed(trace: Path) -> Observed:
    meter = Meter("unknown")
    assert replay(trace, Profile.from_toml(PROFILE), BUDGETS, meter, Timeline(None)).findings == []
    return meter.observed()


def under_load(url: str) -> LoadResult:
    guests = (PlannedUser("Ada", None, url, (PlannedPrompt(ASKED, EXPECT),)),)
    return run(LoadPlan(id="test", profile_toml=PROFILE, users=guests, budgets=BUDGETS, runs_each=1))


def completeness(seen: Observed, *loads: LoadOfScenario) -> Status:
    one = (ScenarioResult("functional/a.feature:1", "a", "functional", ScenarioOutcome.PASSED),)
    absent = {str(EventKind.THINKING): REASON}
    decision = decide(Facts(("functional",), "", one, (), seen, (), absent, absent, loads=loads))
    return next(criterion.status for criterion in decision.criteria if criterion.id == "COMPLETENESS")


def test_four_events_are_complete_in_a_scenario_and_in_its_replay(url: str, tmp_path: Path) -> None:
    recorder = in_a_scenario(url, tmp_path / "1.jsonl")
    assert recorder.findings == []

    seen = replayed(tmp_path / "1.jsonl")
    assert (seen.expected_events, seen.arrived_events, seen.five_expected, seen.five_shown) == (4, 4, 1, 1)
    assert completeness(seen) is Status.PASSED


def test_four_events_are_complete_under_load(url: str, tmp_path: Path) -> None:
    summary = under_load(url)

    assert (summary.counts, summary.runs) == ({}, 1)
    counted = (summary.expected_events, summary.arrived_events, summary.five_expected, summary.five_shown)
    assert counted == (4, 4, 1, 1)
    assert set(summary.kinds) == set(FIVE) - {EventKind.THINKING}
    in_a_scenario(url, tmp_path / "1.jsonl")
    loaded = LoadOfScenario("functional/a.feature:1", "functional", "a load", summary)
    assert completeness(replayed(tmp_path / "1.jsonl"), loaded) is Status.PASSED


def test_three_of_the_four_are_not(url: str) -> None:
    summary = under_load(f"{url}/short")

    assert (summary.expected_events, summary.arrived_events) == (4, 3)
    assert (summary.five_expected, summary.five_shown) == (1, 0)
