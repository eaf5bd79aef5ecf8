"""What scenarios need of a target is known before they begin, and then they cost nothing."""
# mypy: allow-untyped-calls
# behave ships types only of what steps need.

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import greenlight_gate
import pytest
from behave.parser import parse_feature
from greenlight_gate.bdd import parameters
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.needs import Lack, forecast, lacking, needs_of
from greenlight_gate.bdd.needs_page import PAGE, page, scenarios
from greenlight_gate.bdd.runner.step_registry import _begun
from greenlight_gate.session.conditions import CONDITIONS
from greenlight_gate.session.validation_session import RESUME_IN_RUN
from greenlight_gate.targets.model import NEEDS
from greenlight_gate.targets.sections import Limits
from greenlight_gate.verdict.scope import OPTIONAL

parameters.register()


def scenario(*steps: str) -> Any:
    """A scenario of these steps."""
    feature = parse_feature("Feature: x\n  Scenario: y\n" + "".join(f"    * {step}\n" for step in steps))
    assert feature is not None
    return feature.scenarios[0]


def suite(
    *lacks: str, frames: tuple[str, ...] = (), stress: bool = False, most: int = 50, token: str | None = None
) -> Any:
    """A session whose target lacks these."""
    return SimpleNamespace(
        lacks=lambda need: f"no {need}" if need in lacks else None,
        target=SimpleNamespace(name="x", limits=Limits(allow_stress=stress, max_connections=most), personas=(None,)),
        access=SimpleNamespace(known_token=lambda _: token),
        profile=SimpleNamespace(name="p", can_send=frames.__contains__),
        plan=SimpleNamespace(scale=25),
        model=None,
    )


@pytest.mark.parametrize(
    ("steps", "needs"),
    [
        (["Ada asks a question that needs a tool", "Ada receives the right answer"], ["with_tool"]),
        (["Ada asks a question that needs two tools at once"], ["parallel_tools"]),
        (["the complete answer to a question that takes long is known", "that answer is cut at several places, and its "
          "user reconnects while it is in progress"], ["long_running", "resume", "resume_in_run"]),
        (["Ada connects with no token"], ["auth.token.no token", "authentication"]),
        (["Ada connects with a valid token and receives the right answer"], []),
        (["Ada's connection is lost", "Ada reconnects"], []),
        (["Ada's connection is lost once a tool has started", "Ada reconnects after 5 ms"],
         ["tool_executing", "resume", "resume_in_run"]),
        (["Ada's client sends a WebSocket ping"], ["websocket"]),
        (["Ada's client sends a ping"], ["ping"]),
        (["Ada's client sends text that is not UTF-8"], ["errors"]),
        (["Bashir's client sends 1000 pings without waiting"], ["websocket"]),
        (["Ada's token expires during the answer to a question that takes several seconds"], []),
        (["all of them reconnect at the same moment and ask again"], []),
        (["Bashir claims Ada's user id and asks a question that needs a tool"], ["with_tool", "send.claim"]),
        (["Ada asks at the same moment:\n      | question |\n      | a question whose tool fails |"],
         ["connection.runs", "failing_tool"]),
        (["25 users ask at a steady rate"], ["limits.users.25", "with_tool"]),
        (["2 to 8 users have told the assistant a secret"], ["isolation"]),
        (["at least 99 of 100 users are back within 5 seconds"], []),
        (["the users of the stress scale"], ["limits.allow_stress", "limits.users.scale", "with_tool"]),
        (["Ada asks at the same moment:"], ["connection.runs"]),
        (["Ada stops the run that has ended"], ["stop", "stop_by_message"]),
        (["Bashir asks in Ada's conversation while a question that takes long is answered there"],
         ["long_running", "foreign.start"]),
        (["Ada tries to stop the run with no token"],
         ["stop", "long_running", "send.stop", "authentication", "stop_request"]),
        (["the backend is killed once a tool has started"], ["start", "tool_executing"]),
        (["Ada begins a question at which the model answers 500"], ["model.server_error", "model"]),
    ],
)  # fmt: skip
def test_what_sentences_need(steps: list[str], needs: list[str]) -> None:
    assert needs_of(scenario(*steps)) == needs


def test_every_need_that_an_action_has_by_name_is_known_of_some_scenario() -> None:
    source = "".join(path.read_text() for path in Path(greenlight_gate.__file__).parent.glob("bdd/**/*.py"))
    asked = {name for call in re.findall(r"\.need\(([^)]*)\)", source) for name in re.findall(r'"(\w+)"', call)}
    known = {need for _, each in scenarios() for need in needs_of(each)}

    assert len(asked) > 10
    assert asked - known == set()
    assert {need for need in known if "." not in need} - {*NEEDS, *OPTIONAL, *CONDITIONS} == set()
    assert CONDITIONS.keys() <= known


@pytest.mark.parametrize("lacks", [(), ("resume",), ("with_tool",)])
def test_a_scenario_that_lacks_anything_runs_none_of_its_steps(lacks: tuple[str, ...]) -> None:
    each = scenario("Ada asks a question that needs a tool", "Ada's second tab restores the conversation")
    ran: list[object] = []
    context = SimpleNamespace(scenario=each, world=SimpleNamespace(suite=suite(*lacks)))
    if not lacks:
        for step in each.steps:
            _begun(context, step, ran.append)
        assert ran == [context, context]
        return
    with pytest.raises(NotExercised, match=f"no {lacks[0]}") as caught:
        _begun(context, each.steps[0], ran.append)
    assert (caught.value.need, ran) == (lacks[0], [])


def test_a_scenario_says_by_name_what_it_lacks_of_the_profile() -> None:
    each = scenario("Ada's connection is lost once a tool has started", "Ada reconnects")
    with pytest.raises(NotExercised) as caught:
        _begun(SimpleNamespace(scenario=each, world=SimpleNamespace(suite=suite(RESUME_IN_RUN))), each.steps[0], print)
    assert caught.value.need == RESUME_IN_RUN


def test_the_forecast_counts_what_would_run_and_what_is_missing() -> None:
    tool, stop = scenario("Ada asks a question that needs a tool"), scenario("Ada stops the run that has ended")
    claims = scenario("Bashir claims Ada's user id and asks a question that needs a tool")
    found = forecast([("functional", tool), ("functional", stop), ("security", claims)], suite("stop"))

    assert (found.runs, found.total) == ({"functional": 1, "security": 0}, {"functional": 2, "security": 1})
    assert found.missing == {"stop": 1, "send.claim": 1}


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m greenlight_gate.bdd.needs_page"


def test_a_crowd_that_the_limits_do_not_allow_is_known_before_it_begins() -> None:
    few, many = (lacking(scenario("25 users ask at a steady rate"), suite(most=most)) for most in (8, 25))
    assert few == [Lack("limits.max_connections", "x allows 8 connections at a time")]
    assert many == []


def test_an_invalid_token_that_cannot_be_made_is_known_once_the_target_has_given_one() -> None:
    each, opaque = scenario("Ada connects with an unsigned token"), "0123456789abcdef"
    assert lacking(each, suite()) == []
    found = lacking(each, suite(token=opaque))
    assert found == [Lack("auth.token.an unsigned token", "an unsigned token cannot be made for x (auth)")]


def test_a_fault_that_the_script_of_the_model_has_not_is_known() -> None:
    each, target = scenario("Ada begins a question at which the model answers 500"), suite()
    target.model = SimpleNamespace(script=SimpleNamespace(faulty=lambda fault: None))
    assert lacking(each, target) == [Lack("model", "the script of the model has no answer with the fault server_error")]
