"""Stops, and what follows them: what a healthy backend may do then, and what remains a finding."""

from collections.abc import Callable

import pytest
from greenlight_gate.trace import Expect

from support.tests.rules.talk import Body, Talk, asked

HISTORY = Expect(prompt="Research the history of lighthouses", contains=(("lighthouses",),))
WEATHER = Expect(prompt="What is it like in Oslo?", contains=(("rain",),))
SUM = Expect(prompt="What is 17*23?", contains=(("391",),))
PROVERB = Expect(prompt="Tell me a proverb")
SECOND: Body = {"request": "q2"}
Steps = Callable[[Talk], Talk]


def next_answer(stopped: Expect, asked_next: Expect, said: str, thread: str | None = "t1") -> Talk:
    """The next answer in the thread of a run that was stopped."""
    talk = asked(stopped).started(thread=thread).send("stop", run="r1").stopped(thread=thread)
    talk.ask("q2", asked_next, thread=thread).started("r2", thread=thread, **SECOND)
    return talk.completed("r2", said, thread=thread, **SECOND)


def test_the_next_answer_may_speak_of_what_was_stopped() -> None:
    said = "I have stopped the research on lighthouses, as you asked. 17*23 = 391."
    assert next_answer(HISTORY, SUM, said).whole() == []
    assert next_answer(WEATHER, PROVERB, "It never rains but it pours; after rain comes sunshine.").whole() == []
    assert next_answer(WEATHER, SUM, "There is rain in Oslo. 391").rules() == {"CONTENT-4"}


def test_without_threads_no_answer_is_the_next_one() -> None:
    assert next_answer(WEATHER, SUM, "There is rain in Oslo. 391", thread=None).whole() == []


@pytest.mark.parametrize("ids", [{"request": "q1"}, {"thread": "t1"}, {}], ids=["request", "thread", "none"])
def test_a_stop_need_not_name_the_run(ids: dict[str, str]) -> None:
    assert asked(HISTORY).started().send("stop", **ids).stopped().whole() == []
    assert asked(HISTORY, thread="t1").send("stop", **ids).started().stopped().whole() == []
    assert asked(HISTORY, thread="t1").send("stop", **ids).stopped().whole() == []
    late = asked(HISTORY).started().send("stop", **ids).wait(3).completed(result="About lighthouses: ...")
    assert late.rules() == {"LIFECYCLE-6"}


def test_a_stop_of_one_request_is_none_of_another() -> None:
    talk = asked(HISTORY).started().ask("q2", HISTORY).started("r2", thread="t2", **SECOND).send("stop", request="q1")
    talk.stopped().stopped("r2", thread="t2", **SECOND)
    assert [(finding.rule, finding.run) for finding in talk.findings()] == [("LIFECYCLE-6", "r2")]


def test_an_attempt_to_stop_what_is_another_users_stops_no_run_of_ones_own() -> None:
    talk = (
        Talk()
        .open()
        .open("Bashir", "c2")
        .ask("q2", HISTORY, "c2")
        .started("r2", connection="c2", user="user-bashir", **SECOND)
    )
    talk.send("stop", "c2", foreign="Ada").frame(
        {"type": "error_message", "error_code": "FORBIDDEN_THREAD", "error_message": "no"}, "c2"
    )
    talk.stopped("r2", connection="c2", user="user-bashir", **SECOND)
    assert "LIFECYCLE-6" in talk.rules()


@pytest.mark.parametrize(
    "end", [lambda t: t.stopped(connection="c2"), lambda t: t.completed(connection="c2", result="On lighthouses: ...")]
)
def test_the_time_without_a_connection_does_not_count_for_a_stop(end: Steps) -> None:
    talk = asked(HISTORY).started().thinking().send("stop", run="r1").cut("RST")
    talk.close("nobody", None).wait(6).open(connection="c2").restore("c2", 2, answered=False)
    assert end(talk).restored("c2").whole() == []


def stopped_in_the_queue() -> Talk:
    """A request is stopped while it waits for the one before it in its thread, which takes four seconds."""
    talk = asked().started().thinking().ask("q2", HISTORY, refusable=True, behind="q1").send("stop", run="r2")
    return talk.wait(4).executing().tool_done().completed().started("r2", **SECOND)


def test_a_stop_of_what_waits_counts_from_its_start() -> None:
    assert stopped_in_the_queue().stopped("r2", **SECOND).whole() == []
    assert stopped_in_the_queue().wait(3).stopped("r2", **SECOND).rules() == {"TIMELINESS-5"}


def test_of_several_stops_the_first_one_counts() -> None:
    talk = asked(HISTORY).started().send("stop", run="r1").wait(4).thinking().send("stop", run="r1").wait(1)
    assert talk.completed(result="On lighthouses: ...").rules() == {"LIFECYCLE-6"}


def restored_after_a_stop(last_seq: int) -> Talk:
    """A run was stopped (3), another one in its thread was answered (5), and a second tab asks for what came since."""
    talk = asked(HISTORY).started().executing().send("stop", run="r1").stopped()
    talk.ask("q2", SUM, thread="t1").started("r2", **SECOND)
    talk.completed("r2", "391", **SECOND)
    return talk.open("Ada", "c2").restore("c2", last_seq, answered=False)


def test_what_was_stopped_has_not_worked_on_when_its_thread_is_restored() -> None:
    talk = restored_after_a_stop(2)
    for text in talk.texts()[2:5]:
        talk.frame(text, "c2")
    assert talk.restored("c2").whole() == []

    talk = restored_after_a_stop(5).tool_done(connection="c2").restored("c2")
    assert talk.rules() == {"LIFECYCLE-3"}
