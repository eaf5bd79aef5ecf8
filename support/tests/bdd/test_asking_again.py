"""Users whose answers were cut and who ask again, where a connection answers one request."""

import itertools
from pathlib import Path

import pytest
from greenlight_gate.bdd.actions.asking_again import AskingAgain
from greenlight_gate.bdd.actions.network import Network

from support.tests.bdd.test_healthy_worlds import world
from support.tests.hostile import conduct as does

PROMPTS = """
[prompts.long_running]
ask = "Look long and thoroughly."
contains = ["391"]
tools = ["calculator"]
"""


@pytest.mark.parametrize("runs", ["one", "many"])
def test_each_of_several_cuts_is_made_over_the_same_network(tmp_path: Path, runs: str) -> None:
    asked = itertools.count(1)

    async def every_other_one(talk: does.Talk) -> None:
        is_endless = next(asked) % 2  # before anything is sent: the connection may be cut at the first event
        await talk.begin()
        await (does.forever(talk.wire) if is_endless else talk.finish())

    with world(
        tmp_path, does.conversation(every_other_one), profile=f'\n[connection]\nruns = "{runs}"\n', more=PROMPTS
    ) as here:
        again = AskingAgain(here, network := Network(here))
        network.connect("Ada")
        here.ask("Ada", "long_running")
        again.cut_often("Ada", 3, "with_tool")
        answers = [question.answer for question in here.questions if question.has_end]

    assert (answers, len(again.cut)) == (["It is 391."] * 3, 3)
    assert here.findings == []
