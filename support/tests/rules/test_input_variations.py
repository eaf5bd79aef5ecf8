"""What healthy and hostile backends may do around an approval, and what the rules say of each."""

from typing import Any

import pytest
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.trace import Expect
from greenlight_gate.wire.profile import Profile

from support.tests.rules.broken.inputs import APPROVAL, DENIED, begun
from support.tests.rules.talk import Body, Talk
from support.tests.wire.recorded import PROFILES

# The same wire without the ids of requests for input.
NO_IDS = Profile.from_toml(
    (PROFILES / "agent-events.toml")
    .read_text()
    .replace('input = { at = ["input_id"], is = "id" }', 'input = { at = ["input_id"], is = "id", optional = true }')
)
OSLO: Body = {"city": "Oslo"}
ROME: Body = {"city": "Rome"}


def asks(
    talk: Talk, ident: str | None = "i1", call: str | None = None, args: Body | None = OSLO, tool: str = "weather",
    **values: Any,
) -> Talk:  # fmt: skip
    payload: Body = {"question": "May I?", "choices": ["approve", "deny"], "tool_name": tool, "tool_call_id": call}
    payload |= {"input_id": ident} if ident else {}
    return talk.event("input_requested", {**payload, "parameters": args}, **values)


def says(talk: Talk, ident: str | None = "i1", *, approves: bool = True, received: bool = True, **values: Any) -> Talk:
    """The user answers, and the backend says that it has received the answer."""
    talk.send("respond", run="r1", request="q1", input=ident, approves=approves)
    choice = "approve" if approves else "deny"
    payload: Body = {"choice": choice, **({"input_id": ident} if ident else {})}
    return talk.event("input_received", payload, **values) if received else talk


def runs(
    talk: Talk, call: str | None = None, args: Body | None = OSLO, tool: str = "weather", run: str = "r1",
    **values: Any,
) -> Talk:  # fmt: skip
    return talk.event(
        "tool_executing", {"tool_name": tool, "tool_call_id": call, "parameters": args}, run, **values
    )  # fmt: skip


def done(talk: Talk, call: str | None = None, **values: Any) -> Talk:
    return talk.tool_done(call=call, **values)


def begun_without_ids() -> Talk:
    return Talk(profile=NO_IDS).open().ask(expect=APPROVAL).started().thinking()


def one_after_the_other(*, ids: bool) -> Talk:
    first, second = ("i1", "i2") if ids else (None, None)
    talk = begun() if ids else begun_without_ids()
    done(runs(says(asks(talk, first), first)))
    return done(runs(says(asks(talk, second, args=ROME), second), args=ROME)).completed()


def both_open(*, ids: bool, swapped: bool) -> Talk:
    first, second = ("i1", "i2") if ids else (None, None)
    talk = begun() if ids else begun_without_ids()
    asks(asks(talk, first), second, args=ROME)
    says(says(talk, second), first)
    for args in (ROME, OSLO) if swapped else (OSLO, ROME):
        done(runs(talk, args=args))
    return talk.completed()


@pytest.mark.parametrize("ids", [True, False])
def test_two_approvals_of_one_tool_without_call_ids(ids: bool) -> None:
    assert one_after_the_other(ids=ids).whole() == []
    assert both_open(ids=ids, swapped=False).whole() == []
    assert both_open(ids=ids, swapped=True).whole() == []


def test_without_call_ids_the_arguments_tell_what_was_denied_from_what_was_approved() -> None:
    def asked_both() -> Talk:
        talk = asks(asks(begun(), "i1"), "i2", args=ROME)
        return says(says(talk, "i1"), "i2", approves=False)

    assert done(runs(asked_both())).completed().whole() == []
    assert done(runs(asked_both(), args=ROME)).completed().rules() == {"INPUT-3"}


@pytest.mark.parametrize("tool_of_sub_agent", [True, False])
def test_a_sub_agent_may_ask(tool_of_sub_agent: bool) -> None:
    def sub() -> Talk:
        talk = begun().started("s1", parent_run_id="r1")
        return asks(talk, run="s1", parent_run_id="r1")

    where: dict[str, Any] = {"run": "s1", "parent_run_id": "r1"} if tool_of_sub_agent else {}
    talk = says(sub().wait(30), run="s1", parent_run_id="r1")
    done(runs(talk, **where), **where).completed("s1", result="rain", parent_run_id="r1")
    assert talk.completed().whole() == []
    denied = says(sub(), approves=False, run="s1", parent_run_id="r1")
    assert denied.completed("s1", result="nothing", parent_run_id="r1").completed(result=DENIED).whole() == []
    broken = says(sub(), approves=False, run="s1", parent_run_id="r1")
    assert "INPUT-3" in done(runs(broken, **where), **where).rules()


