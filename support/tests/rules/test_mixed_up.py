"""What goes wrong in several ways at once is said once, and of the one whom it concerns: each of these was not."""

from greenlight_gate.trace import Expect

from support.tests.rules.talk import Talk, asked

PLAIN = Expect("What?", thinking=True)


def of(talk: Talk) -> list[tuple[str, str | None, tuple[int, ...]]]:
    return [(f.rule, f.run, f.evidence) for f in talk.findings()]


def test_what_cannot_be_read_may_be_the_begin_of_a_helper_whose_number_is_then_not_missing() -> None:
    talk = asked(PLAIN).started().thinking()
    talk.body("agent_started", {}, "r2")
    talk.frame('{"type": "agent_started", "run')
    talk.thinking("r2", parent_run_id="r1").completed("r2", parent_run_id="r1").completed()
    assert of(talk) == [("CONTENT-2", None, (6,)), ("LIFECYCLE-1", "r2", (7,))]


def test_what_could_not_be_read_explains_no_gap_that_comes_after_it() -> None:
    talk = Talk().open().ask("q1", PLAIN).ask("q2", PLAIN).started("r1")
    talk.started("r2", request="q2")
    talk.body("agent_thinking", {}, "r2")
    talk.frame('{"type": "agent_thinking", "run').thinking("r2", request="q2")
    talk.body("agent_thinking", {}, "r1")
    talk.thinking("r1").completed("r1").completed("r2", request="q2")
    assert of(talk) == [("CONTENT-2", None, (7,)), ("CONTINUITY-3", "r1", (5, 9))]


def test_an_event_counts_in_the_conversation_of_its_run_whatever_it_says() -> None:
    talk = asked(PLAIN).started().thinking()
    talk.body("agent_thinking", {})
    lost = talk.body("agent_completed", {"result": "Rain.", "execution_time_ms": 1})
    talk.frame({**lost, "thread_id": "t9"})
    assert of(talk) == [("IDENTITY-2", "r1", (6,)), ("CONTINUITY-3", "r1", (5, 6))]


def test_whoever_is_shown_the_begin_of_a_conversation_of_somebody_else_does_not_own_it() -> None:
    talk = Talk().open().open("Bashir", "c2").ask("q1", PLAIN)
    talk.started(connection="c2").thinking().completed()
    assert of(talk) == [("ISOLATION-2", None, (6,)), ("LIFECYCLE-1", "r1", (5, 7))]


def test_a_run_whose_begin_cannot_be_read_may_be_stopped() -> None:
    talk = asked(PLAIN)
    talk.body("agent_started", {})
    talk.frame('{"type": "agent_started", "run').send("stop", run="r1").stopped()
    assert of(talk) == [("CONTENT-2", None, (4,)), ("LIFECYCLE-1", "r1", (3, 6))]


def test_the_end_of_a_helper_is_not_the_end_of_a_run_that_goes_by_a_wrong_name() -> None:
    talk = asked(PLAIN).started("null").started("r2", parent_run_id="r1").thinking("r2", parent_run_id="r1")
    talk.completed("r2", parent_run_id="r1").thinking("null").completed("null")
    assert of(talk) == [("IDENTITY-1", None, (4,)), ("IDENTITY-1", "?c1:3", (5,))]


def test_an_event_of_an_answered_question_is_not_of_another_run_whose_id_it_bears() -> None:
    talk = Talk().open().ask("q1", PLAIN).ask("q2", PLAIN)
    talk.started("r1").thinking("r1").started("r2", request="q2").completed("r1")
    talk.executing("r2", request="q1").thinking("r2", request="q2").completed("r2", request="q2")
    assert of(talk) == [("IDENTITY-1", None, (9,))]


def test_a_helper_of_a_question_that_names_an_older_run_says_nothing_after_the_end_of_that() -> None:
    talk = Talk().open().ask("q1", PLAIN).started("r1").thinking("r1").completed("r1").ask("q2", PLAIN)
    talk.started("r2", request="q2").started("r3", request="q2", parent_run_id="r1")
    talk.thinking("r3", request="q2", parent_run_id="r1").completed("r3", request="q2", parent_run_id="r1")
    talk.thinking("r2", request="q2").completed("r2", request="q2")
    assert of(talk) == [("IDENTITY-1", "r2", (9,))]
