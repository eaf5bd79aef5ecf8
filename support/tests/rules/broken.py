"""Traces of broken backends, one for each way of being broken that the rules must object to."""

import json
from collections.abc import Callable
from typing import Any

from support.events import EventKind
from support.tests.rules.talk import ANSWER, TOOL_QUESTION, Body, Talk, asked, iso
from support.trace import Expect

BROKEN: dict[str, Callable[[], Talk]] = {}
BASHIR: Body = {"request": "q2", "connection": "c2", "thread": "t2", "user": "user-bashir"}
TWO_TOOLS = Expect(prompt="Compare Oslo and Rome", thinking=True, tools=2, parallel=True)
FAILING = Expect(prompt="Try it", thinking=True, tools=1, failing_tool=True)
PACED = Expect(prompt="Research it", paced=True)


def broken(build: Callable[[], Talk]) -> Callable[[], Talk]:
    BROKEN[build.__name__] = build
    return build


def changed(change: Callable[[Body], Any], expect: Expect = TOOL_QUESTION) -> Talk:
    """A whole answer, with each of its frames changed."""
    talk = asked(expect)
    talk.change = change
    return talk.answer()


def only(kind: str, change: Callable[[Body], Any]) -> Callable[[Body], Any]:
    return lambda body: change(body) if body["type"] == kind else body


def without(body: Body, *names: str) -> Body:
    return {key: value for key, value in body.items() if key not in names}


def payload(body: Body, **values: Any) -> Body:
    return {**body, "payload": {**body["payload"], **values}}


# Functional -----------------------------------------------------------------------------------------------------


@broken
def started_missing() -> Talk:
    return asked().thinking().executing().tool_done().completed()


@broken
def started_twice() -> Talk:
    return asked().started().started().thinking().executing().tool_done().completed()


@broken
def completed_missing() -> Talk:
    return asked().started().thinking().executing().tool_done().timeout("end", 6.5, request="q1")


@broken
def completed_twice() -> Talk:
    return asked().answer().completed()


@broken
def failed_twice() -> Talk:
    return asked(Expect(end=EventKind.FAILED)).started().thinking().failed().failed()


@broken
def thinking_missing() -> Talk:
    return asked(Expect(thinking=True)).started().completed()


@broken
def thinking_missing_in_a_failed_run() -> Talk:
    return asked(Expect(thinking=True, end=EventKind.FAILED)).started().failed()


@broken
def tools_missing() -> Talk:
    return asked().started().thinking().completed()


@broken
def one_tool_instead_of_two() -> Talk:
    return asked(TWO_TOOLS).answer()


@broken
def two_tools_one_after_the_other() -> Talk:
    talk = asked(TWO_TOOLS).started().thinking().executing(call="a").tool_done(call="a")
    return talk.executing(call="b").tool_done(call="b").completed()


@broken
def tool_executing_missing() -> Talk:
    return asked().started().thinking().tool_done().completed()


@broken
def tool_completed_missing() -> Talk:
    return asked().started().thinking().executing().completed()


@broken
def second_tool_never_completed() -> Talk:
    talk = asked(TWO_TOOLS).started().thinking().executing(call="a", tool="news").executing(call="b")
    return talk.tool_done(call="a", tool="news").completed()


@broken
def tool_name_missing() -> Talk:
    return asked().started().thinking().executing(tool=None).tool_done(tool=None).completed()


@broken
def tool_name_differs() -> Talk:
    return asked().started().thinking().executing().tool_done(tool="weather_v2").completed()


@broken
def tool_name_differs_without_call_ids() -> Talk:
    return asked().started().thinking().executing(call=None).tool_done(tool="weather_v2", call=None).completed()


@broken
def run_id_missing() -> Talk:
    return changed(lambda body: without(body, "run_id"))


@broken
def run_id_null() -> Talk:
    return changed(lambda body: {**body, "run_id": None})