def test_a_call_may_be_asked_about_twice() -> None:
    for make, first, second in ((begun_without_ids, None, None), (begun, "i1", "i2")):
        twice = says(asks(says(asks(runs(make()), first), first), second), second)
        assert done(twice).completed().whole() == []
        shown_again = says(asks(asks(runs(make()), first), first), first)
        assert done(shown_again).completed().whole() == []
    again = says(asks(asks(runs(begun(), "k1"), "i1", "k1"), "i2", "k1"), "i2")
    assert done(again, "k1").completed().whole() == []
    only_once = asks(says(asks(begun(), "i1", "k1"), "i1"), "i2", "k1")
    assert done(runs(only_once, "k1"), "k1").completed().rules() == {"INPUT-2"}


@pytest.mark.parametrize(
    ("approved", "executed"),
    [
        ({"q": "x"}, {"q": "x", "limit": None}),
        ({"q": "x"}, {"q": "x", "limit": 10, "exact": False, "tags": [], "lang": ""}),
        ({"q": "x", "limit": None}, {"q": "x"}),
        ({"q": "x", "limit": None}, {"q": "x", "limit": 10}),
        ({"q": "x", "limit": "10"}, {"q": "x", "limit": 10}),
        ({"q": {"text": "x"}}, {"q": {"text": "x", "boost": 1.0}}),
        ({"q": "x"}, {"q": "x", "unit": "Oslo"}),
    ],
)
def test_a_server_may_complete_what_was_approved(approved: Body, executed: Body) -> None:
    for call in ("k1", None):
        talk = says(asks(Talk().open().ask(expect=WEATHER).started().thinking(), call=call, args=approved))
        assert done(runs(talk, call, executed), call).completed().whole() == []


WEATHER = Expect(prompt="Ask me before, in Oslo", thinking=True, tools=1, contains=(("rain",),), approval=True)


@pytest.mark.parametrize(
    ("approved", "executed"),
    [
        ({"to": "ada"}, {"to": "bob"}),
        ({"to": "ada"}, {"to": "ada", "bcc": "mallory"}),
        ({"to": "ada"}, {"to": "ada", "more": {"bcc": ["mallory"]}}),
        ({"to": "ada", "dry_run": True}, {"to": "ada"}),
        ({"to": "ada", "amount": 10}, {"to": "ada", "amount": 100}),
        ({"to": ["ada"]}, {"to": ["ada", "bob"]}),
        ({"to": ""}, {"to": "mallory"}),
    ],
)
def test_a_server_may_not_change_what_was_approved(approved: Body, executed: Body) -> None:
    for call in ("k1", None):
        talk = says(asks(begun(), call=call, args=approved))
        assert done(runs(talk, call, executed), call).completed().rules() == {"INPUT-4"}


def test_the_time_of_the_user_is_not_that_of_the_run() -> None:
    budgets = TimeBudgets(tool_s=10, run_s=20, silence_s=5)

    def talk() -> Talk:
        return Talk(budgets).open().ask(expect=APPROVAL).started().thinking()

    assert done(runs(says(asks(talk()).wait(60)))).completed().whole() == []
    assert done(says(asks(runs(talk())).wait(60))).completed().whole() == []
    assert done(runs(says(asks(talk()).wait(60), received=False))).completed().whole() == []
    expired = asks(talk()).wait(60).event("input_received", {"input_id": "i1", "choice": "expired"})
    assert expired.wait(4).completed(result=DENIED).whole() == []
    two = says(asks(asks(runs(talk())), "i2", args=ROME).wait(30), "i2").wait(30)
    assert done(runs(done(says(two)), args=ROME)).completed().whole() == []
    # What the run itself takes counts as ever.
    assert done(runs(says(asks(talk()).wait(60))).wait(12)).completed().rules() == {"TIMELINESS-2", "TIMELINESS-4"}
    assert done(runs(says(asks(talk()).wait(60)).wait(7))).completed().rules() == {"TIMELINESS-2"}


def test_a_run_that_waits_for_its_user_owes_no_event() -> None:
    assert asks(begun()).timeout("end", 60, request="q1", run="r1").whole() == []
    assert asks(begun()).whole() == []
    assert asks(begun()).close("server").rules() == {"LIFECYCLE-2"}


def test_a_retry_of_what_has_failed_needs_no_new_approval() -> None:
    failed = {"tool_name": "weather", "tool_call_id": "k1", "status": "error", "error_message": "busy"}
    talk = runs(says(asks(begun(), call="k1")), "k1").event("tool_completed", failed)
    assert done(runs(talk, "k1"), "k1").completed().whole() == []


