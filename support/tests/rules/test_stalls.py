"""What is judged of a trace in which the suite itself stood still, or whose wall clock was moved."""

import pytest
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import ClockMoved, Expect, Stalled, TimedOut

from support.tests.rules.talk import EPOCH_S, Talk, asked, iso


def checked(talk: Talk) -> TraceChecker:
    checker = TraceChecker(talk.profile, talk.budgets, EPOCH_S)
    for record in talk.records:
        checker.feed(record)
    checker.finish()
    return checker


def frozen(talk: Talk, for_s: float, *, noted: bool = True) -> Talk:
    """Time passes in which the suite stands still; what came meanwhile comes next."""
    talk.wait(for_s)
    return talk.add(Stalled, "", for_s=for_s) if noted else talk


@pytest.mark.parametrize("noted", [True, False])
def test_a_judge_that_was_frozen_sees_no_silence(noted: bool) -> None:
    talk = frozen(asked().started().thinking(), 8.0, noted=noted).executing().tool_done().completed()
    assert talk.rules() == (set() if noted else {"TIMELINESS-2"})


@pytest.mark.parametrize("noted", [True, False])
def test_a_judge_that_was_frozen_before_the_run_began(noted: bool) -> None:
    assert frozen(asked(), 8.0, noted=noted).answer().rules() == (set() if noted else {"TIMELINESS-1"})


def test_a_judge_that_was_frozen_while_a_tool_was_open() -> None:
    talk = frozen(asked().started().thinking().executing(), 70.0).tool_done().completed()
    assert talk.rules() == set()


def test_silence_besides_a_short_stall_is_a_finding() -> None:
    """Only the time of the stall is left out."""
    talk = frozen(asked().started().thinking().wait(4.5), 1.0).wait(1.0).executing().tool_done().completed()
    assert talk.rules() == {"TIMELINESS-2"}
    talk = frozen(asked().started().thinking().wait(2.5), 1.0).wait(2.0).executing().tool_done().completed()
    assert talk.rules() == set()


def test_what_a_long_absence_may_have_caused_is_not_judged() -> None:
    """The backend gave up a user who answered no ping."""
    talk = frozen(asked().started().thinking(), 8.0).close("server", 1011)
    checker = checked(talk)
    assert checker.findings == []
    assert "the suite itself stood still for 8.0 s, so that LIFECYCLE-2" in str(checker.registry.stalls)
    assert asked().started().thinking().close("server", 1011).rules() >= {"LIFECYCLE-2"}


def test_a_short_stall_excuses_nothing_but_the_time() -> None:
    checker = checked(frozen(asked().started().thinking(), 0.3).close("server", 1011))
    assert {finding.rule for finding in checker.findings} >= {"LIFECYCLE-2"}
    assert str(checker.registry.stalls) == ""


def test_a_long_absence_excuses_no_wrong_answer() -> None:
    talk = frozen(asked().started().thinking(), 8.0).executing().tool_done().completed(result="Who knows?")
    assert talk.rules() == {"CONTENT-4"}


def test_a_wait_that_ended_in_vain_after_a_long_absence() -> None:
    talk = frozen(asked().started().thinking(), 8.0).wait(7.0)
    talk.add(TimedOut, "c1", waiting_for="end", after_s=7.0, request="q1", run="r1")
    assert checked(talk).registry.stalls.unjudged.keys() >= {"TIMELINESS-2", "LIFECYCLE-2"}


def stamped(at_s: float, moved_s: float, talk: Talk, *steps: str) -> Talk:
    """Events whose stamps are moved."""
    for step in steps:
        getattr(talk, step)(timestamp=iso(talk.at + at_s + moved_s))
    return talk


@pytest.mark.parametrize("moved_s", [60.0, -60.0])
def test_a_wall_clock_that_is_moved_in_mid_run(moved_s: float) -> None:
    talk = asked(Expect(prompt="Research it", thinking=True, paced=True)).started()
    talk.wait(0.4).thinking().wait(0.4).add(ClockMoved, "", by_s=moved_s)
    stamped(0.1, moved_s, talk, "thinking", "completed")
    assert talk.rules() == set()


def test_the_clock_of_another_machine_that_is_moved_says_nothing_of_the_pace() -> None:
    """No event was sent before the question, whatever the stamps say."""
    talk = asked(Expect(prompt="Research it", thinking=True, paced=True)).started()
    talk.wait(0.4).thinking().wait(0.4)
    stamped(0.1, 60.0, talk, "thinking", "completed")
    assert talk.rules() == set()


def test_a_clock_that_runs_backwards_by_itself_is_a_finding() -> None:
    talk = asked(Expect(prompt="Research it", thinking=True)).started().thinking()
    assert stamped(0.1, -60.0, talk, "completed").rules() == {"CONTENT-3"}
