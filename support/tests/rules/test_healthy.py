"""What a healthy backend may do: none of it is ever accused."""

import json
from typing import Any

import pytest
from greenlight_gate.events import EventKind
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.trace import Expect, Stalled, Throttled

from support.tests.rules.talk import ANSWER, EPOCH_S, STEP_S, TOOL_QUESTION, Body, Talk, asked, iso


def test_a_whole_answer() -> None:
    assert asked().answer().close().whole() == []


def test_two_questions_one_after_the_other() -> None:
    assert asked().answer().ask("q2").answer("r2", request="q2").whole() == []


def nested(body: Body) -> Body:
    kind = body.pop("type")
    return {"type": "system_message", "data": {"event": kind, **body}}


def nested_in_data(body: Body) -> Body:
    return {"type": "system_message", "data": {"event": body.pop("type"), **body.pop("payload"), **body}}


def moved(body: Body, name: str, to: str) -> Body:
    payload = body["payload"]
    if name in payload:
        payload[to] = payload.pop(name)
    return body


SHAPES = {
    "payload under data": lambda b: {**{k: v for k, v in b.items() if k != "payload"}, "data": b["payload"]},
    "payload at the root": lambda b: {**b.pop("payload"), **b},
    "epoch seconds": lambda b: {**b, "timestamp": EPOCH_S + 3},
    "whole epoch seconds": lambda b: {**b, "timestamp": int(EPOCH_S) + 3},
    "epoch milliseconds": lambda b: {**b, "timestamp": (EPOCH_S + 3) * 1e3},
    "an offset": lambda b: {**b, "timestamp": b["timestamp"].replace("Z", "+00:00")},
    "a basic offset": lambda b: {**b, "timestamp": b["timestamp"].replace("Z", "+0000")},
    "no zone": lambda b: {**b, "timestamp": b["timestamp"][:-1]},
    "tool": lambda b: moved(b, "tool_name", "tool"),
    "thought": lambda b: moved(b, "reasoning", "thought"),
    "results": lambda b: moved(b, "result", "results"),
    "run id inside": lambda b: {**b, "payload": {**b["payload"], "run_id": b.pop("run_id")}},
    "run id inside, null at the root": lambda b: {**b, "payload": {**b["payload"], "run_id": b["run_id"]},
                                                  "run_id": None},
    "system message": nested,
    "system message, flat": nested_in_data,
    "more members": lambda b: {**b, "trace": {"span": [1, None]}, "payload": {**b["payload"], "more": {"a": []}}},
    "null members": lambda b: {**b, "data": None, "parent_run_id": None, "error": None, "result": None},
    "data of another kind": lambda b: {**b, "data": "text"},
    "empty ids": lambda b: {**b, "parent_run_id": "", "request_id": ""},
    "no request id": lambda b: {k: v for k, v in b.items() if k != "request_id"},
    "null request id": lambda b: {**b, "request_id": None},
    "no user id": lambda b: {k: v for k, v in b.items() if k != "user_id"},
    "no ids but the run's": lambda b: {k: v for k, v in b.items() if k not in ("user_id", "thread_id", "request_id")},
    "no numbers": lambda b: {k: v for k, v in b.items() if k != "seq"},
    "no event ids": lambda b: {k: v for k, v in b.items() if k != "event_id"},
    "whole numbers as ids": lambda b: {**b, "run_id": int(b["run_id"][1:]), "event_id": b["seq"]},
    "run 0": lambda b: {**b, "run_id": int(b["run_id"][1:]) - 1},
    "escapes": lambda b: json.dumps(b, ensure_ascii=True, indent=1),
    "no agent name": lambda b: {k: v for k, v in b.items() if k != "agent_name"},
    "unicode": lambda b: {**b, "agent_name": "ассистент 🤖"},
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_all_shapes_of_the_wire(shape: str) -> None:
    talk = Talk().open()
    talk.change = SHAPES[shape]
    assert talk.ask().answer().ask("q2").answer("r2", request="q2").whole() == []


@pytest.mark.parametrize("result", [[], {}, 0, False, [None], {"a": {"b": 1}}, 1e30, 10**30, "∅"])
def test_any_result_of_a_tool(result: Any) -> None:
    assert asked().started().thinking().executing().tool_done(result=result).completed().whole() == []


def test_an_error_beside_a_null_result() -> None:
    expect = Expect(prompt="Try it", thinking=True, tools=1, failing_tool=True)
    payload = {"tool_name": "weather", "tool_call_id": "k1", "result": None, "error": "no such city"}
    talk = asked(expect).started().thinking().executing().event("tool_completed", payload)
    assert talk.completed(result="The tool failed, I am afraid.").whole() == []


@pytest.mark.parametrize("end", ["failed", "completed"])
def test_a_failing_tool_fails_the_run_or_is_told(end: str) -> None:
    expect = Expect(prompt="Try it", thinking=True, tools=1, failing_tool=True)
    payload = {"tool_name": "weather", "tool_call_id": "k1", "status": "error", "error_message": "no such city"}
    talk = asked(expect).started().thinking().executing().event("tool_completed", payload)
    assert getattr(talk, end)().whole() == []


def test_the_client_walks_away_in_the_middle() -> None:
    assert asked().started().thinking().executing().close().whole() == []


def test_a_stop_that_wins_the_race() -> None:
    talk = asked(Expect(end=EventKind.STOPPED)).started().thinking().executing().send("stop", run="r1")
    assert talk.stopped().whole() == []


def test_a_stop_that_loses_the_race() -> None:
    talk = asked(Expect(end=EventKind.STOPPED)).started().thinking().send("stop", run="r1").completed()
    talk.frame({"type": "error_message", "error_code": "FORBIDDEN_THREAD", "error_message": "no", "request_id": None})
    assert talk.whole() == []


def test_a_stop_sent_from_another_tab() -> None:
    talk = asked().open("Ada", "c2").started().send("stop", "c2", run="r1")
    assert talk.stopped().whole() == []


def test_a_run_that_is_meant_to_fail() -> None:
    assert asked(Expect(thinking=True, end=EventKind.FAILED)).started().thinking().failed().whole() == []


def test_the_pace_of_answers_during_which_the_suite_stood_still_is_not_judged() -> None:
    def talk(*, stalled: bool) -> Talk:
        talk = asked(Expect(prompt="Research it", paced=True)).started().wait(2)
        if stalled:
            talk.add(Stalled, "", for_s=1.9)
        for step in (talk.thinking, talk.executing, talk.tool_done, talk.completed):
            talk.at -= 0.09
            step()
        return talk

    assert talk(stalled=True).whole() == []
    assert talk(stalled=False).rules() == {"TIMELINESS-3"}


def throttled(*silences_s: float, over: bool = True) -> Talk:
    """A talk that is throttled by the suite before its start, at a tool or once all have come, and goes on late."""
    before, within, after = silences_s
    talk = asked()
    talk.add(Throttled, "c1")
    talk.wait(before).started().executing().wait(within)
    if over:
        talk.add(Throttled, "c1", over=True)
    return talk.wait(after).tool_done().thinking().completed()


def test_the_pace_of_a_order_that_the_suite_throttles_is_not_judged() -> None:
    assert throttled(6, 61, 4).whole() == []
    assert throttled(301, 301, 301, over=False).whole() == []


def test_once_a_order_is_no_longer_throttled_its_pace_is_judged_again() -> None:
    assert throttled(1, 1, 6).rules() == {"TIMELINESS-2"}
    assert asked().wait(6).started().executing().tool_done().thinking().completed().rules() == {"TIMELINESS-1"}


def test_what_is_asked_on_a_throttled_order_is_owed_an_end_all_the_same() -> None:
    talk = asked()
    talk.add(Throttled, "c1")
    talk.wait(6).started().add(Throttled, "c1", over=True)
    assert talk.rules() == {"LIFECYCLE-2"}


def test_refusals_of_what_must_be_refused() -> None:
    talk = Talk().open().send("invalid")
    talk.frame({"type": "error_message", "error_code": "BAD_JSON", "error_message": "this is not JSON"})
    assert talk.send("invalid").close("server", 1009).whole() == []


def test_a_user_who_came_to_be_turned_away() -> None:
    talk = Talk().close("server", None, during="handshake", status=401, user="Ada", unwelcome="no token")
    assert talk.whole() == []


def test_ping_and_pong() -> None:
    talk = asked().started().send("ping", nonce="7").frame({"type": "pong", "nonce": 7}).thinking().executing()
    assert talk.tool_done().completed().whole() == []


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 4401, 3000])
def test_legal_closes(code: int) -> None:
    assert asked().answer().close("server", code).whole() == []