@broken
def run_id_placeholder() -> Talk:
    return changed(lambda body: {**body, "run_id": "registry"})


@broken
def run_id_the_same_for_all() -> Talk:
    return asked().answer().ask("q2").answer(request="q2")


@broken
def run_id_changes_midway() -> Talk:
    return asked().started().thinking("r1-b").executing("r1-b").tool_done("r1-b").completed("r1-b")


@broken
def run_id_changes_midway_without_request_ids() -> Talk:
    talk = asked().started(request=None)
    for step in (talk.thinking, talk.executing, talk.tool_done, talk.completed):
        step("r1-b", request=None)
    return talk


@broken
def thread_of_nobody() -> Talk:
    return Talk().open().ask(thread="t1").answer(thread="t9")


@broken
def user_changes_midway() -> Talk:
    return asked().started().thinking().executing().tool_done().completed(user="user-carol")


@broken
def greeted_as_somebody_else() -> Talk:
    talk = Talk().open("Bashir", "c2").open(ready=False)
    return talk.frame({"type": "connection_established", "user_id": "user-bashir"})


@broken
def greeted_as_nobody_known() -> Talk:
    return Talk().open(ready=False).frame({"type": "connection_established", "user_id": "guest"})


@broken
def result_missing() -> Talk:
    return changed(only("agent_completed", lambda body: {**body, "payload": {}}))


@broken
def result_renamed() -> Talk:
    return changed(only("agent_completed", lambda body: {**body, "payload": {"outcome": ANSWER}}))


@broken
def reasoning_empty() -> Talk:
    return changed(only("agent_thinking", lambda body: payload(body, reasoning=" ")))


@broken
def kind_renamed() -> Talk:
    return changed(lambda b: {**b, "type": "agent_update"} if b["type"] == "agent_thinking" else b)


@broken
def double_wrapped_payload() -> Talk:
    return changed(lambda body: {**body, "payload": {"payload": body["payload"]}})


@broken
def payload_as_a_text() -> Talk:
    return changed(lambda body: {**body, "payload": json.dumps(body["payload"])})


@broken
def double_encoded_json() -> Talk:
    return changed(lambda body: json.dumps(json.dumps(body)))


@broken
def enum_as_repr() -> Talk:
    return changed(lambda body: {**body, "agent_name": "<AgentName.ASSISTANT: 'assistant'>"})


@broken
def object_as_repr() -> Talk:
    return changed(lambda body: {**body, "agent_name": "<chat.Agent object at 0x7f0a11bc>"})


@broken
def nan_in_json() -> Talk:
    return changed(only("agent_completed", lambda body: payload(body, execution_time_ms=float("nan"))))


@broken
def truncated_json() -> Talk:
    return changed(only("agent_thinking", lambda body: json.dumps(body)[:120]))


@broken
def something_after_the_json() -> Talk:
    return changed(only("agent_thinking", lambda body: json.dumps(body) + "}"))


@broken
def byte_order_mark() -> Talk:
    return changed(only("agent_thinking", lambda body: "\ufeff" + json.dumps(body)))


@broken
def lone_surrogate() -> Talk:
    return changed(only("agent_thinking", lambda body: json.dumps(payload(body, reasoning="half \ud83d of it"))))


@broken
def binary_frame() -> Talk:
    talk = asked().started()
    talk.thinking()
    frame = talk.records.pop()
    talk.at -= 0.1
    from support.trace import Received  # noqa: PLC0415

    assert isinstance(frame, Received)
    talk.add(Received, "c1", data=(frame.text or "").encode(), binary=True)
    return talk.executing().tool_done().completed()


@broken
def invalid_utf8() -> Talk:
    return changed(only("agent_thinking", lambda body: json.dumps(body).encode().replace(b"let", b"\xffet")))


@broken
def no_object() -> Talk:
    return asked().frame("[1]").answer()


