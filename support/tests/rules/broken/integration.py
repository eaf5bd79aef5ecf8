"""Several things at once: order, helpers, tabs, users."""

from greenlight_gate.events import EventKind
from greenlight_gate.trace import Expect

from support.tests.rules.broken.base import BASHIR, FAILING, PACED, TWO_TOOLS, again, broken, swap
from support.tests.rules.talk import ANSWER, Body, Talk, asked

SEVEN = Expect(prompt="What is 3 + 4?", contains=(("7", "seven"),))


@broken(
    ("CONTINUITY-3", "seq 2", "seq 3", (4, 5)),
    ("CONTENT-3", "a timestamp not before that of the previous event", "100.000 ms earlier", (5, 6)),
)
def out_of_order() -> Talk:
    talk = asked().started().thinking().thinking().executing().tool_done().completed()
    swap(talk, 4, 5)
    return talk


@broken(
    ("CONTINUITY-3", "seq 3", "seq 2 again or late", (5, 6)),
    ("CONTINUITY-2", "each event once", "agent_thinking t1-2 again", (6,)),
)
def duplicate_delivery() -> Talk:
    talk = asked().started().thinking()
    again(talk)
    return talk.executing().tool_done().completed()


@broken(
    ("CONTINUITY-3", "seq 6", "seq 5 again or late", (8, 9)),
    ("CONTINUITY-2", "each event once", "agent_completed t1-5 again", (9,)),
)
def duplicate_of_the_end() -> Talk:
    talk = asked().answer()
    return again(talk)


@broken(
    ("CONTINUITY-3", "seq 3", "seq 4", (5, 6)),
)
def event_lost() -> Talk:
    return asked().started().thinking().executing(seq=4).tool_done().completed()


@broken(
    ("LIFECYCLE-3", "nothing after the end", "agent_thinking after agent_completed", (8, 9)),
)
def events_after_completed() -> Talk:
    return asked().answer().thinking()


@broken(
    ("LIFECYCLE-3", "nothing after the end", "agent_started after agent_completed", (8, 9)),
)
def helper_starts_after_the_end() -> Talk:
    return asked().answer().started("h1", parent_run_id="r1")


@broken(
    ("TIMELINESS-2", "at most 5 s of silence", "6.60 s", (7, 8)),
    ("LIFECYCLE-2", "one end", "nothing for 6.6 s after 2 events", (3, 7, 8)),
)
def subagent_completion_ends_the_run() -> Talk:
    talk = asked().started().thinking().started("h1", parent_run_id="r1").completed("h1", parent_run_id="r1")
    return talk.timeout("end", 6.5, request="q1")


@broken(
    ("TIMELINESS-2", "at most 5 s of silence", "6.60 s", (4, 5)),
    ("LIFECYCLE-2", "one end", "nothing for 6.6 s after 1 event", (3, 4, 5)),
)
def accepted_but_never_runs() -> Talk:
    return asked().started().timeout("end", 6.5, request="q1")


@broken(
    ("LIFECYCLE-2", "one end", "4 events and no end", (3, 7)),
)
def final_event_skipped() -> Talk:
    return asked().started().thinking().executing().tool_done()


@broken(
    ("LIFECYCLE-2", "a run that ends", "no event of it", (9,)),
)
def nothing_at_all() -> Talk:
    return asked().answer().ask("q2")


@broken(
    ("LIFECYCLE-1", "agent_started", "error BAD_REQUEST: 'no'", (3, 4)),
)
def refused_without_a_reason() -> Talk:
    error = {"type": "error_message", "error_code": "BAD_REQUEST", "error_message": "no", "request_id": "q1"}
    return asked().frame(error)


@broken(
    ("LIFECYCLE-2", "one end", "2 events and no end", (3, 5, 6)),
)
def error_in_the_middle() -> Talk:
    error = {"type": "error_message", "error_code": "INTERNAL", "error_message": "oops", "request_id": "q1"}
    return asked().started().thinking().frame(error)


@broken(
    ("IDENTITY-1", "the run of request q1", "run r2 of request q2", (7,)),
)
def parallel_runs_cross_write() -> Talk:
    talk = Talk().open().ask("q1", PACED).ask("q2", PACED).started("r1").started("r2", request="q2")
    talk.thinking("r2", request="q1").thinking("r1", request="q2")
    return talk.completed("r1").completed("r2", request="q2")


@broken(
    ("ISOLATION-2", "only what belongs to Ada", "agent_thinking that belongs to run r2 of Bashir", (9,)),
)
def parallel_runs_cross_write_between_users() -> Talk:
    talk = Talk().open().open("Bashir", "c2").ask("q1").ask("q2", connection="c2")
    talk.started("r1").started("r2", **BASHIR).thinking("r2")
    talk.executing("r1").tool_done("r1").completed("r1")
    talk.thinking("r2", **BASHIR).executing("r2", **BASHIR).tool_done("r2", **BASHIR)
    return talk.completed("r2", **BASHIR)


@broken(
    ("IDENTITY-1", "events of requested runs", "agent_started of run r1, which was not requested", (6,)),
    ("LIFECYCLE-2", "a run that ends", "no event of it", (5, 10)),
)
def only_newest_connection_gets_events() -> Talk:
    return Talk().open().open("Ada", "c2").ask("q1").answer(connection="c2")


