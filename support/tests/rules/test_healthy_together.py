"""Several things at once that a healthy backend may do: tools, helpers, runs, tabs and users side by side."""

import pytest
from greenlight_gate.trace import Expect
from greenlight_gate.wire.profile import Profile

from support.tests.evidence.folders import PROFILE_TOML
from support.tests.rules.talk import Talk, asked

PLAIN = Expect(prompt="Hello?", thinking=True)


def test_parallel_tools_in_any_order() -> None:
    expect = Expect(prompt="Compare Oslo and Rome", thinking=True, tools=2, parallel=True)
    talk = asked(expect).started().thinking().executing(call="a").executing(call="b")
    assert talk.tool_done(call="b").tool_done(call="a").completed().whole() == []


def test_parallel_tools_without_call_ids() -> None:
    talk = asked().started().thinking().executing(call=None).executing(call=None, tool="news")
    assert talk.tool_done(call=None).tool_done(call=None, tool="news").completed().whole() == []


def test_sub_agents_whose_end_is_not_the_runs() -> None:
    talk = asked().started().thinking()
    inner = {"parent_run_id": "r1"}
    talk.started("h1", **inner).thinking("h1", **inner).executing("h1", **inner).tool_done("h1", **inner)
    assert talk.completed("h1", result="done", **inner).thinking().completed().whole() == []


def test_a_helper_of_a_helper_that_keeps_the_run_alive() -> None:
    talk = asked().started().thinking().started("h1", parent_run_id="r1").executing("h1", parent_run_id="r1")
    talk.started("h2", parent_run_id="h1")
    for _ in range(4):
        talk.wait(4).thinking("h2", parent_run_id="h1")
    talk.completed("h2", parent_run_id="h1").tool_done("h1", parent_run_id="r1").completed("h1", parent_run_id="r1")
    assert talk.wait(4).completed().whole() == []


def test_a_helper_shows_what_happens_while_its_run_waits_for_it() -> None:
    talk = asked(Expect(prompt="Ask your helper", paced=True)).started()
    for step in ("started", "thinking", "thinking", "completed"):
        getattr(talk.wait(0.5), step)("h1", parent_run_id="r1")
    talk.at -= 0.09
    assert talk.thinking().completed().whole() == []


def test_a_late_event_of_a_helper_is_that_helpers() -> None:
    helper = {"parent_run_id": "r1"}
    talk = asked(PLAIN).started().thinking().started("h1", **helper).completed("h1", **helper)
    talk.thinking("h1", **helper).completed()
    assert talk.whole() == [("LIFECYCLE-3", "nothing after the end", "agent_thinking after agent_completed", (7, 8))]


def test_runs_side_by_side_on_one_connection() -> None:
    talk = Talk().open().ask("q1", PLAIN).ask("q2", PLAIN).ask("q3", PLAIN, thread="t2")
    for step in ("started", "thinking", "completed"):
        getattr(talk, step)("r2", request="q2")
        getattr(talk, step)("r1", request="q1")
        getattr(talk, step)("r3", request="q3", thread="t2")
    assert talk.whole() == []


def test_runs_side_by_side_without_request_ids_answered_in_another_order() -> None:
    sun, rain = Expect(prompt="Sun?", contains=(("sun",),)), Expect(prompt="Rain?", contains=(("rain",),))
    talk = Talk().open().ask(None, sun).ask(None, rain)
    talk.started("r2", request=None).started("r1", request=None)
    assert talk.completed("r2", request=None).completed("r1", request=None, result="the sun").whole() == []


def test_two_tabs_of_one_user_in_one_thread() -> None:
    talk = Talk().open().open("Ada", "c2")
    talk.ask("q1", thread="t1").answer()
    talk.ask("q2", connection="c2", thread="t1").answer("r2", connection="c2", request="q2")
    talk.ask("q3", thread="t1").ask("q4", connection="c2", thread="t1")
    for step in ("started", "thinking", "executing", "tool_done", "completed"):
        getattr(talk, step)("r3", request="q3")
        getattr(talk, step)("r4", request="q4", connection="c2")
    assert talk.whole() == []


def test_a_tab_closed_in_the_middle_of_an_answer_leaves_numbers_that_nobody_saw() -> None:
    talk = Talk().open().open("Ada", "c2").ask("q1", connection="c2").started(connection="c2").close(connection="c2")
    talk.ask("q2").started("r2", request="q2", seq=5).thinking("r2", request="q2", seq=9)
    talk.executing("r2", request="q2").tool_done("r2", request="q2").completed("r2", request="q2")
    assert talk.whole() == []


def test_two_users_at_once() -> None:
    talk = Talk().open().open("Bashir", "c2").ask("q1").ask("q2", connection="c2")
    bashir = {"request": "q2", "connection": "c2", "thread": "t2", "user": "user-bashir"}
    for step in ("started", "thinking", "executing", "tool_done", "completed"):
        getattr(talk, step)("r1")
        getattr(talk, step)("r2", **bashir)
    assert talk.whole() == []


