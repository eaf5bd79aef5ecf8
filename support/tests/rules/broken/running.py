"""Too late, too quiet, cut off, and resumed."""

from support.tests.rules.broken.base import PACED, again, broken, swap
from support.tests.rules.talk import Talk, asked, iso


def _restored(talk: Talk) -> Talk:
    return talk.frame({"type": "session_restored", "thread_id": "t1", "replayed": 1}, "c2")


def _cut(seen: int = 2) -> Talk:
    talk = asked().started().thinking().close()
    return talk.open("Ada", "c2").send("restore", "c2", thread="t1", last_seq=seen)


@broken(
    ("TIMELINESS-1", "agent_started within 5 s", "6.10 s", (3, 4)),
)
def slow_start() -> Talk:
    return asked().wait(6).answer()


@broken(
    ("TIMELINESS-2", "at most 5 s of silence", "6.10 s", (5, 6)),
)
def silent_gap() -> Talk:
    return asked().started().thinking().wait(6).executing().tool_done().completed()


@broken(
    ("TIMELINESS-3", "events as they happen", "4 of 5 events in the last tenth of 2040 ms", (3, 8)),
)
def burst_at_the_end() -> Talk:
    talk = asked(PACED).started().wait(2)
    for step in (talk.thinking, talk.executing, talk.tool_done, talk.completed):
        talk.at -= 0.09
        step()
    return talk


@broken(
    ("TIMELINESS-3", "events as they happen", "5 of 5 events in the last tenth of 1900 ms", (3, 8)),
)
def burst_at_the_end_with_the_start() -> Talk:
    talk = asked(PACED)
    stamps = iter((0.5, 0.9, 1.4, 1.9, 2.4))
    talk.change = lambda body: {**body, "timestamp": iso(next(stamps))}
    talk.wait(2)
    for step in (talk.started, talk.thinking, talk.executing, talk.tool_done, talk.completed):
        talk.at -= 0.09
        step()
    return talk


@broken(
    ("TIMELINESS-2", "at most 5 s of silence", "61.60 s", (6, 7)),
    ("TIMELINESS-4", "'weather' completed within 60 s", "61.60 s", (6, 7)),
    ("LIFECYCLE-2", "one end", "nothing for 61.6 s after 3 events", (3, 6, 7)),
)
def tool_never_returns() -> Talk:
    return asked().started().thinking().executing().timeout("end", 61.5, request="q1")


@broken(
    ("TIMELINESS-4", "'weather' completed within 60 s", "65.70 s", (6, 23)),
)
def slow_tool() -> Talk:
    talk = asked().started().thinking().executing()
    for _ in range(16):
        talk.wait(4).thinking()
    return talk.tool_done().completed()


@broken(
    ("TIMELINESS-4", "a run that ends within 300 s", "311.90 s", (3, 83)),
)
def slow_run() -> Talk:
    talk = asked().started()
    for _ in range(76):
        talk.wait(4).thinking()
    return talk.executing().tool_done().completed()


@broken(
    ("CONNECTION-2", "an answer to the ping", "nothing within 2.0 s", (5, 6)),
)
def ping_unanswered() -> Talk:
    return (
        asked().started().send("ping", nonce="n1").timeout("pong", 2.0).thinking().executing().tool_done().completed()
    )


@broken(
    ("CONNECTION-2", "an answer to the WebSocket ping (RFC 6455 section 5.5.2)", "nothing within 2.0 s", (6,)),
)
def websocket_ping_unanswered() -> Talk:
    talk = asked().started().send("websocket ping").timeout("websocket pong", 2.0)
    return talk.thinking().executing().tool_done().completed()


@broken(
    ("CONNECTION-2", "a heartbeat while a run is in progress", "nothing within 4.0 s", (7,)),
)
def no_heartbeat_while_tools_run() -> Talk:
    return asked().started().thinking().executing().timeout("heartbeat", 4.0).tool_done().completed()


@broken(
    ("CONNECTION-1", "one of the 2 subprotocols that were offered", "none chosen", (1,)),
)
def subprotocol_not_chosen() -> Talk:
    return Talk().open(offered=2)


@broken(
    ("CONNECTION-1", "a handshake within 5 s", "6.00 s", (1,)),
)
def handshake_slow() -> Talk:
    return Talk().open(handshake_ms=6000.0)


@broken(
    ("CONNECTION-1", "the backend reports that it is ready", "nothing within 5.0 s", (2,)),
)
def never_ready() -> Talk:
    return Talk().open(ready=False).timeout("ready", 5.0)


