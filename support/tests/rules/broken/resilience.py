"""Lines that the suite itself cut: what is lost after that is the backend's fault, and each finding says where."""

from greenlight_gate.trace import KILL, RESTART

from support.tests.rules.broken.base import broken
from support.tests.rules.talk import Talk, asked

_BY = "; cut by the suite: FIN after event 2 (agent_thinking)"


def _cut(way: str = "FIN", by: str = "nobody") -> Talk:
    talk = asked().started().thinking().cut(way, "after event 2 (agent_thinking)", after=2)
    return talk.close(by, 1001 if by == "server" else None)


def _back() -> Talk:
    return _cut().open("Ada", "c2", attempt=2)


@broken(
    ("CONTINUITY-1", "the rest of the run after the restore", f"nothing after its first 2 events{_BY}", (3, 5, 11)),
    ("LIFECYCLE-2", "one end", f"2 events and no end{_BY}", (3, 5, 11)),
)
def end_lost_across_reconnect() -> Talk:
    return _back().restore("c2", 2)


@broken(
    ("CONTINUITY-1", "seq 3 after the restore", f"seq 4{_BY}", (5, 11)),
)
def event_lost_after_a_cut() -> Talk:
    talk = _back().restore("c2", 2, answered=False).executing(connection="c2", seq=4).restored("c2")
    return talk.tool_done(connection="c2").completed(connection="c2")


@broken(
    ("CONTINUITY-1", "the thread restored", f"nothing within 5.0 s{_BY}", (11,)),
    ("CONTINUITY-1", "the rest of the run after the restore", f"nothing after its first 2 events{_BY}", (3, 5, 11)),
    ("LIFECYCLE-2", "one end", f"2 events and no end{_BY}", (3, 5, 11)),
)
def restore_never_answered() -> Talk:
    return _back().restore("c2", 2, answered=False).timeout("restored", 5.0, "c2")


@broken(
    ("CONTINUITY-1", "thread t1 restored", f"error FORBIDDEN_THREAD{_BY}", (11,)),
    ("CONTINUITY-1", "the rest of the run after the restore", f"nothing after its first 2 events{_BY}", (3, 5, 11)),
    ("LIFECYCLE-2", "one end", f"2 events and no end{_BY}", (3, 5, 11)),
)
def restore_of_ones_own_conversation_refused() -> Talk:
    error = {"type": "error_message", "error_code": "FORBIDDEN_THREAD", "error_message": "no", "request_id": None}
    return _back().restore("c2", 2, answered=False).frame(error, "c2")


@broken(
    ("LIFECYCLE-2", "a run that ends", "no event of it; cut by the suite: RST before event 1", (9, 15)),
    ("CONTINUITY-1", "the run after the restore", "no event of it; cut by the suite: RST before event 1",
     (9, 15)),
)  # fmt: skip
def question_lost_with_the_order() -> Talk:
    talk = asked().answer().ask("q2", thread="t1").cut("RST", "before event 1", after=0).close("nobody", None)
    return talk.open("Ada", "c2", attempt=2).restore("c2", 5)


@broken(
    ("CONNECTION-1", "a connection", f"HTTP 503{_BY}", (8,)),
)
def not_let_in_again() -> Talk:
    return _cut().close("server", None, "c2", during="handshake", status=503, user="Ada")


@broken(
    (
        "CONNECTION-3",
        "a legal close code",
        "1006 (no close frame); cut by the suite: restart after event 2",
        (7,),
    ),
)
def illegal_close_code_at_a_restart() -> Talk:
    return asked().started().thinking().cut(RESTART, "after event 2").close("server", 1006)


@broken(
    ("CONTINUITY-1", "the rest of the run after the restore",
     "nothing after its first 2 events; cut by the suite: kill after event 2 (agent_thinking)", (3, 5, 11)),
    ("LIFECYCLE-2", "one end", "2 events and no end; cut by the suite: kill after event 2 (agent_thinking)",
     (3, 5, 11)),
)  # fmt: skip
def eternal_spinner_after_a_kill() -> Talk:
    return _cut(KILL).open("Ada", "c2", attempt=2).restore("c2", 2)


@broken(
    ("CONTINUITY-2", "run r1 to continue after the restore", f"run r9{_BY}", (5, 11)),
)
def goes_on_as_another_run() -> Talk:
    talk = _back().restore("c2", 2, answered=False)
    return talk.executing("r9", connection="c2").tool_done("r9", connection="c2").completed("r9", connection="c2")


@broken(
    ("CONTINUITY-2", "seq 3", f"seq 1 again or late{_BY}", (11,)),
)
def replays_what_was_seen() -> Talk:
    talk = _cut()
    seen = talk.texts()
    talk.open("Ada", "c2", attempt=2).restore("c2", 2, answered=False)
    for text in seen:
        talk.frame(text, "c2")
    return talk.restored("c2").executing(connection="c2").tool_done(connection="c2").completed(connection="c2")
