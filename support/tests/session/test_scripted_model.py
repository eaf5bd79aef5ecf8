"""The scripted model of a session: served by the suite or elsewhere, and asked which calls have come."""

import asyncio
import time
from collections.abc import Iterator

import httpx2
import pytest
from greenlight_gate.model.script import load_script
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.session.scripted_model import ScriptedModel
from greenlight_gate.targets.errors import Misconfigured

from support.tests.model.serving import DEADLINE_S, RunningModel, served


@pytest.fixture
def elsewhere() -> Iterator[RunningModel]:
    with served(load_script("reference")) as running:
        yield running


def test_it_is_served_by_the_suite_and_knows_its_calls() -> None:
    model = ScriptedModel.of("reference", "")
    try:
        began_s = time.time()
        body = {"messages": [{"role": "user", "content": "12*12"}]}
        httpx2.post(f"{model.url}/chat/completions", json=body, timeout=DEADLINE_S)
        (call,) = asyncio.run(model.calls(began_s))
        assert (call.asked, call.state, call.began_epoch_s >= began_s) == ("12*12", "finished", True)
        assert asyncio.run(model.calls(began_s + 3600)) == []
    finally:
        model.stop()

    with pytest.raises(SuiteFault, match="expected the calls of a scripted model at http"):
        asyncio.run(model.calls(0))


def test_one_that_is_served_elsewhere_is_asked_there(elsewhere: RunningModel) -> None:
    model = ScriptedModel.of("reference", f"http://127.0.0.1:{elsewhere.port}/v1")
    asyncio.run(model.check())
    elsewhere.ask("/v1/messages", "Good morning!")

    assert [call.wire for call in asyncio.run(model.calls(0))] == ["/messages"]
    model.stop()
    assert elsewhere.calls()


def test_what_is_no_scripted_model_is_a_mistake_in_the_target_file(elsewhere: RunningModel) -> None:
    with pytest.raises(Misconfigured, match="greenlight model --script"):
        asyncio.run(ScriptedModel.of("reference", "http://127.0.0.1:1/v1").check())
    with pytest.raises(Misconfigured, match="script of a model 'unheard' is unknown"):
        ScriptedModel.of("unheard", "")