@broken(
    (
        "IDENTITY-1",
        "events on the connection that sent the request",
        "tool_executing of run r1 on another connection",
        (8,),
    ),
    ("LIFECYCLE-2", "one end", "2 events and no end", (5, 7, 10)),
)
def second_half_goes_to_the_newest_connection() -> Talk:
    talk = Talk().open().open("Ada", "c2").ask("q1").started().thinking()
    return talk.executing(connection="c2").tool_done(connection="c2").completed(connection="c2")


@broken(
    ("ISOLATION-2", "only what belongs to Bashir", "agent_started that belongs to run r1 of Ada", (7,)),
)
def broadcast_to_all() -> Talk:
    talk = Talk().open().open("Bashir", "c2").ask("q1")
    talk.started()
    again(talk, "c2")
    return talk.thinking().executing().tool_done().completed()


@broken(
    ("ISOLATION-2", "only what belongs to Bashir", "agent_started that belongs to thread t1 of Ada", (12,)),
)
def foreign_thread() -> Talk:
    talk = Talk().open().open("Bashir", "c2").ask("q1").answer().ask("q2", connection="c2", expect=PACED)
    return talk.started("r2", **{**BASHIR, "thread": "t1"}).completed("r2", **{**BASHIR, "thread": "t1"})


@broken(
    ("LIFECYCLE-3", "nothing after the end", "agent_thinking after agent_stopped", (7, 8)),
    ("LIFECYCLE-2", "one end", "agent_completed after agent_stopped", (8, 9)),
)
def stop_acknowledged_but_run_goes_on() -> Talk:
    talk = asked(Expect(end=EventKind.STOPPED)).started().thinking().send("stop", run="r1").stopped()
    return talk.thinking().completed()


@broken(
    ("LIFECYCLE-6", "agent_stopped after the stop request", "agent_completed 3.10 s later", (3, 7)),
)
def stop_ignored() -> Talk:
    talk = asked(Expect(end=EventKind.STOPPED)).started().thinking().send("stop", run="r1")
    return talk.wait(3).completed()


@broken(
    ("TIMELINESS-5", "agent_stopped within 2 s of the stop", "3.10 s", (3, 8)),
)
def stop_waits_for_the_tool() -> Talk:
    return asked().started().thinking().executing().send("stop", run="r1").wait(3).stopped()


@broken(
    ("LIFECYCLE-6", "a stop of this run before it", "agent_stopped without one", (4, 8)),
    ("LIFECYCLE-2", "one end", "1 event and no end", (3, 5, 8)),
)
def stop_hits_another_run() -> Talk:
    talk = Talk().open().ask("q1", PACED).ask("q2", PACED).started("r1").started("r2", request="q2", thread="t2")
    return talk.send("stop", run="r1").stopped("r2", request="q2", thread="t2")


@broken(
    (
        "CONTENT-4",
        "nothing of the answer that was stopped",
        "'rain' of the stopped one: 'There is rain in Oslo. 3 + 4 = 7.'",
        (6, 7, 10),
    ),
)
def stopped_answer_inside_the_next() -> Talk:
    talk = asked().started().send("stop", run="r1").stopped().ask("q2", SEVEN, thread="t1")
    second: Body = {"request": "q2"}
    return talk.started("r2", **second).thinking("r2", **second).completed("r2", f"{ANSWER} 3 + 4 = 7.", **second)


@broken(
    ("TIMELINESS-6", "'weather' shown as completed within 2 s of its end", "3.00 s after it", (6, 8)),
)
def results_are_held_back_until_the_slowest_is_done() -> Talk:
    talk = asked(TWO_TOOLS).started().thinking().executing().executing(call="k2").wait(3)
    return talk.tool_done(took_ms=100).tool_done(call="k2", took_ms=3_000).completed(result="both")


@broken(
    ("TIMELINESS-6", "'weather' shown as completed within 2 s of its end", "3.00 s after it", (6, 9)),
)
def quick_result_is_shown_right_after_the_slow_one() -> Talk:
    talk = asked(TWO_TOOLS).started().thinking().executing().executing(call="k2").wait(3)
    return talk.tool_done(call="k2", took_ms=3_100).tool_done(took_ms=200).completed(result="both")


@broken(
    ("CONTENT-4", "the failing tool reported as failed", "no tool reported as failed", (3, 8)),
)
def tool_failure_hidden() -> Talk:
    return asked(FAILING).started().thinking().executing().tool_done().completed(result="all is well")


@broken(
    ("LIFECYCLE-3", "nothing after the end", "tool_executing after agent_completed", (8, 9)),
)
def tool_after_the_end() -> Talk:
    return asked().answer().executing(call="late")


@broken(
    ("TIMELINESS-2", "at most 5 s of silence", "6.10 s", (7, 8)),
)
def silent_helper() -> Talk:
    talk = asked().started().thinking().executing().started("h1", parent_run_id="r1").wait(6)
    return talk.completed("h1", parent_run_id="r1").tool_done().completed()
