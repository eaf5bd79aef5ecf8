"""Small sets of features with steps of their own, run by bare behave against a hostile server, as users would."""

import asyncio
import contextlib
import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.tests.cli.process import ROOT, Ran, behave, ended, started, target
from support.tests.hostile import conduct as does
from support.tests.hostile.conduct import Talk
from support.tests.hostile.server import HostileServer, Wire

STEPS = '''
import asyncio
import contextlib
import signal
import greenlight_gate.bdd.runner.hooks as hooks
from behave import given, then, when
from hamcrest import assert_that, equal_to
from greenlight_gate.bdd.context import world_of
from greenlight_gate.bdd.matchers.demand import demand
from greenlight_gate.bdd.matchers.request_matchers import shows
from greenlight_gate.bdd.matchers.event_patterns import completed, tool_executing


class Fragile(hooks.World):
    """A World that cannot be made for some scenarios."""

    def __init__(self, suite, key, *more):
        if "fragile" in key:
            raise RuntimeError("no World today")
        super().__init__(suite, key, *more)


hooks.World = Fragile


@given("Ada is here")
def here(context): world_of(context).connect("Ada")

@when("Ada asks {prompt}")
def asks(context, prompt): world_of(context).wait(world_of(context).ask("Ada", prompt))

@when("nothing is done")
def nothing(context): pass

@then("Ada sees {what}")
def sees(context, what):
    patterns = {"an answer": completed(), "the notes": tool_executing(named="notes")}
    demand("LIFECYCLE-5", world_of(context).last(), shows(patterns[what]))

@then("a sum of the suite is right")
def sums(context): assert_that(2 + 2, equal_to(5))

@when("a capability is missing")
def missing(context): world_of(context).need("resume")

@when("the step breaks")
def breaks(context): raise ValueError("no such thing")

@when("a signal is swallowed")
def swallows(context):
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)

@when("somebody waits for ever")
def waits(context):
    world = world_of(context)
    world.suite.loop.call(asyncio.Event().wait(), 0.05)
'''
_LATE_S = 0.02
_NOBODY_ELSE_S = 8.0
PROMPTS = """
[prompts.without_tool]
ask = "Say something late, please."
[prompts.helper]
ask = "Fall ill once you have answered, please."
[prompts.long_running]
ask = "Forget the tool, please."
tools = ["calculator"]
"""


@dataclass(frozen=True)
class Outcomes:
    """What became of each scenario by name: in the ledger (outcome, reason) and in Allure (status, message)."""

    ran: Ran
    ledger: dict[str, tuple[str, str]]
    allure: dict[str, tuple[str, str]]


class _Meeting:
    """Holds the first answers back until so many connections have asked, or until nobody else comes."""

    def __init__(self, expected: int) -> None:
        self._missing = expected
        self._complete: asyncio.Event | None = None

    async def __call__(self) -> None:
        self._complete = self._complete or asyncio.Event()
        self._missing -= 1
        if self._missing <= 0:
            self._complete.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._complete.wait(), _NOBODY_ELSE_S)


async def _door(wire: Wire, meeting: _Meeting, ill: asyncio.Event) -> None:
    """Answers rightly, late or badly, as it is asked. What is late comes when the user thinks that all is said.

    Once it is `ill`, it answers nobody.
    """
    await does.greet(wire)
    if ill.is_set():
        await wire.close(1011, "out of memory")
        return
    late: list[dict[str, Any]] = []
    number = 0
    while True:
        inbox = await wire.hear()
        if inbox["type"] == "ping":
            await wire.say({"type": "pong", "nonce": inbox["nonce"]})
            # The user's app asks for this when it thinks that all is said; what comes later has to be in its grace.
            for event in late:
                await asyncio.sleep(_LATE_S)
                await wire.say(event)
            late.clear()
            continue
        number += 1
        await meeting()
        talk, asked = Talk(wire, inbox, number), inbox["payload"]["user_request"]
        await talk.begin()
        if "late" in asked:
            await wire.say(talk.event("agent_completed", result="That was all."))
            late.append(talk.event("agent_thinking", reasoning="or was it?"))
        elif "Forget" in asked:
            await wire.say(talk.event("tool_executing", tool_name="calculator", tool_call_id="c", parameters={}))
            await wire.say(talk.event("agent_completed", result="Forgotten."))
        else:
            await talk.finish()
            if "Fall ill" in asked:
                ill.set()


def run(
    folder: Path, features: dict[str, str], *options: str, fresh: bool = False, jobs: int = 0, target_toml: str = "",
    meeting: int = 1, module: str = "support.tests.bdd.run_in_jobs",
) -> Outcomes:  # fmt: skip
    """Runs features, by file name below functional/, with bare behave, or with so many `jobs` as `greenlight run` does.

    `target_toml`: more lines for the file of the target. `meeting`: so many connections ask before any is answered.
    `module`: what runs them, where there are `jobs`.
    """
    (folder / "features/functional").mkdir(parents=True)
    (folder / "steps").mkdir()
    (folder / "steps/steps.py").write_text(STEPS, encoding="utf-8")
    (folder / "behave.ini").write_text((ROOT / "behave.ini").read_text("utf-8"), encoding="utf-8")
    for name, text in features.items():
        (folder / "features/functional" / name).write_text(text, encoding="utf-8")
    with HostileServer(
        functools.partial(_door, meeting=_Meeting(meeting), ill=asyncio.Event()), does.health()
    ) as server:
        path = target(folder, server.url, more=PROMPTS + target_toml)
        path.write_text(path.read_text("utf-8").replace("grace_s = 0.05", "grace_s = 0.5"), encoding="utf-8")
        if jobs:
            with started(folder, str(jobs), *options, module=module) as process:
                ran = ended(process, folder)
        else:
            ran = behave(folder, "-D", "environment=hostile.toml", *options, fresh=fresh)
    return Outcomes(ran, _ledger(folder), _allure(folder))


def _ledger(folder: Path) -> dict[str, tuple[str, str]]:
    names: dict[str, str] = {}
    outcomes: dict[str, tuple[str, str]] = {}
    for path in folder.glob("reports/*/evidence/ledger.jsonl"):
        for line in path.read_text("utf-8").splitlines():
            entry = json.loads(line)
            if entry["entry"] == "selected":
                names[entry["key"]] = entry["name"]
            elif entry["entry"] == "finished":
                outcomes[names[entry["key"]]] = (entry["outcome"], _first_line(entry["reason"]))
    return outcomes


def _allure(folder: Path) -> dict[str, tuple[str, str]]:
    results = [json.loads(path.read_text("utf-8")) for path in (folder / "allure-results").glob("*-result.json")]
    return {
        each["name"]: (each["status"], _first_line(each.get("statusDetails", {}).get("message", "")))
        for each in results
    }  # fmt: skip


def _first_line(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip().split("\n")[0])
