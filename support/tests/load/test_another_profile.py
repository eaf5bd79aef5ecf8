"""A load on a backend that speaks its own way: a profile of rules, without request ids."""

import json
from collections.abc import Iterator

import pytest
from greenlight_gate.load.plan import LoadPlan, PlannedPrompt, PlannedUser
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.trace import Expect
from websockets.sync.server import ServerConnection

from support.tests.load.users import BUDGETS, run
from support.tests.wire.small import SMALL, served

PROFILE = (
    SMALL
    + """
[[event]]
when = { type = "muse" }
is = "agent_thinking"
text = "text"
[connection]
path = "/talk"
"""
)


def talk(line: ServerConnection) -> None:
    """Answers each question with three frames; runs are numbered through."""
    for count, asked in enumerate(line):
        question = json.loads(asked)
        assert question == {"type": "ask", "text": "how much is it?"}
        run_id = f"{line.id}-{count}"
        line.send(json.dumps({"type": "started", "run_id": run_id}))
        line.send(json.dumps({"type": "muse", "run_id": run_id, "text": "let me see"}))
        if line.request is not None and line.request.path == "/talk":
            line.send(json.dumps({"type": "final", "run_id": run_id, "answer": "it is 42"}))


@pytest.fixture
def url() -> Iterator[str]:
    with served(talk) as url:
        yield url


def load_on(url: str, answer: str) -> LoadResult:
    asked = PlannedPrompt("how much is it?", Expect(contains=((answer,),)))
    planned = tuple(PlannedUser(name, None, f"{url}/talk", (asked,)) for name in ("Ada", "Bashir"))
    return run(LoadPlan(id="test", profile_toml=PROFILE, users=planned, budgets=BUDGETS, runs_each=2))


def test_every_answer_is_read_by_the_rules_of_the_profile(url: str) -> None:
    came = load_on(url, "42")

    assert (came.asked, came.runs, came.events, came.counts) == (4, 4, 12, {})


def test_a_wrong_answer_is_found(url: str) -> None:
    came = load_on(url, "43")

    assert set(came.counts) == {"CONTENT-4"}
