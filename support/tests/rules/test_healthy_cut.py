"""Lines that the suite itself cut, and backends that it took away: a healthy backend is not blamed for that."""

import msgspec
import pytest
from greenlight_gate.trace import KILL, RESTART, Expect
from greenlight_gate.wire.profile import Profile

from support.tests.rules.talk import PROFILE, Talk, asked


@pytest.mark.parametrize("by", ["nobody", "client"])
@pytest.mark.parametrize("replayed", [0, 1, 3])
def test_the_rest_of_an_answer_comes_after_the_restore(by: str, replayed: int) -> None:
    talk = asked().started().thinking().cut("FIN", "after event 2", after=2).close(by, None)
    talk.open("Ada", "c2", attempt=2).restore("c2", 2, answered=False)
    for number, step in enumerate(("executing", "tool_done", "completed")):
        if number == replayed:
            talk.restored("c2")
        getattr(talk, step)(connection="c2")
    if replayed == 3:
        talk.restored("c2")
    assert talk.whole() == []


def test_the_whole_answer_comes_after_the_restore() -> None:
    talk = asked().answer().ask("q2", thread="t1").cut("RST", "before event 1", after=0).close("nobody", None)
    talk.open("Ada", "c2", attempt=2).restore("c2", 5, answered=False)
    talk.started("r2", request="q2", connection="c2").thinking("r2", request="q2", connection="c2").restored("c2")
    talk.executing("r2", request="q2", connection="c2").tool_done("r2", request="q2", connection="c2")
    assert talk.completed("r2", request="q2", connection="c2").whole() == []


def test_an_answer_that_had_ended_is_not_owed_again() -> None:
    talk = asked().answer().cut("FIN", "after event 5", after=5).close("nobody", None)
    assert talk.open("Ada", "c2", attempt=2).restore("c2", 5).whole() == []


def test_ten_cuts_in_one_answer() -> None:
    talk = asked().started()
    for number in range(2, 12):
        before, now = f"c{number - 1}", f"c{number}"
        talk.cut("RST", f"after event {number - 1}", before).close("nobody", None, before)
        talk.open("Ada", now, attempt=2).restore(now, number - 1, answered=False).thinking(connection=now)
        talk.restored(now)
    talk.executing(connection="c11").tool_done(connection="c11").completed(connection="c11")
    assert talk.whole() == []


def test_a_long_time_away_is_nobodys_silence() -> None:
    talk = asked(Expect(prompt="Research it", paced=True)).started().thinking().cut("FIN").close("nobody", None)
    talk.wait(20).open("Ada", "c2", attempt=2).restore("c2", 2, answered=False)
    for step in (talk.thinking, talk.executing, talk.tool_done, talk.completed):
        talk.at -= 0.099
        step(connection="c2")
    assert talk.restored("c2").whole() == []


def test_without_a_restore_nothing_is_owed() -> None:
    talk = asked().started().thinking().cut("black hole", "after event 2").close("client", None)
    assert talk.open("Ada", "c2", attempt=2).ask("q2", connection="c2").answer(
        "r2", request="q2", connection="c2", thread="t2"
    ).whole() == []  # fmt: skip


def test_a_connection_that_never_came_about_because_we_cut_it() -> None:
    talk = Talk().cut("RST", "during the handshake", user="Ada")
    talk.close("nobody", None, during="handshake", user="Ada")
    assert talk.open("Ada", "c2", attempt=2).ask(connection="c2").answer(connection="c2").whole() == []


@pytest.mark.parametrize("end", ["stopped", "failed"])
def test_a_backend_that_is_restarted_ends_what_is_under_way(end: str) -> None:
    talk = asked().started().thinking().cut(RESTART, "after event 2 (agent_thinking)")
    getattr(talk, end)()
    assert talk.close("server", 1001).open("Ada", "c2", attempt=2).restore("c2", 3).whole() == []


@pytest.mark.parametrize("end", ["stopped", "failed", "rest"])
def test_a_backend_that_was_killed_ends_or_goes_on_with_what_was_under_way(end: str) -> None:
    talk = asked().started().thinking().cut(KILL, "after event 2").close("nobody", None)
    talk.cut(KILL, "while the backend is down", "c2", user="Ada").close(
        "nobody", None, "c2", during="handshake", user="Ada"
    )
    talk.open("Ada", "c3", attempt=3).restore("c3", 2, answered=False)
    if end == "rest":
        talk.executing(connection="c3").tool_done(connection="c3").completed(connection="c3")
    else:
        getattr(talk, end)(connection="c3")
    assert talk.restored("c3").ask("q2", connection="c3", thread="t1").answer(
        "r2", request="q2", connection="c3"
    ).whole() == []  # fmt: skip


def test_an_answer_that_was_cut_has_to_be_right_all_the_same() -> None:
    talk = asked().started().thinking().cut("FIN").close("nobody", None).open("Ada", "c2").restore("c2", 2)
    talk.executing(connection="c2").tool_done(connection="c2").completed(connection="c2", result="sunshine")
    assert talk.rules() == {"CONTENT-4"}


def test_somebody_elses_cut_is_not_named_in_a_finding() -> None:
    talk = asked().open("Bashir", "c2").cut("FIN", connection="c2").close("nobody", None, "c2")
    (finding,) = talk.started().thinking().findings()
    assert (finding.rule, finding.actual) == ("LIFECYCLE-2", "2 events and no end")


def test_a_restart_excuses_only_what_was_under_way() -> None:
    talk = asked().started().thinking().cut(RESTART).stopped().close("server", 1001)
    talk.open("Ada", "c2").ask("q2", connection="c2").started("r2", request="q2", connection="c2")
    talk.thinking("r2", request="q2", connection="c2").stopped("r2", request="q2", connection="c2")
    assert talk.rules() == {"LIFECYCLE-6"}


def test_a_restored_thread_of_which_nothing_was_shown_may_be_refused() -> None:
    error = {"type": "error_message", "error_code": "FORBIDDEN_THREAD", "error_message": "no", "request_id": None}
    assert Talk().open().send("restore", thread="t9", last_seq=0).frame(error).whole() == []


def test_a_run_that_is_promised_to_end_with_its_connection_shows_that_it_was_stopped() -> None:
    promises = msgspec.structs.replace(PROFILE.promises, runs_end_with_connection=True)
    promising = Profile(msgspec.structs.replace(PROFILE.spec, promises=promises))
    for profile, rules in ((PROFILE, {"LIFECYCLE-6"}), (promising, set())):
        for by, cut in (("client", False), ("nobody", True)):
            talk = Talk(profile=profile).open().ask().started().thinking()
            talk = (talk.cut("RST") if cut else talk).close(by, None).open("Ada", "c2", attempt=2)
            talk.restore("c2", 2, answered=False).stopped(connection="c2").restored("c2")
            assert talk.rules() == rules
        # It still has to end.
        talk = Talk(profile=profile).open().ask().started().close("server", 1011)
        talk.open("Ada", "c2", attempt=2).restore("c2", 1, answered=False).restored("c2").timeout("end", 9, "c2")
        assert "TIMELINESS-2" in talk.rules()