@broken
def timestamp_runs_backwards() -> Talk:
    return changed(only("agent_completed", lambda body: {**body, "timestamp": iso(-2.0)}))


@broken
def timestamp_zero() -> Talk:
    return changed(lambda body: {**body, "timestamp": "1970-01-01T00:00:00.000000Z"})


@broken
def timestamp_infinite() -> Talk:
    return changed(only("agent_thinking", lambda b: json.dumps(b).replace(f'"{b["timestamp"]}"', "1e999")))


@broken
def timestamp_format_flips() -> Talk:
    talk = asked().answer().ask("q2")
    talk.change = only("agent_thinking", lambda body: {**body, "timestamp": 1_767_225_601.5})
    return talk.answer("r2", request="q2")


@broken
def event_hidden_in_system_message_only_once() -> Talk:
    talk = asked().started().thinking()
    talk.change = lambda body: {"type": "system_message", "data": {"event": body.pop("type"), **body}}
    talk.thinking()
    talk.change = lambda body: body
    return talk.executing().tool_done().completed()


@broken
def canned_answer() -> Talk:
    return asked().started().thinking().executing().tool_done().completed(result="Sorry, something went wrong.")


@broken
def answer_echoes_question() -> Talk:
    prompt = "What is the weather in Oslo?"
    return asked().started().thinking().executing().tool_done().completed(result=f"You said: {prompt}")


@broken
def empty_answer() -> Talk:
    return asked().started().thinking().executing().tool_done().completed(result="")


@broken
def null_answer() -> Talk:
    return asked().started().thinking().executing().tool_done().completed(result=None)


@broken
def answer_to_something_else() -> Talk:
    return asked().started().thinking().executing().tool_done().completed(result="The Norwegian krone has fallen.")


@broken
def failed_instead_of_an_answer() -> Talk:
    return asked().started().thinking().failed()


@broken
def stopped_though_nobody_said_so() -> Talk:
    return asked().started().thinking().stopped()


@broken
def stack_trace_in_answer() -> Talk:
    trace = '\nTraceback (most recent call last):\n  File "/srv/chat/agent.py", line 212, in run\nKeyError: 1'
    return asked().started().thinking().executing().tool_done().completed(result=ANSWER + trace)


@broken
def token_echoed() -> Talk:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
    return asked().started().thinking().executing().tool_done(result={"authorization": token}).completed()


@broken
def oversize_dropped_silently() -> Talk:
    return Talk().open().send("invalid").timeout("refusal", 2.0)


@broken
def unknown_type_acknowledged_as_ok() -> Talk:
    return Talk().open().send("invalid").frame({"type": "ack", "status": "ok"}).timeout("refusal", 2.0)


@broken
def bad_json_crashes_the_connection() -> Talk:
    return Talk().open().send("invalid").close("server", 1011)


@broken
def error_without_words() -> Talk:
    return Talk().open().send("invalid").frame({"type": "error_message", "error_code": "", "error_message": None})


# Integration ----------------------------------------------------------------------------------------------------


@broken
def out_of_order() -> Talk:
    talk = asked().started().thinking().thinking().executing().tool_done().completed()
    talk.records[4], talk.records[5] = swapped(talk, 4, 5)
    return talk


def swapped(talk: Talk, first: int, second: int) -> tuple[Any, Any]:
    from msgspec.structs import replace  # noqa: PLC0415

    a: Any = talk.records[first]
    b: Any = talk.records[second]
    return replace(a, text=b.text), replace(b, text=a.text)


@broken
def duplicate_delivery() -> Talk:
    talk = asked().started().thinking()
    talk.frame(talk.records[-1].text)  # type: ignore[union-attr]
    return talk.executing().tool_done().completed()


@broken
def duplicate_of_the_end() -> Talk:
    talk = asked().answer()
    return talk.frame(talk.records[-1].text)  # type: ignore[union-attr]


@broken
def event_lost() -> Talk:
    return asked().started().thinking().executing(seq=4).tool_done().completed()


