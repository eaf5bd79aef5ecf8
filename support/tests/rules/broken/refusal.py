"""Walls with holes: users let in without a pass, let into what is another's, or left in when their pass ends."""

from typing import Any

from greenlight_gate.trace import Closed, Expect, Opened, Responded

from support.tests.rules.broken.base import BASHIR, broken
from support.tests.rules.talk import Talk, asked

AT_THE_DOOR = "HTTP 401 or 403 or error UNAUTHENTICATED or a close with 4401 or 1008"
ELSEWHERE = "(error FORBIDDEN_THREAD or BAD_REQUEST or a fresh and empty conversation)"
AT_THE_END = "Ada disconnected when the token expires (error UNAUTHENTICATED or a close with 4401 or 1008)"
NOTHING = Expect()
FORBIDDEN = {"type": "error_message", "error_code": "FORBIDDEN_THREAD", "error_message": "not yours"}


def intruder(unwelcome: str = "an expired token") -> Talk:
    """Somebody whom nobody should have let in; record 1."""
    return Talk().add(Opened, "c1", user="Ada", unwelcome=unwelcome)


def two() -> Talk:
    """Ada has an answer in t1, Bashir is connected; records 1 to 10."""
    return asked().answer().open("Bashir", "c2")


def unwelcome_stop(status: int, unwelcome: str = "no token", **values: str | None) -> Talk:
    """A stop of Ada's run is sent with an invalid token, and answered with this status; records 6 and 7."""
    sent: dict[str, Any] = {"run": "r1", **values}
    talk = asked().started().thinking().send("stop", unwelcome=unwelcome, **sent)
    return talk.add(Responded, "c1", status=status, after_ms=1.0, to=6, what="stop")


def expiring(at: float = 1.0) -> Talk:
    """Ada is connected, and her pass ends at a time; records 1 and 2, 0.1 s each."""
    return Talk().open(expires_at=at)


@broken(("REFUSAL-1", AT_THE_DOOR, "accepted with an expired token, and sent ready", (1, 2)))
def expired_token_accepted() -> Talk:
    return intruder().frame({"type": "connection_established", "user_id": "user-ada"}).close()


@broken(("REFUSAL-1", AT_THE_DOOR, "accepted with no token, and not refused within 2.0 s", (1, 2)))
def no_token_accepted_in_silence() -> Talk:
    return intruder("no token").timeout("refusal", 2.0).close()


@broken(("REFUSAL-1", AT_THE_DOOR, "HTTP 500 for a forged pass", (1,)))
def bad_signature_is_a_crash() -> Talk:
    return Talk().add(Closed, "c1", by="server", during="handshake", status=500, user="Ada", unwelcome="a forged pass")


@broken(("REFUSAL-1", AT_THE_DOOR, "an end without a close frame for an expired token", (1, 2)))
def expired_token_breaks_the_order() -> Talk:
    return intruder().close("nobody", None)


@broken(("REFUSAL-1", AT_THE_DOOR, "a close with 1011 for an expired token", (1, 2)))
def expired_token_closes_with_1011() -> Talk:
    return intruder().close("server", 1011)


@broken(("REFUSAL-1", AT_THE_DOOR, "accepted with an expired token, and sent error RATE_LIMITED", (1, 2)))
def expired_token_gets_another_error() -> Talk:
    return intruder().frame({"type": "error_message", "error_code": "RATE_LIMITED", "error_message": "later"})


@broken(
    ("ISOLATION-2", "only what belongs to Bashir", "agent_started that belongs to thread t1 of Ada", (12,)),
    ("REFUSAL-2", f"Bashir to be refused thread t1 of Ada {ELSEWHERE}", "agent_started in it", (11, 12)),
)
def foreign_thread_accepted() -> Talk:
    talk = two().ask("q2", None, "c2", thread="t1", foreign="Ada")
    return talk.answer("r2", **{**BASHIR, "thread": "t1"})


@broken(("REFUSAL-2", f"Bashir to be refused thread t1 of Ada {ELSEWHERE}", "error INTERNAL", (11, 12)))
def foreign_thread_is_a_crash() -> Talk:
    talk = two().ask("q2", None, "c2", thread="t1", foreign="Ada")
    return talk.frame({**FORBIDDEN, "error_code": "INTERNAL", "request_id": "q2"}, "c2")


@broken(("REFUSAL-2", f"Bashir to be refused thread t1 of Ada {ELSEWHERE}", "nothing within 2.0 s", (11, 12)))
def foreign_thread_silence() -> Talk:
    return two().ask("q2", None, "c2", thread="t1", foreign="Ada").timeout("refusal", 2.0, "c2", request="q2")