def test_a_thread_is_restored_in_a_second_tab() -> None:
    talk = asked().started().thinking()
    seen = talk.texts()
    talk.open("Ada", "c2").send("restore", "c2", thread="t1", last_seq=0)
    for text in seen:
        talk.frame(text, "c2")
    talk.frame({"type": "session_restored", "thread_id": "t1", "replayed": 2}, "c2")
    for step in ("executing", "tool_done", "completed"):
        body = talk.body(
            {"executing": "tool_executing", "tool_done": "tool_completed", "completed": "agent_completed"}[step],
            {"tool_name": "weather", "tool_call_id": "k1", "result": "there is rain"},
        )
        talk.frame(body, "c2").frame(body, "c1")
    assert talk.whole() == []


@pytest.mark.parametrize("order", [("c1", "c2"), ("c2", "c1")])
def test_a_helper_begins_in_a_thread_that_two_tabs_are_shown(order: tuple[str, str]) -> None:
    talk = asked().started().thinking()
    seen = talk.texts()
    talk.open("Ada", "c2").restore("c2", 0, answered=False)
    for text in seen:
        talk.frame(text, "c2")
    talk.restored("c2")
    for step, run in (
        ("started", "h1"),
        ("completed", "h1"),
        ("executing", "r1"),
        ("tool_done", "r1"),
        ("completed", "r1"),
    ):
        getattr(talk, step)(run, connection=order[0], **({"parent_run_id": "r1"} if run == "h1" else {}))
        talk.frame(talk.last_text(), order[1])
    assert talk.whole() == []


def test_an_ended_answer_is_shown_again_twice_in_the_same_tab() -> None:
    talk = asked().answer()
    seen = talk.texts()
    for _ in range(2):
        talk.send("restore", thread="t1", last_seq=0)
        for text in seen:
            talk.frame(text)
        talk.frame({"type": "session_restored", "thread_id": "t1"})
    assert talk.ask("q2").answer("r2", request="q2").whole() == []


def test_a_stopped_answer_is_shown_again_with_the_helper_that_it_left() -> None:
    talk = asked().started().started("h1", parent_run_id="r1").send("stop", run="r1").stopped()
    seen = talk.texts()
    talk.send("restore", thread="t1", last_seq=0)
    for text in seen:
        talk.frame(text)
    assert talk.restored("c1").whole() == []


def test_a_run_under_way_is_shown_again_in_its_own_tab() -> None:
    talk = asked().started().thinking().executing()
    seen = talk.texts()
    talk.send("restore", thread="t1", last_seq=0)
    for text in seen:
        talk.frame(text)
    talk.frame({"type": "session_restored", "thread_id": "t1"})
    assert talk.tool_done().completed().whole() == []


@pytest.mark.parametrize("by", ["client", "nobody"])
def test_a_run_goes_on_after_a_lost_connection(by: str) -> None:
    talk = asked().started().thinking().close(by, 1000 if by == "client" else None)
    talk.open("Ada", "c2", attempt=2).send("restore", "c2", thread="t1", last_seq=2)
    talk.executing(connection="c2").frame({"type": "session_restored", "thread_id": "t1"}, "c2")
    talk.tool_done(connection="c2").completed(connection="c2")
    assert talk.rules() <= {"CONNECTION-3"}  # the broken line itself


KEEPING = Profile.from_toml(f'{PROFILE_TOML}\n[values]\nsession = {{ value = "{{uuid}}", each = "tab" }}\n')


@pytest.mark.parametrize(("session", "rules"), [("s-1", set()), ("s-2", {"IDENTITY-1"})])
def test_a_run_goes_on_where_its_tab_has_connected_again(session: str, rules: set[str]) -> None:
    talk = Talk(profile=KEEPING).open(values={"session": "s-1"}).ask().started().close("server", 1001)
    talk.open("Ada", "c2", attempt=2, values={"session": session}).ask("q2", connection="c2")
    talk.thinking(connection="c2")
    assert talk.rules() & {"IDENTITY-1"} == rules


@pytest.mark.parametrize(("session", "rules"), [("s-1", set()), ("s-2", {"IDENTITY-1", "PAIRING-1"})])
def test_a_run_may_have_begun_unseen_before_its_tab_connected_again(session: str, rules: set[str]) -> None:
    talk = Talk(profile=KEEPING).open(values={"session": "s-1"}).ask().started().close("server", 1001)
    talk.open("Ada", "c2", attempt=2, values={"session": session}).ask("q3", connection="c2")
    talk.started("r3", connection="c2", request="q3")
    talk.tool_done("r2", connection="c2", request=None)
    assert talk.rules() & {"IDENTITY-1", "PAIRING-1"} == rules


def test_a_thread_of_an_earlier_day_is_restored() -> None:
    talk = Talk().open().send("restore", thread="t1", last_seq=40)
    talk.started("old", seq=41).completed("old").frame({"type": "session_restored", "thread_id": "t1"})
    assert talk.ask(thread="t1").answer().whole() == []