def test_unknown_frames_that_carry_numbers() -> None:
    talk = asked().started().thinking()
    talk.frame(talk.body("agent_progress", {"percent": 40}))
    assert talk.executing().tool_done().completed().whole() == []


def test_answers_that_only_look_wrong() -> None:
    times = Expect(prompt="What is 17 times 23?", contains=(("391",),))
    assert asked(times).started().completed(result="What is 17 times 23? 391.").whole() == []
    errors = Expect(prompt="What does HTTP 500 mean?", contains=(("500",),))
    assert asked(errors).started().completed(result="500 is an Internal Server Error.").whole() == []


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("Grüße", "Viele Gru\u0308ße aus Oslo"),
        ("Gru\u0308ße", "Viele Grüße aus Oslo"),
        ("שלום", "\u2067שלו\u200fם\u2069"),
        ("391", "It is ３９１."),
        ("co-operate", "co\u00ad-\u200bOPERATE"),
    ],
)
def test_one_text_has_several_forms_in_unicode(wanted: str, said: str) -> None:
    expect = Expect(prompt="Say it", contains=((wanted,),))
    assert asked(expect).started().completed(result=said).whole() == []


def test_a_long_answer_may_begin_with_the_question() -> None:
    expect = Expect(prompt="Hello?")
    assert asked(expect).started().completed(result="Hello? That is kind of you.").whole() == []