@broken
def events_after_completed() -> Talk:
    return asked().answer().thinking()


@broken
def helper_starts_after_the_end() -> Talk:
    return asked().answer().started("h1", parent_run_id="r1")


@broken
def subagent_completion_ends_the_run() -> Talk:
    talk = asked().started().thinking().started("h1", parent_run_id="r1").completed("h1", parent_run_id="r1")
    return talk.timeout("end", 6.5, request="q1")


@broken
def accepted_but_never_runs() -> Talk:
    return asked().started().timeout("end", 6.5, request="q1")


@broken
def final_event_skipped() -> Talk:
    return asked().started().thinking().executing().tool_done()


@broken
def nothing_at_all() -> Talk:
    return asked().answer().ask("q2")


@broken
def refused_without_a_reason() -> Talk:
    error = {"type": "error_message", "error_code": "BAD_REQUEST", "error_message": "no", "request_id": "q1"}
    return asked().frame(error)


@broken
def error_in_the_middle() -> Talk:
    error = {"type": "error_message", "error_code": "INTERNAL", "error_message": "oops", "request_id": "q1"}
    return asked().started().thinking().frame(error)


@broken
def parallel_runs_cross_write() -> Talk:
    talk = Talk().open().ask("q1", PACED).ask("q2", PACED).started("r1").started("r2", request="q2")
    talk.thinking("r2", request="q1").thinking("r1", request="q2")
    return talk.completed("r1").completed("r2", request="q2")


@broken
def parallel_runs_cross_write_between_people() -> Talk:
    talk = Talk().open().open("Bashir", "c2").ask("q1").ask("q2", connection="c2")
    return talk.started("r1").started("r2", **BASHIR).thinking("r2").answer_rest()


def _answer_rest(talk: Talk) -> Talk:
    for step in ("executing", "tool_done", "completed"):
        getattr(talk, step)("r1")
    for step in ("thinking", "executing", "tool_done", "completed"):
        getattr(talk, step)("r2", **BASHIR)
    return talk


Talk.answer_rest = _answer_rest  # type: ignore[attr-defined]


@broken
def only_newest_connection_gets_events() -> Talk:
    return Talk().open().open("Ada", "c2").ask("q1").answer(connection="c2")


@broken
def second_half_goes_to_the_newest_connection() -> Talk:
    talk = Talk().open().open("Ada", "c2").ask("q1").started().thinking()
    return talk.executing(connection="c2").tool_done(connection="c2").completed(connection="c2")


@broken
def broadcast_to_all() -> Talk:
    talk = Talk().open().open("Bashir", "c2").ask("q1")
    talk.started()
    talk.frame(talk.records[-1].text, "c2")  # type: ignore[union-attr]
    return talk.thinking().executing().tool_done().completed()


@broken
def foreign_thread() -> Talk:
    talk = Talk().open().open("Bashir", "c2").ask("q1").answer().ask("q2", connection="c2", expect=PACED)
    return talk.started("r2", **{**BASHIR, "thread": "t1"}).completed("r2", **{**BASHIR, "thread": "t1"})


@broken
def stop_acknowledged_but_run_goes_on() -> Talk:
    talk = asked(Expect(end=EventKind.STOPPED)).started().thinking().send("stop", run="r1").stopped()
    return talk.thinking().completed()


@broken
def stop_ignored() -> Talk:
    talk = asked(Expect(end=EventKind.STOPPED)).started().thinking().send("stop", run="r1")
    return talk.wait(3).completed()


@broken
def tool_failure_hidden() -> Talk:
    return asked(FAILING).started().thinking().executing().tool_done().completed(result="all is well")


# Performance ----------------------------------------------------------------------------------------------------


@broken
def slow_start() -> Talk:
    return asked().wait(6).answer()


@broken
def silent_gap() -> Talk:
    return asked().started().thinking().wait(6).executing().tool_done().completed()


