"""What is refused as it should be is no finding, in each way that a profile may list."""

import msgspec
import pytest
from greenlight_gate.client.canary_factory import canary_of
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.trace import Closed
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.refusals import RefusalKinds, Refusals
from greenlight_gate.wire.spec import Promises

from support.tests.rules.broken.refusal import FORBIDDEN, expiring, intruder, two, unwelcome_stop
from support.tests.rules.talk import PROFILE, Talk, asked

UNAUTHENTICATED = {"type": "error_message", "error_code": "UNAUTHENTICATED", "error_message": "sign in again"}
BASHIR = {"connection": "c2", "request": "q2", "user": "user-bashir"}


QUIET = """
name = "quiet"
[[ignore]]
when = { type = "notice" }
because = "news for all"
[[event]]
when = { type = "go" }
is = "agent_started"
run = "run"
[[event]]
when = { type = "end" }
is = "agent_completed"
run = "run"
text = "text"
[send.start]
text = "{prompt}"
[refusals.entry]
close = [4401]
"""


def refusing(**ways: RefusalKinds) -> Profile:
    """The default profile, with other ways of refusing."""
    return Profile(msgspec.structs.replace(PROFILE.spec, refusals=Refusals(**ways)))


def judged_by(profile: Profile, talk: Talk) -> list[str]:
    talk.profile = profile
    return [f"{finding.rule} {finding.actual}" for finding in talk.findings()]


@pytest.mark.parametrize(
    "talk",
    [
        Talk().add(Closed, "c1", by="server", during="handshake", status=403, user="Ada", unwelcome="no token"),
        intruder().close("server", 4401),
        intruder().close("server", 1008),
        intruder().frame(UNAUTHENTICATED).close("server", 1000),
        intruder().frame(UNAUTHENTICATED).close("nobody", None),
    ],
)
def test_whoever_comes_without_a_valid_pass_is_turned_away(talk: Talk) -> None:
    assert talk.whole() == []


@pytest.mark.parametrize("values", [{"unwelcome": "no token"}, {"foreign": "Ada"}])
def test_a_server_that_is_gone_has_refused_nobody(values: dict[str, str]) -> None:
    gone = {"by": "nobody", "during": "handshake", "reason": "Connection refused", "user": "Bashir", **values}
    assert Talk().add(Closed, "c1", unreachable=True, **gone).findings()[0].rule == "CONNECTION-1"
    assert Talk().add(Closed, "c1", **{**gone, "unwelcome": "no token"}).findings()[0].rule == "REFUSAL-1"


def test_what_another_user_has_is_refused() -> None:
    talk = two().ask("q2", None, "c2", thread="t1", foreign="Ada").frame({**FORBIDDEN, "request_id": "q2"}, "c2")
    talk.send("restore", "c2", thread="t1", last_seq=0, foreign="Ada").frame(FORBIDDEN, "c2")
    assert talk.ask("q3", connection="c2").answer("r3", **{**BASHIR, "request": "q3", "thread": "t2"}).whole() == []


BUSY = {"type": "error_message", "error_code": "BUSY", "error_message": "wait for the end of the answer"}


def asked_beside(talk: Talk, behind: str) -> Talk:
    """Bashir asks in Ada's thread, in which she is answered."""
    talk.open("Bashir", "c2").ask("q2", None, "c2", thread="t1", foreign="Ada", behind=behind)
    return talk.frame({**BUSY, "request_id": "q2"}, "c2").thinking().executing().tool_done().completed()


def test_a_conversation_in_use_may_be_refused_to_others_as_one_that_is_busy() -> None:
    assert asked_beside(asked().started(), "q1").whole() == []
    found = asked_beside(asked().started(), "").findings()
    assert [f"{finding.rule} {finding.actual}" for finding in found] == ["REFUSAL-2 error BUSY"]


LEAK = ("Ask for {canary} first.", "ISOLATION-1"), ("Run r1-of-ada-4711 is under way.", "ISOLATION-2")


@pytest.mark.parametrize(("text", "rule"), LEAK)
def test_an_error_that_says_busy_shows_nothing_of_the_owner(text: str, rule: str) -> None:
    text = text.replace("{canary}", canary_of("Ada"))
    talk = in_use("q1", run="r1-of-ada-4711").frame({**BUSY, "error_message": text, "request_id": "q2"}, "c2")
    assert rest_of(talk, run="r1-of-ada-4711").rules() == {rule}


@pytest.mark.parametrize(("code", "found"), [
    ("BUSY", set()), ("409", set()), ("503", set()), ("4409", set()), ("500", {"REFUSAL-2"}), ("-32603", {"REFUSAL-2"})
])  # fmt: skip
def test_an_error_that_says_that_the_server_has_failed_is_no_refusal_of_one_that_is_busy(
    code: str, found: set[str]
) -> None:
    talk = in_use("q1").frame({**BUSY, "error_code": code, "request_id": "q2"}, "c2")
    assert rest_of(talk).rules() == found