@broken(
    ("ISOLATION-2", "only what belongs to Bashir", "agent_started that belongs to run r1 of Ada", (12,)),
    ("REFUSAL-2", f"Bashir to be refused thread t1 of Ada {ELSEWHERE}", "agent_started of it", (11, 12)),
)
def foreign_resume_accepted() -> Talk:
    talk = two()
    shown = talk.texts()
    talk.send("restore", "c2", thread="t1", last_seq=0, foreign="Ada")
    for text in shown[:5]:
        talk.frame(text, "c2")
    return talk.frame({"type": "session_restored", "thread_id": "t1", "replayed": 5}, "c2")


@broken(("REFUSAL-2", f"Bashir to be refused thread t1 of Ada {ELSEWHERE}", "restored", (11, 12)))
def foreign_resume_accepted_unseen() -> Talk:
    talk = two().send("restore", "c2", thread="t1", last_seq=0, foreign="Ada")
    return talk.frame({"type": "session_restored", "thread_id": "t1", "replayed": 3}, "c2")


@broken(
    ("ISOLATION-2", "only what belongs to Bashir", "a frame that belongs to thread thread-of-ada-1 of Ada", (12,)),
    (
        "REFUSAL-2", f"Bashir to be refused thread t1 of Ada {ELSEWHERE}",
        "no refusal within 2.0 s, but a frame that belongs to thread thread-of-ada-1 of Ada", (11, 13),
    ),
)  # fmt: skip
def foreign_frame_instead_of_a_refusal() -> Talk:
    talk = asked().answer(thread="thread-of-ada-1").open("Bashir", "c2")
    talk.send("restore", "c2", thread="t1", last_seq=0, foreign="Ada")
    return talk.frame({"type": "history", "of": "thread-of-ada-1"}, "c2").timeout("refusal", 2.0, "c2")


@broken(
    ("REFUSAL-2", "only Ada to be able to stop this run", "agent_stopped after a stop request of Bashir", (8, 9)),
    ("REFUSAL-2", f"Bashir to be refused run r1 of Ada {ELSEWHERE}", "nothing within 2.0 s", (8, 10)),
)
def foreign_stop_accepted() -> Talk:
    talk = asked().started().thinking().open("Bashir", "c2").send("stop", "c2", run="r1", foreign="Ada")
    return talk.stopped().timeout("refusal", 2.0, "c2")


@broken(
    ("CONTENT-4", "an answer", "agent_failed: 'the model is busy'", (3, 9)),
    ("REFUSAL-2", "only Ada to be able to stop this run", "agent_failed after a stop request of Bashir", (8, 9)),
)
def foreign_stop_makes_the_run_fail() -> Talk:
    talk = asked().started().thinking().open("Bashir", "c2").send("stop", "c2", run="r1", foreign="Ada")
    return talk.failed().frame(FORBIDDEN, "c2")


@broken(
    (
        "REFUSAL-1", "only Ada to be able to stop this run", "agent_stopped after a stop request with an expired token",
        (6, 8),
    ),
)  # fmt: skip
def stop_with_an_expired_token_accepted() -> Talk:
    return unwelcome_stop(204, "an expired token").stopped()


@broken(
    (
        "REFUSAL-1", "only Ada to be able to stop this run", "agent_stopped after a stop request with no token", (6, 8)
    ),
)  # fmt: skip
def unnamed_stop_without_a_token_accepted() -> Talk:
    return unwelcome_stop(200, run=None, request="q1").stopped()


@broken(
    ("ISOLATION-2", "only what belongs to Bashir", "agent_started that belongs to user user-ada of Ada", (12,)),
    (
        "REFUSAL-2",
        "Bashir not to be served as Ada, whose user id the request names", "agent_started as user user-ada", (11, 12),
    ),
)  # fmt: skip
def user_id_from_client_trusted() -> Talk:
    talk = two().ask("q2", NOTHING, "c2", foreign="Ada", claims="user-ada")
    return talk.answer("r2", **{**BASHIR, "user": "user-ada"})


@broken(("REFUSAL-3", AT_THE_END, "still connected 2.0 s after it", (1, 3)))
def survives_token_expiry() -> Talk:
    return expiring().wait(0.7).timeout("expiry", 2.0).close()


@broken(("REFUSAL-3", AT_THE_END, "agent_started 2.4 s after it", (1, 4)))
def answers_after_token_expiry() -> Talk:
    return expiring().wait(3.0).ask().answer()


@broken(
    ("REFUSAL-3", AT_THE_END, "a close with 1000", (1, 5)),
)
def token_expiry_without_a_word() -> Talk:
    return expiring(at=0.5).ask().started().close("server", 1000)