@broken
def burst_at_the_end() -> Talk:
    talk = asked(PACED).started().wait(2)
    for step in (talk.thinking, talk.executing, talk.tool_done, talk.completed):
        talk.at -= 0.09
        step()
    return talk


@broken
def burst_at_the_end_with_the_start() -> Talk:
    talk = asked(PACED)
    stamps = iter((0.5, 0.9, 1.4, 1.9, 2.4))
    talk.change = lambda body: {**body, "timestamp": iso(next(stamps))}
    talk.wait(2)
    for step in (talk.started, talk.thinking, talk.executing, talk.tool_done, talk.completed):
        talk.at -= 0.09
        step()
    return talk


@broken
def tool_never_returns() -> Talk:
    return asked().started().thinking().executing().timeout("end", 61.5, request="q1")


@broken
def slow_tool() -> Talk:
    talk = asked().started().thinking().executing()
    for _ in range(16):
        talk.wait(4).thinking()
    return talk.tool_done().completed()


@broken
def slow_run() -> Talk:
    talk = asked().started()
    for _ in range(76):
        talk.wait(4).thinking()
    return talk.executing().tool_done().completed()


@broken
def ping_unanswered() -> Talk:
    return asked().started().send("ping", nonce="n1").timeout("pong", 2.0).thinking().executing().tool_done().completed()


@broken
def handshake_slow() -> Talk:
    return Talk().open(handshake_ms=6000.0)


# Resilience -----------------------------------------------------------------------------------------------------


@broken
def never_ready() -> Talk:
    return Talk().open(ready=False).timeout("ready", 5.0)


@broken
def closes_1011_at_start() -> Talk:
    return Talk().open(ready=False).close("server", 1011)


@broken
def accepted_then_closed_1000() -> Talk:
    return Talk().open().close("server", 1000)


@broken
def refused_at_the_door() -> Talk:
    return Talk().close("server", None, during="handshake", status=503, person="Ada")


@broken
def events_before_ready_lost() -> Talk:
    return asked().timeout("start", 6.5, request="q1")


@broken
def dies_mid_run_without_a_word() -> Talk:
    return asked().started().thinking().close("nobody", None)


@broken
def closes_in_mid_run() -> Talk:
    return asked().started().thinking().close("server", 1001)


@broken
def illegal_close_code() -> Talk:
    return asked().answer().close("server", 1005)


@broken
def close_never_answered() -> Talk:
    return asked().answer().timeout("close", 2.0)


def _cut(seen: int = 2) -> Talk:
    talk = asked().started().thinking().close()
    return talk.open("Ada", "c2").send("restore", "c2", thread="t1", last_seq=seen)


def _restored(talk: Talk) -> Talk:
    return talk.frame({"type": "session_restored", "thread_id": "t1", "replayed": 1}, "c2")


@broken
def events_lost_across_reconnect() -> Talk:
    return _restored(_cut()).executing(connection="c2", seq=4).tool_done(connection="c2").completed(connection="c2")


@broken
def resume_unknown_but_says_ok() -> Talk:
    return _restored(_cut()).timeout("end", 6.5, "c2", run="r1", request="q1")


@broken
def replay_duplicates() -> Talk:
    talk = _cut().executing(connection="c2")
    talk.frame(talk.records[-1].text, "c2")  # type: ignore[union-attr]
    return _restored(talk).tool_done(connection="c2").completed(connection="c2")


@broken
def replay_out_of_order() -> Talk:
    talk = _cut().executing(connection="c2").tool_done(connection="c2")
    talk.records[-2], talk.records[-1] = swapped(talk, -2, -1)
    return _restored(talk).completed(connection="c2")


@broken
def event_shown_in_neither_window() -> Talk:
    talk = Talk().open().open("Ada", "c2").ask().started().thinking().executing(seq=4)
    return talk.tool_done().completed()
