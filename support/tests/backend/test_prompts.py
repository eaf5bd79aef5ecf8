"""What the assistant answers, and which events it shows on the way."""

from datetime import datetime
from itertools import pairwise

import pytest
from greenlight_gate.backend.launch import BackendProcess

from support.tests.backend.users import Event, User, kinds, tab

STARTED, THINKING, EXECUTING = "agent_started", "agent_thinking", "tool_executing"
TOOL_COMPLETED, COMPLETED, FAILED = "tool_completed", "agent_completed", "agent_failed"
NO_TOOL = [STARTED, THINKING, COMPLETED]
TOOL = [EXECUTING, TOOL_COMPLETED, THINKING]
ONE_TOOL = [STARTED, THINKING, *TOOL, COMPLETED]


def answer(events: list[Event]) -> str:
    assert isinstance(events[-1]["payload"]["result"], str)
    return str(events[-1]["payload"]["result"])


def tools(events: list[Event]) -> list[str]:
    return [event["payload"]["tool_name"] for event in events if event["type"] == EXECUTING]


@pytest.mark.parametrize(
    ("question", "expected_kinds", "expected_tools", "fragment"),
    [
        ("What is 17*23?", ONE_TOOL, ["calculator"], "391"),
        ("what is   17 × 23 ?", ONE_TOOL, ["calculator"], "391"),
        ("Tell me 17 times 23 please", ONE_TOOL, ["calculator"], "391"),
        ("(What is (2+3)*4?)", ONE_TOOL, ["calculator"], "= 20."),
        ("What is 2^10?", ONE_TOOL, ["calculator"], "1024"),
        ("What is 7/2?", ONE_TOOL, ["calculator"], "3.5"),
        ("Good morning! Who are you?", NO_TOOL, [], "reference assistant"),
        ("GOOD MORNING! WHO ARE YOU?", NO_TOOL, [], "reference assistant"),
        (
            "What is 17*23, and what do my notes say about supper?",
            [STARTED, THINKING, *TOOL, *TOOL, COMPLETED],
            ["calculator", "notes"],
            "nothing about supper",
        ),
        ("What is the weather on Mars?", ONE_TOOL, ["weather"], "could not"),
        ("Please give up.", [STARTED, THINKING, FAILED], [], None),
        ("Tell me of order AB-12-34 from 2024-05-06.", NO_TOOL, [], "What I do well"),
        ("?", NO_TOOL, [], "What I do well"),
        ('Please repeat "Grüße, 你好" and tell me what 2*3 is.', ONE_TOOL, ["calculator"], "Grüße, 你好 2*3 = 6."),
        ('Please repeat "你 好" 3 times.', NO_TOOL, [], "1. 你 好\n2. 你 好\n3. 你 好"),
        (
            "Please research the tides, the moon and the winds, one after the other.",
            [STARTED, *[THINKING] * 3, *TOOL * 3, COMPLETED],
            ["research"] * 3,
            "the winds",
        ),
    ],
)
def test_prompts(
    ada: User, question: str, expected_kinds: list[str], expected_tools: list[str], fragment: str | None
) -> None:
    events = ada.run(question)
    assert kinds(events) == expected_kinds
    assert tools(events) == expected_tools
    if fragment is not None:
        assert fragment in answer(events)
        assert question not in answer(events)