def in_turn(asked_meanwhile: str, alone: str, *, times: int = 3) -> Talk:
    """Ada asks the same again and again, by turns alone and while Bashir asks in her thread, who is refused."""
    talk, answers = Talk().open().open("Bashir", "c2"), (asked_meanwhile, alone) * times
    for number, answer in enumerate(answers):
        names = {"request": f"q{number}", "run": f"r{number}"}
        talk.ask(names["request"]).started(**names)
        if number % 2 == 0:
            talk.ask(f"b{number}", None, "c2", thread="t1", foreign="Ada", behind=names["request"])
            talk.frame({**BUSY, "request_id": f"b{number}"}, "c2")
        talk.thinking(**names).executing(**names).tool_done(**names)
        talk.completed(result=answer.format(n=number), **names)
    return talk


RAIN = "There is rain in Oslo."
SNOW = "There is rain in Oslo, and snow in Bergen."


@pytest.mark.parametrize(
    ("meanwhile", "alone", "times"), [(RAIN, RAIN, 4), (RAIN + " {n}", RAIN + " {n}", 4), (SNOW, RAIN, 2)]
)
def test_an_answer_that_varies_by_itself_or_not_at_all_shows_no_effect_of_another_user(
    meanwhile: str, alone: str, times: int
) -> None:
    assert in_turn(meanwhile, alone, times=times).whole() == []


def test_an_answer_that_is_another_one_whenever_another_user_asks_meanwhile_is_an_effect() -> None:
    found = in_turn(SNOW, RAIN, times=4).findings()
    assert [(finding.rule, finding.user) for finding in found] == [("REFUSAL-2", "Ada")]
    assert "3 times in a row when nobody else asks there" in found[0].expected


def rest_of(talk: Talk, **names: str) -> Talk:
    return talk.thinking(**names).executing(**names).tool_done(**names).completed(**names)


def in_use(behind: str, **names: str) -> Talk:
    """Bashir asks in Ada's thread, in which she is answered."""
    talk = asked().started(**names).open("Bashir", "c2")
    return talk.ask("q2", None, "c2", thread="t1", foreign="Ada", behind=behind)


@pytest.mark.parametrize("code", [1008, 1013, 4409])
def test_a_close_that_says_no_refuses_a_conversation_in_use(code: int) -> None:
    def rest(talk: Talk) -> Talk:
        return talk.close("server", code, "c2").thinking().executing().tool_done().completed()

    assert rest(in_use("q1")).whole() == []
    assert {finding.rule for finding in rest(in_use("")).findings()} == {"REFUSAL-2"}


@pytest.mark.parametrize("code", [1000, 1011, None])
def test_a_close_that_says_nothing_of_a_refusal_is_none_of_a_conversation_in_use(code: int | None) -> None:
    assert "REFUSAL-2" in {finding.rule for finding in in_use("q1").close("server", code, "c2").findings()}


STATUS = refusing(foreign=RefusalKinds(status=(403,), error=("FORBIDDEN_THREAD",)))


@pytest.mark.parametrize(("status", "behind", "found"), [
    (409, "q1", []), (503, "q1", []), (409, "", ["REFUSAL-2 HTTP 409"]), (500, "q1", ["REFUSAL-2 HTTP 500"])
])  # fmt: skip
def test_the_address_of_a_conversation_in_use_may_be_refused_as_busy(
    status: int, behind: str, found: list[str]
) -> None:
    talk = asked().started().add(
        Closed, "c2", by="server", during="handshake", status=status, user="Bashir", foreign="Ada", behind=behind
    )  # fmt: skip
    assert judged_by(STATUS, talk.thinking().executing().tool_done().completed()) == found


def test_a_connection_to_a_conversation_in_use_may_be_closed_as_busy() -> None:
    profile = refusing(foreign=RefusalKinds(close=(4403,)))
    for behind, found in (("q1", []), ("", ["REFUSAL-2 a close with 4409"])):
        talk = asked().started().open("Bashir", "c2", ready=False, foreign="Ada", behind=behind)
        talk.close("server", 4409, "c2").thinking().executing().tool_done().completed()
        assert judged_by(profile, talk) == found


def test_another_users_run_goes_on_although_somebody_says_stop() -> None:
    talk = asked().started().thinking().open("Bashir", "c2").send("stop", "c2", run="r1", foreign="Ada")
    talk.frame(FORBIDDEN, "c2").executing().tool_done().completed()
    assert talk.whole() == []


@pytest.mark.parametrize("status", [401, 403, 404, 405, 500, 202, 204])
def test_a_stop_with_an_invalid_token_that_changes_nothing_is_refused(status: int) -> None:
    assert unwelcome_stop(status).executing().tool_done().completed().whole() == []


