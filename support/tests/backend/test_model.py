"""The backend with a scripted model: answers, a model that fails, and a model that is left when the run is stopped."""

from collections.abc import Iterator

import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.model.faults import FAULTS
from greenlight_gate.model.script import Script, load_script

from support.tests.backend.users import ENVIRONMENT, User, kinds, tab
from support.tests.model.serving import RunningModel, served

# What the backend gets over: it asks again, it waits, and it takes calls for calls.
OVERCOME = {"rate_limit", "slow_start", "wrong_finish", "duplicate_call_ids"}
STALLED = "Tell me how a windmill works."
FIVE = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_thinking", "agent_completed"]


@pytest.fixture(scope="module")
def script() -> Script:
    return load_script("reference")


@pytest.fixture(scope="module")
def model(script: Script) -> Iterator[RunningModel]:
    with served(script) as running:
        yield running


@pytest.fixture(scope="module")
def backend(model: RunningModel) -> Iterator[BackendProcess]:
    env = {**ENVIRONMENT, "CHAT_MODEL_URL": f"http://127.0.0.1:{model.port}/v1"}
    with BackendProcess.start(env=env) as started:
        yield started


@pytest.fixture
def ada(backend: BackendProcess) -> Iterator[User]:
    with tab(backend.url, "ada") as user:
        yield user


def test_it_answers_with_tools_as_the_model_says(ada: User, model: RunningModel) -> None:
    events = ada.run("What is 17*23?")

    assert kinds(events) == FIVE
    assert events[-1]["payload"]["result"] == "17*23 = 391."
    assert [call["state"] for call in model.calls()[-2:]] == ["finished", "finished"]


def test_a_question_before_is_known_to_the_model(ada: User) -> None:
    thread = ada.run("Good morning!")[0]["thread_id"]
    events = ada.run("And what was my previous question?", thread_id=thread)

    assert events[-1]["payload"]["result"] == "Before this you asked me: Good morning!"


def test_a_sub_agent_asks_the_model_as_well(ada: User) -> None:
    events = ada.run("Ask your helper to check 12*12.")

    assert "12*12 = 144." in events[-1]["payload"]["result"]
    assert events[-1]["type"] == "agent_completed"


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"stall", "endless"}))
def test_only_an_answer_that_the_model_has_finished_is_completed(ada: User, script: Script, fault: str) -> None:
    answer = next(answer for answer in script.answers if answer.fault == fault and answer.ask != "Please give up.")
    end = ada.run(answer.ask)[-1]

    assert end["type"] == ("agent_completed" if fault in OVERCOME else "agent_failed")
    assert fault in OVERCOME or end["payload"]["error_code"] == "MODEL_FAILED"


def test_a_model_that_says_nothing_more_has_failed(ada: User, model: RunningModel) -> None:
    end = ada.run(STALLED)[-1]

    assert (end["type"], end["payload"]["error_message"]) == ("agent_failed", "the model broke off: ReadTimeout")
    assert model.wait_for_state("left")["fault"] == "stall"


def test_a_stop_ends_the_call_of_the_model(ada: User, model: RunningModel) -> None:
    ada.ask(STALLED)
    started = ada.read_until(lambda event: event["type"] == "agent_thinking")[-1]
    assert model.wait_for_state("under way")["fault"] == "stall"
    ada.send({"type": "stop_agent", "run_id": started["run_id"]})

    assert ada.read_run()[-1]["type"] == "agent_stopped"
    assert model.wait_for_state("left")["fault"] == "stall"