def test_a_tool_that_is_approved_once_runs_once() -> None:
    for call in ("k1", None):
        talk = done(runs(says(asks(begun(), call=call)), call), call)
        assert done(runs(talk, call), call).completed().rules() == {"INPUT-4"}
    renamed = done(runs(says(asks(begun(), call="k1")), "k1"), "k1")
    assert done(runs(renamed, "k2"), "k2").completed().rules() == {"INPUT-4"}
    other = done(runs(says(asks(begun(), call="k1")), "k1"), "k1")
    assert done(runs(other, "k2", ROME), "k2").completed().rules() == {"INPUT-1"}


@pytest.mark.parametrize(
    ("call", "tool"), [("k2", "weather"), ("k2", "Weather"), ("k1", "Weather"), (None, "WEATHER"), (None, "weather")]
)
def test_a_denied_tool_does_not_run_under_another_name_or_call(call: str | None, tool: str) -> None:
    talk = says(asks(begun(), call="k1"), approves=False)
    assert done(runs(talk, call, tool=tool), call, tool=tool).completed(result=DENIED).rules() == {"INPUT-3"}


def test_after_a_denial_something_else_may_run() -> None:
    talk = says(asks(begun(), call="k1", tool="email"), approves=False)
    assert done(runs(talk, "k2"), "k2").completed().whole() == []
    again = says(asks(says(asks(begun(), call="k1"), approves=False), "i2", "k2"), "i2")
    assert done(runs(again, "k2"), "k2").completed().whole() == []
    announced = says(asks(runs(begun(), "k1"), call="k1"), approves=False)
    done(announced, "k1", result="declined")
    assert done(says(asks(runs(announced, "k2"), "i2", "k2"), "i2"), "k2").completed().whole() == []


def test_a_tool_may_be_spelled_in_two_ways() -> None:
    talk = says(asks(begun(), call="k1", tool="get_weather"))
    runs(talk, "k1", tool="Get weather").tool_done(tool="Get weather", call="k1")
    assert talk.completed().whole() == []


def test_each_of_two_open_approvals_needs_its_own_answer() -> None:
    for calls in (("k1", "k2"), (None, None)):
        talk = says(asks(asks(begun(), "i1", calls[0]), "i2", calls[1], ROME), "i1")
        runs(runs(talk, calls[0]), calls[1], ROME)
        assert done(done(talk, calls[0]), calls[1]).completed().rules() == {"INPUT-2"}
    unknown = says(asks(asks(begun(), "i1", args=None), "i2", args=None), "i1")
    assert done(done(runs(runs(unknown, args=None), args=None))).completed().rules() == {"INPUT-2"}


def test_what_is_asked_may_have_another_id_after_a_reconnect() -> None:
    def reconnected(call: str | None) -> Talk:
        talk = asks(begun(), "i1", call).cut("FIN").close().open("Ada", "c2").restore("c2", 3, answered=False)
        return asks(talk, "i2", call, connection="c2").restored("c2")

    for call in ("k1", None):
        talk = reconnected(call).send("respond", "c2", run="r1", request="q1", input="i2", approves=True)
        talk.event("input_received", {"input_id": "i2", "choice": "approve"}, connection="c2")
        assert done(runs(talk, call, connection="c2"), call, connection="c2").completed(connection="c2").whole() == []
        unanswered = done(runs(reconnected(call), call, connection="c2"), call, connection="c2")
        assert "INPUT-2" in unanswered.completed(connection="c2").rules()


def test_a_run_that_completes_with_an_open_approval_has_not_waited() -> None:
    waits = Expect(prompt="Ask me before", thinking=True, tools=1, approval=True, input_s=30)
    talk = Talk().open().ask(expect=waits).started().thinking()
    assert asks(talk).wait(1).completed(result=DENIED).rules() == {"INPUT-2"}
    talk = Talk().open().ask(expect=waits).started().thinking()
    assert asks(talk).wait(30).completed(result=DENIED).whole() == []


def test_a_call_that_was_announced_and_not_approved_need_not_be_completed() -> None:
    denied = says(asks(runs(begun(), "k1"), call="k1"), approves=False)
    assert denied.completed(result=DENIED).whole() == []
    expired = asks(runs(begun(), "k1"), call="k1").wait(90)
    expired.event("input_received", {"input_id": "i1", "choice": "expired"})
    assert expired.completed(result=DENIED).whole() == []
    approved = says(asks(runs(begun(), "k1"), call="k1"))
    assert "PAIRING-2" in approved.completed().rules()


def test_an_announced_call_may_get_its_arguments_later() -> None:
    first = done(says(asks(runs(begun(), "k1", {}), "i1", "k1"), "i1"), "k1")
    second = says(asks(runs(first, "k2", {}), "i2", "k2", ROME), "i2")
    assert done(second, "k2").completed().whole() == []