def test_the_thread_may_be_told_late() -> None:
    assert asked().started(thread=None, seq=None).thinking().executing().tool_done().completed().whole() == []


def test_an_answer_without_anything_expected_of_it() -> None:
    assert asked(Expect()).started().completed(result="42").whole() == []


def test_a_paced_answer_and_one_that_started_late() -> None:
    paced = Expect(prompt="Research it", paced=True)
    assert asked(paced).started().thinking().executing().tool_done().thinking().completed().whole() == []
    assert asked(paced).wait(4.5).started().wait(0.5).thinking().executing().tool_done().completed().whole() == []


def test_an_answer_after_patience_has_ended_is_still_the_questions() -> None:
    talk = asked().timeout("start", 6.5, request="q1")
    before = talk.whole()
    assert [finding[:1] for finding in before] == [("TIMELINESS-1",), ("LIFECYCLE-2",), ("CONNECTION-1",)]
    talk.answer()
    assert [f.rule for f in talk.findings() if f.run == "r1"] == ["TIMELINESS-1"]


def test_any_pace_within_the_budgets() -> None:
    talk = Talk(TimeBudgets(silence_s=30)).open().ask().started()
    assert talk.wait(29).thinking().wait(29).executing().wait(29).tool_done().wait(29).completed().whole() == []


def test_time_between_records_is_what_the_other_tests_assume() -> None:
    talk = asked()
    assert [round(record.at, 6) for record in talk.records] == [STEP_S, 2 * STEP_S, round(3 * STEP_S, 6)]
    assert talk.records[2].expect == TOOL_QUESTION  # type: ignore[union-attr]