def test_every_member_of_the_envelope(ada: User) -> None:
    events = ada.run("What is 17*23?")
    for number, event in enumerate(events, start=1):
        assert set(event) == {
            *("type", "request_id", "run_id", "thread_id", "user_id", "agent_name"),
            *("seq", "event_id", "timestamp", "payload"),
        }
        assert (event["request_id"], event["user_id"], event["agent_name"]) == ("r-1", "ada", "assistant")
        assert (event["run_id"], event["thread_id"]) == (events[0]["run_id"], events[0]["thread_id"])
        assert event["seq"] == number
        assert datetime.strptime(event["timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ")
        assert len(event["timestamp"]) == len("2026-01-01T00:00:00.000000Z")
    assert len({event["event_id"] for event in events}) == len(events)
    assert all(before["timestamp"] <= after["timestamp"] for before, after in pairwise(events))
    started, thought, executing, completed, second_thought, ended = (event["payload"] for event in events)
    assert set(started) == {"message"}
    assert [(set(each), each["step_number"]) for each in (thought, second_thought)] == [
        ({"reasoning", "step_number"}, 1),
        ({"reasoning", "step_number"}, 2),
    ]
    call_id = executing.pop("tool_call_id")
    assert executing == {"tool_name": "calculator", "parameters": {"expression": "17*23"}}
    assert isinstance(completed.pop("execution_time_ms"), float)
    assert completed == {"tool_name": "calculator", "tool_call_id": call_id, "status": "ok", "result": "391"}
    assert set(ended) == {"result", "execution_time_ms"}


def test_parallel_tools_both_begin_before_one_ends(ada: User) -> None:
    events = ada.run("Work out 6*7 and 8*9 at the same time.")
    middle = [EXECUTING, EXECUTING, TOOL_COMPLETED, TOOL_COMPLETED]
    assert kinds(events) == [STARTED, THINKING, *middle, THINKING, COMPLETED]
    opened = {event["payload"]["tool_call_id"] for event in events if event["type"] == EXECUTING}
    closed = {event["payload"]["tool_call_id"] for event in events if event["type"] == TOOL_COMPLETED}
    assert len(opened) == 2
    assert opened == closed
    assert "42" in answer(events)
    assert "72" in answer(events)


def test_a_failing_tool_is_shown_as_failed(ada: User) -> None:
    payload = next(
        event["payload"] for event in ada.run("What is the weather on Mars?") if event["type"] == TOOL_COMPLETED
    )
    assert (payload["status"], payload["error_message"]) == ("error", "the weather service is unavailable")
    assert "result" not in payload


@pytest.mark.parametrize("expression", ["9**9**9", "1/0", "2**0.5**-9999", "(-8)**0.5", "07+1", "0**-1"])
def test_a_sum_that_cannot_be_worked_out_fails_politely(ada: User, expression: str) -> None:
    events = ada.run(f"What is {expression}?")
    assert kinds(events) == ONE_TOOL
    assert "could not" in answer(events)


def test_research_is_slow_and_its_events_are_spread(ada: User) -> None:
    events = ada.run("Please research the tides thoroughly.")
    times = [datetime.fromisoformat(event["timestamp"]).timestamp() for event in events]
    length_s = times[-1] - times[0]
    late = [time for time in times if time > times[-1] - length_s / 10]
    assert length_s > 0.5
    assert len(late) < len(times) / 2
    assert kinds(events).count(THINKING) == 5
    assert "tides" in answer(events)


def test_notes_are_kept_and_private(backend: BackendProcess, ada: User) -> None:
    kept = ada.run("Please remember that my secret word is XYZZY-12-34.")
    assert tools(kept) == ["notes"]
    assert "XYZZY-12-34" in answer(kept)
    ada.run("Remember: lunch is at half past twelve, 12+30.")
    assert "XYZZY-12-34" in answer(ada.run("What is my secret word?"))
    assert "half past twelve" not in answer(ada.run("What is my secret word?"))
    both = answer(ada.run("What is 17*23, and what do my notes say about lunch?"))
    assert "391" in both
    assert "half past twelve" in both
    assert "XYZZY" in answer(ada.run("What is in my notes?"))
    with tab(backend.url, "bashir") as bashir:
        for question in ("What is my secret word?", "What do my notes say about XYZZY?", "What do my notes say?"):
            assert "XYZZY-12-34" not in answer(bashir.run(question))
        assert "say nothing" in answer(bashir.run("What is my secret word?"))


@pytest.mark.parametrize("topic", ['"', "owner : x", "* AND (", "NEAR(a b)", "the", "é", "\x00", "%"])
def test_notes_take_any_topic(ada: User, topic: str) -> None:
    assert "Your notes say" in answer(ada.run(f"What do my notes say about {topic}?"))


def test_a_helper_has_a_run_of_its_own(ada: User) -> None:
    events = ada.run("Ask your helper to check 12*12.")
    mine = [event for event in events if "parent_run_id" not in event]
    helpers = [event for event in events if "parent_run_id" in event]
    assert kinds(mine) == [STARTED, THINKING, THINKING, COMPLETED]
    assert kinds(helpers) == ONE_TOOL
    assert {event["parent_run_id"] for event in helpers} == {mine[0]["run_id"]}
    assert len({event["run_id"] for event in events}) == 2
    assert {event["agent_name"] for event in helpers} == {"helper"}
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert "144" in answer(events)


def test_giving_up_is_a_failure_with_advice(ada: User) -> None:
    payload = ada.run("Please give up.")[-1]["payload"]
    assert set(payload) == {"error_code", "error_message", "recovery_suggestion"}


def test_the_previous_question_is_the_threads_own(ada: User) -> None:
    first = ada.run("What is 17*23?")
    thread_id = first[0]["thread_id"]
    other = ada.run("And what was my previous question?")
    assert other[0]["thread_id"] != thread_id
    assert "17*23" not in answer(other)
    assert "What is 17*23?" in answer(ada.run("And what was my previous question?", thread_id=thread_id))