def test_a_run_that_fails_after_a_stop_with_an_invalid_token_was_not_stopped() -> None:
    assert unwelcome_stop(401).failed().rules() == {"CONTENT-4"}


def test_a_stop_with_an_invalid_token_is_no_stop_of_the_user() -> None:
    """The user has stopped the run as well: it may end so, and has to."""
    assert unwelcome_stop(401).send("stop", run="r1").stopped().whole() == []
    late = unwelcome_stop(401).send("stop", run="r1").executing().tool_done().wait(8.0).completed()
    assert "LIFECYCLE-6" in late.rules()


def test_a_refusal_may_name_the_request_whose_run_was_to_be_stopped() -> None:
    talk = asked().started().thinking().open("Bashir", "c2").send("stop", "c2", run="r1", request="q1", foreign="Ada")
    talk.frame({**FORBIDDEN, "request_id": "q1"}, "c2").executing().tool_done().completed()
    assert talk.whole() == []


def test_what_a_user_named_themselves_may_be_repeated_to_them() -> None:
    talk = asked().answer(thread="thread-of-ada-1").open("Bashir", "c2")
    talk.ask("q2", None, "c2", thread="thread-of-ada-1", foreign="Ada")
    talk.frame({**FORBIDDEN, "error_message": "thread-of-ada-1 is not yours", "request_id": "q2"}, "c2")
    assert talk.whole() == []


def test_a_cookie_is_not_shown_to_anybody() -> None:
    secret = "eyJhbGciOiJIUzI1.eyJzdWIiOiJ1MTIz.c2lnbmF0dXJl"
    assert Talk().open(headers=(f"Set-Cookie: id={secret}",)).whole() == []
    assert Talk().open(headers=(f"X-Debug: {secret}",)).rules() == {"CONTENT-5"}


def test_after_a_flood_of_pings_a_order_may_break_without_a_word() -> None:
    assert Talk().open().send("pings").close("nobody", None).whole() == []
    assert Talk().open().close("nobody", None).rules() == {"CONNECTION-3"}


def test_a_client_that_floods_may_be_dropped_in_mid_run() -> None:
    """As Node's `ws` does, which terminates a connection with more than 128 unanswered automatic pongs."""
    assert Talk().open().send("pings").ask().started().close("nobody", None).whole() == []
    assert Talk().open().ask().started().close("nobody", None).rules() == {"CONNECTION-3", "LIFECYCLE-2"}


def test_an_invalid_request_that_is_answered_is_no_run_that_nobody_asked_for() -> None:
    talk = Talk().open().send("invalid", request="q9").answer("r9", request="q9").timeout("refusal", 2.0)
    assert talk.whole() == [("REFUSAL-4", "a clear error", "agent_started instead", (3, 9))]


def test_an_invalid_request_whose_run_fails_is_refused_by_what_that_says() -> None:
    sent = Talk().open().send("invalid", request="q9").started("r9", request="q9")
    assert sent.failed("r9", request="q9").ask().answer().whole() == []

    sent = Talk().open().send("invalid", request="q9").started("r9", request="q9")
    silent = sent.event("agent_failed", {"error_code": "", "error_message": " "}, "r9", request="q9")
    assert "REFUSAL-4" in silent.rules()


def test_an_answer_that_comes_long_after_the_refusal_was_waited_for_is_owed_nothing() -> None:
    talk = Talk().open().send("invalid", request="q9").timeout("refusal", 2.0).started("r9", request="q9")
    assert talk.rules() == {"REFUSAL-4"}


def test_an_invalid_request_is_refused_by_its_own_id() -> None:
    bad = {"type": "error_message", "error_code": "BAD_REQUEST", "error_message": "no prompt", "request_id": "q9"}
    assert Talk().open().send("invalid", request="q9").frame(bad).ask().answer().whole() == []


def test_an_echo_that_is_longer_than_the_suite_receives_is_not_malformed() -> None:
    bad = {"type": "error_message", "error_code": "TOO_LARGE", "error_message": "too large"}
    assert Talk().open().send("invalid", request="q9").frame(bad).close("client", 1009).whole() == []
    assert Talk().open().close("client", 1009).rules() == {"CONTENT-2"}


def test_a_fresh_conversation_is_told_apart_from_another_users() -> None:
    def talk() -> Talk:
        begun = two().ask("q2", None, "c2", thread="t1", foreign="Ada")
        return begun.answer("r2", **BASHIR, thread="t2")

    assert talk().whole() == []
    strict = refusing(foreign=RefusalKinds(error=("FORBIDDEN_THREAD",)))
    assert judged_by(strict, talk()) == ["REFUSAL-2 agent_started in a new thread"]