@pytest.mark.parametrize("cut", [lambda us: us // 1000, lambda us: f"{iso(us / 1e6 - EPOCH_S)[:-4]}Z"])
def test_a_kind_of_event_whose_stamps_are_cut_off_after_the_milliseconds(cut: Any) -> None:
    """The thought comes 0.1 ms after the start, and its stamp, which says no more than milliseconds, lies before."""
    start_us = round((EPOCH_S + 0.4) * 1e6) + 400

    def change(body: Body) -> Body:
        if body["type"] == "agent_started":
            return {**body, "timestamp": iso(start_us / 1e6 - EPOCH_S)}
        return {**body, "timestamp": cut(start_us + 100)} if body["type"] == "agent_thinking" else body

    talk = asked()
    talk.change = change
    assert talk.answer().whole() == []


def ends_with_a_stream(*, tool: bool, held_back: bool = False, whole_seconds: bool = False) -> Talk:
    """A silent second, and then 30 thoughts within 100 ms; `held_back`: they happened throughout that second."""
    talk = asked(Expect(prompt="Research it", paced=True))
    happened_s = talk.at + STEP_S
    talk.change = lambda body: {**body, "timestamp": iso(int(happened_s) if whole_seconds else happened_s)}
    talk.started()
    if tool:
        happened_s = talk.at + STEP_S
        talk.executing()
    began_s, steps = talk.at, [*([talk.tool_done] if tool else []), *[talk.thinking] * 30, talk.completed]
    for number, step in enumerate(steps, 1):
        came_s = began_s + 1.0 + 0.1 * number / len(steps)
        happened_s = began_s + 1.1 * number / len(steps) if held_back else came_s
        talk.at = came_s - STEP_S
        step()
    return talk


@pytest.mark.parametrize("tool", [True, False])
@pytest.mark.parametrize("whole_seconds", [True, False])
def test_an_agent_that_says_much_at_the_end_of_its_run_holds_nothing_back(*, tool: bool, whole_seconds: bool) -> None:
    assert ends_with_a_stream(tool=tool, whole_seconds=whole_seconds).whole() == []


@pytest.mark.parametrize("tool", [True, False])
def test_what_happened_before_by_the_servers_own_stamps_was_held_back(*, tool: bool) -> None:
    assert ends_with_a_stream(tool=tool, held_back=True).rules() == {"TIMELINESS-3"}


def thinks_and_ends_with_a_quick_tool(*, late_s: float = 0.0, whole_seconds: bool = False) -> Talk:
    """A silent second before a quick tool; what comes then was sent `late_s` before it came."""
    talk = asked(Expect(prompt="Research it", paced=True))
    sent_late_s = 0.0

    def stamped(body: Body) -> Body:
        sent_s = talk.at + STEP_S - sent_late_s
        return {**body, "timestamp": iso(int(sent_s) if whole_seconds else sent_s)}

    talk.change = stamped
    talk.started()
    talk.at += 0.02 - STEP_S
    talk.thinking().wait(1)
    sent_late_s = late_s
    for step in (talk.executing, talk.tool_done, talk.completed):
        talk.at += 0.01 - STEP_S
        step()
    return talk


def test_an_agent_that_thinks_in_silence_before_a_quick_tool_holds_nothing_back() -> None:
    assert thinks_and_ends_with_a_quick_tool().whole() == []
    assert thinks_and_ends_with_a_quick_tool(late_s=0.04).whole() == []


def test_a_quick_tool_at_the_end_was_held_back_unless_timestamps_say_that_it_came_at_once() -> None:
    for talk in (
        thinks_and_ends_with_a_quick_tool(late_s=0.1),
        thinks_and_ends_with_a_quick_tool(whole_seconds=True),
    ):
        assert talk.rules() == {"TIMELINESS-3"}


SUM = Expect(prompt="What is 3 + 4?", contains=(("7", "seven"),))
SECOND: Body = {"request": "q2"}
HELPED: Body = {"run": "h1", "parent_run_id": "r1"}


def two_in_one_thread() -> Talk:
    """While a run is in progress, its user sends another request in its thread."""
    return Talk().open().ask(thread="t1").started().thinking().ask("q2", SUM, thread="t1", behind="q1")


def test_a_request_that_was_sent_too_soon_in_its_thread_may_be_refused_in_several_ways() -> None:
    error = {"type": "error_message", "error_code": "BUSY", "error_message": "one at a time", "request_id": "q2"}
    for said in (error, {**error, "request_id": None}):
        assert two_in_one_thread().frame(said).executing().tool_done().completed().whole() == []
    failed = two_in_one_thread().started("r2", **SECOND).failed("r2", **SECOND)
    assert failed.executing().tool_done().completed().whole() == []


def test_it_may_wait_until_the_first_one_has_ended() -> None:
    talk = two_in_one_thread().wait(4).executing().wait(4).tool_done().completed()
    assert talk.started("r2", **SECOND).thinking("r2", **SECOND).completed("r2", "7", **SECOND).whole() == []


def test_but_it_is_not_lost() -> None:
    assert two_in_one_thread().executing().tool_done().completed().rules() == {"LIFECYCLE-2"}


def test_the_answer_after_a_stopped_one_may_hold_what_its_own_prompt_calls_for() -> None:
    talk = asked().started().send("stop", run="r1").stopped()
    again = talk.ask("q2", thread="t1").answer("r2", **SECOND)
    assert again.whole() == []
    # Only the next answer is compared: later ones may speak of what was asked before.
    talk = again.ask("q3", SUM, thread="t1").started("r3", request="q3").thinking("r3", request="q3")
    assert talk.completed("r3", f"{ANSWER} And 7.", request="q3").whole() == []


def test_a_request_from_before_the_stop_is_not_the_next_one() -> None:
    talk = Talk().open().ask(thread="t1").ask("q2", SUM, thread="t1", behind="q1").started().started("r2", **SECOND)
    talk.send("stop", run="r1").stopped().thinking("r2", **SECOND)
    assert talk.completed("r2", f"7; {ANSWER}", **SECOND).whole() == []


def test_a_tool_may_wait_for_another_one_of_its_run() -> None:
    talk = asked(Expect(prompt="Both", tools=2)).started().thinking().executing().executing(call="k2")
    talk.wait(3).tool_done(took_ms=3_000).wait(3).tool_done(call="k2", took_ms=3_000)
    assert talk.completed(result="Both of them are done.").whole() == []


def test_a_tool_may_wait_for_one_of_a_sub_agent_or_of_the_run_that_it_helps() -> None:
    for first, second in (({}, HELPED), (HELPED, {})):
        talk = asked(Expect(prompt="Both")).started().thinking().started("h1", parent_run_id="r1")
        talk.executing(call="k1", **first).executing(call="k2", **second).wait(3)
        talk.tool_done(call="k1", took_ms=3_000, **first).tool_done(call="k2", took_ms=100, **second)
        talk.completed("h1", parent_run_id="r1").completed(result="Both of them are done.")
        assert talk.whole() == []


def test_a_tool_may_begin_once_all_tools_are_announced() -> None:
    both, took = asked(Expect(prompt="Both", tools=2)).started().thinking(), 100
    both.executing().wait(3).executing(call="k2").tool_done(took_ms=took).tool_done(call="k2", took_ms=took)
    assert both.completed(result="Both of them are done.").whole() == []


def test_a_tool_that_says_that_it_took_no_time_says_nothing() -> None:
    talk = asked().started().thinking().executing().wait(3).tool_done(took_ms=0).completed()
    assert talk.whole() == []


def test_a_tool_that_took_as_long_as_it_was_shown_is_not_late() -> None:
    talk = asked().started().thinking().executing().wait(4).tool_done(took_ms=4_000)
    assert talk.completed().whole() == []