@broken(
    ("CONNECTION-1", "the backend reports that it is ready", "a close with 1011", (2,)),
)
def closes_1011_at_start() -> Talk:
    return Talk().open(ready=False).close("server", 1011)


@broken(
    ("CONNECTION-1", "a usable connection", "a close with 1000 before anything was sent", (3,)),
)
def accepted_then_closed_1000() -> Talk:
    return Talk().open().close("server", 1000)


@broken(
    ("CONNECTION-1", "a connection", "HTTP 503", (1,)),
)
def refused_at_the_door() -> Talk:
    return Talk().close("server", None, during="handshake", status=503, user="Ada")


@broken(
    ("TIMELINESS-1", "agent_started within 5 s", "none", (3, 4)),
    ("LIFECYCLE-2", "a run that ends", "no event of it", (3, 4)),
    ("CONNECTION-1", "a backend that is ready when it reports so", "no event of the first request", (3, 4)),
)
def events_before_ready_lost() -> Talk:
    return asked().timeout("start", 6.5, request="q1")


@broken(
    ("CONNECTION-3", "a close frame before the connection ends", "none", (6,)),
    ("LIFECYCLE-2", "one end", "2 events and no end", (3, 5, 6)),
)
def dies_mid_run_without_a_word() -> Talk:
    return asked().started().thinking().close("nobody", None)


@broken(
    ("LIFECYCLE-2", "one end", "2 events and no end", (3, 5, 6)),
)
def closes_in_mid_run() -> Talk:
    return asked().started().thinking().close("server", 1001)


@broken(
    ("CONNECTION-3", "a close code that says why", "1005 (a close without a code)", (9,)),
)
def close_without_a_code() -> Talk:
    return asked().answer().close("server", 1005)


@broken(
    ("CONNECTION-3", "a legal close code", "1004 (reserved)", (9,)),
)
def illegal_close_code() -> Talk:
    return asked().answer().close("server", 1004)


@broken(
    ("CONNECTION-3", "an answer to the close frame", "nothing within 2.0 s", (9,)),
)
def close_never_answered() -> Talk:
    return asked().answer().timeout("close", 2.0)


@broken(
    ("CONTINUITY-1", "seq 3 after the restore", "seq 4", (5, 11)),
)
def events_lost_across_reconnect() -> Talk:
    return _restored(_cut()).executing(connection="c2", seq=4).tool_done(connection="c2").completed(connection="c2")


@broken(
    ("TIMELINESS-2", "at most 5 s of silence", "6.70 s", (5, 11)),
    ("CONTINUITY-1", "the rest of the run after the restore", "nothing after its first 2 events", (3, 5, 11)),
    ("LIFECYCLE-2", "one end", "nothing for 6.7 s after 2 events", (3, 5, 11)),
)
def resume_unknown_but_says_ok() -> Talk:
    return _restored(_cut()).timeout("end", 6.5, "c2", run="r1", request="q1")


@broken(
    ("CONTINUITY-2", "each event once", "tool_executing t1-3 again", (11,)),
    ("CONTINUITY-2", "seq 4", "seq 3 again or late", (11,)),
)
def replay_duplicates() -> Talk:
    talk = _cut().executing(connection="c2")
    again(talk, "c2")
    return _restored(talk).tool_done(connection="c2").completed(connection="c2")


@broken(
    ("CONTINUITY-1", "seq 3 after the restore", "seq 4", (5, 10)),
    (
        "PAIRING-1",
        "tool_completed of an open tool",
        "one of 'weather' (call k1), with none open",
        (10,),
    ),
    ("CONTINUITY-2", "seq 5", "seq 3 again or late", (10, 11)),
    ("CONTENT-3", "a timestamp not before that of the previous event", "100.000 ms earlier", (10, 11)),
    ("PAIRING-2", "tool_completed of 'weather' before the run completes", "none", (11, 13)),
)
def replay_out_of_order() -> Talk:
    talk = _cut().executing(connection="c2").tool_done(connection="c2")
    swap(talk, -2, -1)
    return _restored(talk).completed(connection="c2")


@broken(
    ("CONTINUITY-3", "seq 3 on a connection of the user", "on none", (8,)),
)
def event_shown_in_neither_tab() -> Talk:
    talk = Talk().open().open("Ada", "c2").ask().started().thinking().executing(seq=4)
    return talk.tool_done().completed()
