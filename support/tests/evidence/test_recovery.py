"""How long users needed to come back: literal traces in, figures out."""

from greenlight_gate.evidence.recovery import Recovery
from greenlight_gate.trace import KILL, Received, Stalled

from support.tests.rules.talk import PROFILE, Talk, asked


def times(talk: Talk) -> list[float]:
    """Each time in seconds, as one sample after the other."""
    recovery = Recovery()
    for record in talk.records:
        recovery.take(record, PROFILE.read(record.raw()) if isinstance(record, Received) else None)
    recovery.end_of_trace()
    summary = recovery.times.summary()
    return [] if summary is None else [summary.samples, round(summary.avg_ms / 1e3, 3), round(summary.max_ms / 1e3, 1)]


def test_from_the_handshake_until_the_conversation_is_restored() -> None:
    talk = asked().started().cut("FIN").close("nobody", None).wait(30)
    talk.open("Ada", "c2", attempt=2, handshake_ms=50.0).restore("c2", 1)
    # Opened, ready, restore and restored come 0.1 s after each other, and the handshake began 50 ms before.
    assert times(talk) == [1, 0.35, 0.4]


def test_from_the_first_of_several_tries() -> None:
    talk = asked().started().cut(KILL).close("nobody", None).wait(1)
    talk.cut(KILL, "while the backend is down", "c2", user="Ada")
    talk.close("nobody", None, "c2", during="handshake", user="Ada").wait(2)
    talk.close("server", None, "c3", during="handshake", status=503, user="Ada").wait(1)
    talk.open("Ada", "c4", attempt=4).restore("c4", 1)
    assert times(talk)[:2] == [1, 3.6]


def test_without_a_restore_until_the_backend_is_ready() -> None:
    talk = asked().started().cut("FIN").close("nobody", None).open("Ada", "c2", attempt=2, handshake_ms=50.0)
    assert times(talk)[:2] == [1, 0.15]


def test_without_a_restore_until_what_is_asked_again_is_being_answered() -> None:
    talk = asked().started().cut("FIN").close("nobody", None).open("Ada", "c2", attempt=2, handshake_ms=50.0)
    # It took 0.15 s until the backend was ready, and 0.1 s until it answered; in between the user asked for nothing.
    talk.wait(30).ask("q2", connection="c2").started("r2", connection="c2", request="q2")
    assert times(talk)[:2] == [1, 0.25]


def test_a_user_who_asks_again_in_vain_has_not_recovered() -> None:
    talk = asked().started().cut("FIN").close("nobody", None).open("Ada", "c2", attempt=2, handshake_ms=50.0)
    assert times(talk.ask("q2", connection="c2")) == []


def test_whoever_never_comes_back_or_never_left_has_no_time() -> None:
    assert times(asked().started().cut("FIN").close("nobody", None)) == []
    assert times(asked().answer().close().open("Ada", "c2").restore("c2", 5)) == []


def test_users_come_back_each_by_themselves() -> None:
    talk = asked().open("Bashir", "c2").cut("FIN", connection="c2").close("nobody", None, "c2").started()
    assert times(talk.open("Ada", "c3").restore("c3", 1)) == []


def test_the_time_in_which_the_suite_stood_still_counts_for_nobody() -> None:
    trying = asked().started().cut("FIN").close("nobody", None).open("Ada", "c2", attempt=2, handshake_ms=50.0)
    trying.wait(5.0).add(Stalled, "", for_s=5.0)
    assert times(trying.restore("c2", 1))[:2] == [1, 0.45]

    away = asked().started().cut(KILL).close("nobody", None).cut(KILL, "while the backend is down", "c2", user="Ada")
    away.close("nobody", None, "c2", during="handshake", user="Ada").wait(5.0).add(Stalled, "", for_s=5.0)
    assert times(away.open("Ada", "c3", attempt=2).restore("c3", 1))[:2] == [1, 0.6]


def test_a_user_has_resumed_once() -> None:
    twice = asked().started().cut("FIN").close("nobody", None).open("Ada", "c2", attempt=2, handshake_ms=50.0)
    assert times(twice.restore("c2", 1).restored("c2"))[:2] == [1, 0.35]

    greeted_late = asked().started().cut("FIN").close("nobody", None).open("Ada", "c2", attempt=2, ready=False)
    greeted_late.send("restore", "c2", thread="t1", last_seq=1)
    greeted_late.frame({"type": "connection_established", "user_id": "user-ada"}, "c2").restored("c2")
    assert times(greeted_late)[:2] == [1, 0.3]
