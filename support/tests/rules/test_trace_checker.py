"""What the checker of a whole trace hands on to its connections: literal traces."""

from greenlight_gate.rules.engine.canary import canary_word
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import ClockMoved

from support.tests.rules.talk import EPOCH_S, Talk, iso

ADAS, BASHIRS = (canary_word(user, "abcdefgh") for user in ("Ada", "Bashir"))


def late(talk: Talk) -> set[str]:
    """The rules that object to an answer whose stamps are ten minutes ahead."""
    talk.change = lambda body: {**body, "timestamp": iso(talk.at + 600)}
    return talk.answer().rules()


def test_a_clock_that_was_moved_before_a_connection_was_opened_is_moved_for_it_as_well() -> None:
    assert late(Talk().add(ClockMoved, "", by_s=500.0).open().ask()) == set()
    assert late(Talk().open().ask()) == {"CONTENT-3"}


def test_the_whole_handshake_is_searched() -> None:
    refused = Talk().close("server", None, "c3", during="handshake", status=403, user="Ada", body=f"for {BASHIRS}")

    assert "ISOLATION-1" in Talk().open("Ada", subprotocol=BASHIRS).rules()
    assert "ISOLATION-1" in refused.rules()


def test_a_relation_is_of_those_who_were_watched() -> None:
    talk = Talk().open("Ada", "c1").open("Bashir", "c2").open("Chiara", "c3")
    talk.frame({"type": "pong", "nonce": f"{BASHIRS} "}, "c1").frame({"type": "pong", "nonce": f"{ADAS} "}, "c3")
    checker = TraceChecker(talk.profile, talk.budgets, EPOCH_S)
    for record in talk.records:
        checker.feed(record)
    checker.finish()

    assert checker.who_saw_whom == {("Ada", "Bashir"), ("Chiara", "Ada")}
    assert checker.relation("x", ["Ada", "Bashir"]).saw == (("Ada", "Bashir"),)