def test_an_empty_restore_is_told_apart_from_another_users() -> None:
    def talk() -> Talk:
        begun = two().send("restore", "c2", thread="t1", last_seq=0, foreign="Ada")
        return begun.frame({"type": "session_restored", "thread_id": "t1", "replayed": 0}, "c2")

    assert talk().whole() == []
    strict = refusing(foreign=RefusalKinds(error=("FORBIDDEN_THREAD",)))
    assert judged_by(strict, talk()) == ["REFUSAL-2 restored"]


def test_a_wire_without_errors_may_ignore_what_it_refuses() -> None:
    talk = two().send("restore", "c2", thread="t1", last_seq=0, foreign="Ada").timeout("refusal", 2.0, "c2")
    assert judged_by(refusing(foreign=RefusalKinds(ignored=True)), talk) == []


def test_a_backend_may_show_whoever_reaches_out_the_door() -> None:
    talk = two().send("restore", "c2", thread="t1", last_seq=0, foreign="Ada").close("server", 1008, "c2")
    assert judged_by(refusing(foreign=RefusalKinds(close=(1008,))), talk) == []


def test_a_claimed_user_id_is_ignored() -> None:
    talk = two().ask("q2", connection="c2", foreign="Ada", claims="user-ada")
    assert talk.answer("r2", **BASHIR, thread="t2").whole() == []


def test_a_claimed_user_id_may_be_refused() -> None:
    talk = two().ask("q2", connection="c2", foreign="Ada", claims="user-ada")
    assert talk.frame({**FORBIDDEN, "request_id": "q2"}, "c2").whole() == []


def test_nothing_is_owed_to_a_user_whose_pass_has_ended() -> None:
    talk = expiring(at=0.5).ask().started().frame(UNAUTHENTICATED).close("server", 4401)
    assert talk.whole() == []


def test_a_run_that_may_outlive_its_token_is_owed_its_end_and_no_other_is() -> None:
    promising = Profile(
        msgspec.structs.replace(
            PROFILE.spec, promises=Promises(ready=True, gap_free_seq=True, runs_outlive_tokens=True)
        )
    )

    def begun() -> Talk:
        return expiring(at=0.5).ask().started().wait(4.0).thinking().executing().tool_done()

    finished = begun().completed().frame(UNAUTHENTICATED).close("server", 4401)
    assert judged_by(promising, finished) == []
    assert begun().completed().rules() == {"REFUSAL-3"}
    thrown_out = begun().frame(UNAUTHENTICATED).close("server", 4401)
    assert judged_by(promising, thrown_out) == ["LIFECYCLE-2 4 events and no end"]
    assert judged_by(promising, begun().completed().wait(3.0).ask("q2").answer("r2", request="q2"))[0] == (
        "REFUSAL-3 agent_started 7.5 s after it"
    )


def test_a_pass_that_has_ended_may_be_refused_when_it_is_used() -> None:
    talk = expiring(at=0.5).wait(3.0).ask().frame({**UNAUTHENTICATED, "request_id": "q1"})
    assert judged_by(refusing(expiry=RefusalKinds(error=("UNAUTHENTICATED",))), talk) == []


def test_a_target_may_declare_for_how_long_a_token_is_accepted_after_its_end() -> None:
    late = expiring(at=0.5).wait(5.0).ask().answer()
    assert late.rules() == {"REFUSAL-3"}
    late.budgets = TimeBudgets(token_leeway_s=10)
    assert late.whole() == []


def test_what_the_profile_ignores_gives_no_access() -> None:
    profile = Profile.from_toml(QUIET)
    came = Talk().open(ready=False, unwelcome="an expired token").frame({"type": "notice"})
    assert judged_by(profile, came.close("server", 4401)) == []
    accepted = Talk().open(ready=False, unwelcome="an expired token").frame({"type": "go", "run": "r1"})
    assert judged_by(profile, accepted) == ["REFUSAL-1 accepted with an expired token, and sent agent_started"]


def test_what_comes_right_before_the_end_of_a_pass_is_judged_as_ever() -> None:
    talk = expiring(at=60.0).ask().started().close("server", 4401)
    assert talk.whole() == [("LIFECYCLE-2", "one end", "1 event and no end", (3, 4, 5))]


def test_what_everybody_is_shown_by_design_accuses_nobody_and_is_counted() -> None:
    broadcasting = Profile(
        msgspec.structs.replace(PROFILE.spec, promises=Promises(ready=True, foreign="broadcast-by-design"))
    )
    talk = asked().open("Bashir", "c2")
    for step in (talk.started, talk.thinking, talk.executing, talk.tool_done, talk.completed):
        step()
        talk.frame(talk.last_text(), "c2")
    assert talk.rules() == {"ISOLATION-2"}
    assert judged_by(broadcasting, talk) == []
