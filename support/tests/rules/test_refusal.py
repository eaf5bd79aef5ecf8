"""What is refused as it should be is no finding, in each way that a profile may list."""

import msgspec
import pytest
from greenlight_gate.trace import Closed
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.refusals import Refusals, Ways
from greenlight_gate.wire.spec import Promises

from support.tests.rules.broken.refusal import FORBIDDEN, expiring, intruder, two
from support.tests.rules.talk import PROFILE, Talk, asked

UNAUTHENTICATED = {"type": "error_message", "error_code": "UNAUTHENTICATED", "error_message": "sign in again"}
BASHIR = {"connection": "c2", "request": "q2", "user": "user-bashir"}


def refusing(**ways: Ways) -> Profile:
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


def test_what_another_user_has_is_refused() -> None:
    talk = two().ask("q2", None, "c2", thread="t1", foreign="Ada").frame({**FORBIDDEN, "request_id": "q2"}, "c2")
    talk.send("restore", "c2", thread="t1", last_seq=0, foreign="Ada").frame(FORBIDDEN, "c2")
    assert talk.ask("q3", connection="c2").answer("r3", **{**BASHIR, "request": "q3", "thread": "t2"}).whole() == []


def test_another_users_run_goes_on_although_somebody_says_stop() -> None:
    talk = asked().started().thinking().open("Bashir", "c2").send("stop", "c2", run="r1", foreign="Ada")
    talk.frame(FORBIDDEN, "c2").executing().tool_done().completed()
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


def test_a_fresh_conversation_is_told_apart_from_another_users() -> None:
    def talk() -> Talk:
        begun = two().ask("q2", None, "c2", thread="t1", foreign="Ada")
        return begun.answer("r2", **BASHIR, thread="t2")

    assert talk().whole() == []
    strict = refusing(foreign=Ways(error=("FORBIDDEN_THREAD",)))
    assert judged_by(strict, talk()) == ["REFUSAL-2 agent_started in a new thread"]


def test_an_empty_restore_is_told_apart_from_another_users() -> None:
    def talk() -> Talk:
        begun = two().send("restore", "c2", thread="t1", last_seq=0, foreign="Ada")
        return begun.frame({"type": "session_restored", "thread_id": "t1", "replayed": 0}, "c2")

    assert talk().whole() == []
    strict = refusing(foreign=Ways(error=("FORBIDDEN_THREAD",)))
    assert judged_by(strict, talk()) == ["REFUSAL-2 restored"]


def test_a_wire_without_errors_may_ignore_what_it_refuses() -> None:
    talk = two().send("restore", "c2", thread="t1", last_seq=0, foreign="Ada").timeout("refusal", 2.0, "c2")
    assert judged_by(refusing(foreign=Ways(ignored=True)), talk) == []


def test_a_backend_may_show_whoever_reaches_out_the_door() -> None:
    talk = two().send("restore", "c2", thread="t1", last_seq=0, foreign="Ada").close("server", 1008, "c2")
    assert judged_by(refusing(foreign=Ways(close=(1008,))), talk) == []


def test_a_claimed_user_id_is_ignored() -> None:
    talk = two().ask("q2", connection="c2", foreign="Ada", claims="user-ada")
    assert talk.answer("r2", **BASHIR, thread="t2").whole() == []


def test_a_claimed_user_id_may_be_refused() -> None:
    talk = two().ask("q2", connection="c2", foreign="Ada", claims="user-ada")
    assert talk.frame({**FORBIDDEN, "request_id": "q2"}, "c2").whole() == []


def test_nothing_is_owed_to_a_user_whose_pass_has_ended() -> None:
    talk = expiring(at=0.5).ask().started().frame(UNAUTHENTICATED).close("server", 4401)
    assert talk.whole() == []


def test_a_pass_that_has_ended_may_be_refused_when_it_is_used() -> None:
    talk = expiring(at=0.5).wait(3.0).ask().frame({**UNAUTHENTICATED, "request_id": "q1"})
    assert judged_by(refusing(expiry=Ways(error=("UNAUTHENTICATED",))), talk) == []


def test_what_comes_right_before_the_end_of_a_pass_is_judged_as_ever() -> None:
    talk = expiring(at=60.0).ask().started().close("server", 4401)
    assert talk.whole() == [("LIFECYCLE-2", "one end", "1 events and no end", (3, 4, 5))]


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
