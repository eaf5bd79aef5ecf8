"""What is asked of a user during a run: what may follow, and the rule that reports what may not."""

import pytest
from greenlight_gate.trace import Responded
from greenlight_gate.wire.profile import Profile

from support.tests.rules.broken.inputs import (
    APPROVAL,
    DENIED,
    answers,
    approved,
    asks,
    begun,
    denied,
    received,
    reloaded,
    rest,
)
from support.tests.rules.talk import Body, Talk
from support.tests.wire.recorded import shipped


@pytest.mark.parametrize(
    "talk",
    [
        rest(approved(asks(begun()))),
        rest(answers(asks(begun()))),
        rest(received(answers(answers(asks(begun()))))),
        rest(approved(asks(begun()).wait(60))),
        approved(asks(begun().executing())).tool_done().completed(),
        denied(asks(begun())).completed(result=DENIED),
        denied(asks(begun())).failed(),
        denied(asks(begun().executing())).tool_done(result="declined").completed(result=DENIED),
        received(asks(begun()).wait(60), "expired").completed(result=DENIED),
        answers(received(asks(begun()).wait(60), "expired")).completed(result=DENIED),
        asks(begun()).send("stop", run="r1").stopped(),
        asks(begun()).wait(60).failed(),
    ],
)
def test_what_may_follow_a_request_for_approval(talk: Talk) -> None:
    assert talk.whole() == []


@pytest.mark.parametrize(
    ("talk", "rule"),
    [
        (rest(begun()), "INPUT-1"),
        (received(answers(asks(begun()).executing())).tool_done().completed(), "INPUT-2"),
        (approved(asks(begun().executing()).tool_done()).completed(), "INPUT-2"),
        (rest(denied(asks(begun()))), "INPUT-3"),
        (rest(received(asks(begun()).wait(60), "expired")), "INPUT-3"),
        (rest(approved(asks(begun(), city="Bergen"))), "INPUT-4"),
        (approved(asks(begun())).executing(tool="email").tool_done(tool="email").completed(), "INPUT-4"),
        (
            received(answers(answers(asks(begun())))).executing().tool_done().executing().tool_done().completed(),
            "INPUT-6",
        ),
        (rest(received(approved(asks(begun())))), "INPUT-6"),
        (asks(begun()).timeout("input", 6.0, request="q1", run="r1"), "INPUT-7"),
        (approved(asks(begun())).completed(), "LIFECYCLE-5"),
        (rest(approved(asks(begun()))).executing(), "LIFECYCLE-3"),
    ],
)
def test_what_may_not_is_reported_by_one_rule(talk: Talk, rule: str) -> None:
    assert talk.rules() == {rule}


def test_what_is_asked_is_shown_again_when_the_thread_is_restored() -> None:
    assert reloaded(shows=True).whole() == []
    assert "INPUT-5" in reloaded(shows=False).rules()


def test_what_was_seen_before_need_not_be_shown_again() -> None:
    talk = asks(begun()).cut("FIN").close().open("Ada", "c2").restore("c2", 3)
    received(answers(talk, connection="c2"), connection="c2")
    talk.executing(connection="c2").tool_done(connection="c2").completed(connection="c2")
    assert talk.whole() == []


def test_the_answer_of_another_user_is_refused_and_has_no_effect() -> None:
    def attempt() -> Talk:
        talk = asks(Talk().open().open("Bashir", "c2").ask(expect=APPROVAL).started().thinking())
        return answers(talk, connection="c2", foreign="Ada")

    refused = {"type": "error_message", "error_code": "FORBIDDEN_THREAD", "error_message": "no"}
    assert rest(approved(attempt().frame(refused, "c2"))).whole() == []
    assert rest(received(attempt().frame(refused, "c2"))).rules() == {"REFUSAL-2"}
    assert rest(approved(attempt().timeout("refusal", 2.0, "c2"))).rules() == {"REFUSAL-2"}


@pytest.mark.parametrize("status", [401, 404, 405, 202, 204])
def test_an_approval_with_an_invalid_token_has_no_effect(status: int) -> None:
    def attempt() -> Talk:
        talk = answers(asks(begun()), unwelcome="no token")
        return talk.add(Responded, "c1", status=status, after_ms=1.0, to=7, what="respond")

    assert denied(attempt()).completed(result=DENIED).whole() == []
    assert rest(approved(attempt())).whole() == []
    accepted = ("REFUSAL-1", "only Ada to be able to answer what this run asks")
    assert rest(received(attempt())).whole()[0] == (*accepted, "input_received after an answer with no token", (7, 9))
    # The time for an answer may be over before the user has answered.
    assert received(attempt(), "expired").completed(result=DENIED).whole() == []
    assert rest(received(attempt(), "expired")).whole()[0][0] == "REFUSAL-1"
    assert rest(attempt()).whole()[0] == (*accepted, "'weather' runs after an answer with no token", (7, 9))


INTERRUPT = {"type": "interrupt", "interrupts": [{"id": "i1", "reason": "approval", "message": "May I?"}]}


def shown(profile: Profile, *frames: Body) -> list[str]:
    reader = profile.reader()
    read = [reader.read(str(frame).replace("'", '"').encode()) for frame in frames]
    return [str(getattr(each, "kind", getattr(each, "because", each))) for each in read]


def test_an_interrupt_of_ag_ui_continues_its_run() -> None:
    run = {"threadId": "t1", "runId": "r1"}
    begins, interrupted = {"type": "RUN_STARTED", **run}, {"type": "RUN_FINISHED", **run, "outcome": INTERRUPT}
    ends = {"type": "RUN_FINISHED", **run, "result": "done"}
    kinds = shown(shipped("ag-ui"), begins, interrupted, begins, ends)
    assert kinds == ["agent_started", "input_requested", "the run continues after an interrupt", "agent_completed"]


def test_other_profiles_read_what_is_asked() -> None:
    ask = {"id": 7, "method": "item/commandExecution/requestApproval"}
    ask["params"] = {"threadId": "t1", "turnId": "r1", "itemId": "k1", "command": "ls"}
    assert shown(shipped("json-rpc"), ask) == ["input_requested"]
    assert shown(shipped("autogenstudio"), {"type": "input_request", "prompt": "Approve?"}) == ["input_requested"]
