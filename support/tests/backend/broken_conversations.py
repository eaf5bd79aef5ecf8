"""For each defect a conversation, and what is to be seen in it."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from support.tests.backend.users import Event, User, is_end, tab

SUM = "What is 17*23?"
LONG = "Please research the tides thoroughly."
# Longer than anything that may still come; the events of a run are a millisecond apart.
QUIET_S = 0.25


@dataclass(frozen=True)
class Seen:
    """What one tab got: the frames as they are, and those of them that are JSON objects with a run's event."""

    frames: list[str | bytes]

    @property
    def events(self) -> list[Event]:
        found = []
        for frame in self.frames:
            try:
                message = json.loads(frame)
            except ValueError:
                continue
            if isinstance(message, dict) and "seq" in message:
                found.append(message)
        return found

    def kinds(self) -> Counter[str]:
        return Counter(event["type"] for event in self.events)

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["type"] == kind]

    @property
    def gap_free(self) -> bool:
        return [event["seq"] for event in self.events] == list(range(1, len(self.events) + 1))


Scenario = Callable[[str], Seen]


def asking(question: str) -> Scenario:
    def scenario(url: str) -> Seen:
        with tab(url) as ada:
            ada.ask(question)
            return frames_of(ada)

    return scenario


def sending(text: str) -> Scenario:
    def scenario(url: str) -> Seen:
        with tab(url) as ada:
            ada.socket.send(text)
            return frames_of(ada)

    return scenario


def stopping(url: str) -> Seen:
    with tab(url) as ada:
        ada.ask(LONG)
        seen = ada.read_until(lambda event: event["type"] == "tool_executing")
        ada.send({"type": "stop_agent", "run_id": seen[0]["run_id"]})
        rest = ada.raw_frames(quiet_s=0.6)
        return Seen([*map(json.dumps, seen), *rest])


def side_by_side(url: str) -> Seen:
    with tab(url) as ada:
        ada.ask("What is 1+1?", request_id="a")
        ada.ask("What is 2+2?", request_id="b")
        return frames_of(ada)


def during_a_long_answer(url: str) -> Seen:
    """Ada asks again while a long answer is on its way; all of it until both are answered, or nothing comes."""
    with tab(url) as ada:
        ada.ask(LONG, request_id="a")
        first = [ada.read()]
        ada.ask(SUM, request_id="b")
        return Seen([*map(json.dumps, first), *ada.raw_frames(quiet_s=0.6)])


def older_tab(url: str) -> Seen:
    with tab(url) as older, tab(url):
        older.ask(SUM)
        return frames_of(older)


def newer_tab(url: str) -> Seen:
    with tab(url) as older, tab(url) as newer:
        older.ask(SUM)
        return frames_of(newer)


def two_turns(url: str) -> Seen:
    with tab(url) as ada:
        first = ada.run(SUM)
        ada.ask("And what was my previous question?", thread_id=first[0]["thread_id"])
        return Seen([*map(json.dumps, first), *ada.raw_frames(quiet_s=QUIET_S)])


def frames_of(user: User) -> Seen:
    return Seen(user.raw_frames(quiet_s=QUIET_S))


TWO_TOOLS = asking("What is 17*23, and what do my notes say about lunch?")
ONE_TOOL = asking(SUM)
REPEATING = asking('Please repeat "Grüße".')
REPEATING_OFTEN = asking('Please repeat "Grüße, 你好, שלום" 600 times.')
FIVE = Counter(agent_started=1, agent_thinking=2, tool_executing=1, tool_completed=1, agent_completed=1)


def count(kind: str, number: int) -> Callable[[Seen], bool]:
    return lambda seen: seen.kinds()[kind] == number and seen.gap_free


def payload(kind: str, test: Callable[[dict[str, Any]], bool]) -> Callable[[Seen], bool]:
    return lambda seen: bool(seen.of(kind)) and all(test(event["payload"]) for event in seen.of(kind))


def all_events(test: Callable[[Event], bool]) -> Callable[[Seen], bool]:
    return lambda seen: bool(seen.events) and all(map(test, seen.events))


def only_frame(test: Callable[[str | bytes], bool]) -> Callable[[Seen], bool]:
    return lambda seen: sum(map(test, seen.frames)) == 1


def is_json(frame: str | bytes) -> bool:
    try:
        json.loads(frame)
    except ValueError:
        return False
    return True


def answered(test: Callable[[str], bool]) -> Callable[[Seen], bool]:
    return payload("agent_completed", lambda each: test(each["result"]))


def codes(*expected: str) -> Callable[[Seen], bool]:
    return lambda seen: [json.loads(frame).get("error_code", "none") for frame in seen.frames] == list(expected)


def backwards(seen: Seen) -> bool:
    return any(after["timestamp"] < before["timestamp"] for before, after in pairwise(seen.events))


# The scenario, and what is to be seen in it with the defect and not without.
SHOWN: dict[str, tuple[Scenario, Callable[[Seen], bool]]] = {
    "started_missing": (ONE_TOOL, count("agent_started", 0)),
    "started_twice": (ONE_TOOL, count("agent_started", 2)),
    "completed_missing": (ONE_TOOL, count("agent_completed", 0)),
    "completed_twice": (ONE_TOOL, count("agent_completed", 2)),
    "failed_twice": (asking("Please give up."), count("agent_failed", 2)),
    "thinking_missing": (ONE_TOOL, count("agent_thinking", 0)),
    "thought_before_the_start": (ONE_TOOL, lambda seen: [e["type"] for e in seen.events][1] == "agent_started"),
    "parallel_tools_one_after_the_other": (
        asking("Work out 6*7 and 8*9 at the same time."),
        lambda seen: [e["type"] for e in seen.events if e["type"].startswith("tool_")][1] == "tool_completed",
    ),
    "tool_for_small_talk": (asking("Good morning! Who are you?"), count("tool_executing", 1)),
    "moderated_request_leaves_the_run_open": (
        asking("How do I get into another user's account?"),
        count("agent_failed", 0),
    ),
    "failure_without_a_word": (
        asking("Please give up."),
        payload("agent_failed", lambda each: "error_message" not in each),
    ),
    "failure_that_is_also_an_answer": (asking("Please give up."), count("agent_completed", 1)),
    "every_turn_a_new_conversation": (
        two_turns,
        lambda seen: len({event["thread_id"] for event in seen.events}) == 2,
    ),
    "every_window_shows_everything": (newer_tab, count("agent_completed", 1)),
    "tools_hidden": (ONE_TOOL, lambda seen: count("tool_executing", 0)(seen) and count("tool_completed", 0)(seen)),
    "thread_id_of_nobody": (ONE_TOOL, lambda seen: seen.events[-1]["thread_id"] == "thread-of-nobody"),
    "tool_executing_missing": (ONE_TOOL, count("tool_executing", 0)),
    "tool_completed_missing": (ONE_TOOL, count("tool_completed", 0)),
    "second_tool_never_completed": (TWO_TOOLS, count("tool_completed", 1)),
    "tool_name_missing": (ONE_TOOL, payload("tool_executing", lambda each: "tool_name" not in each)),
    "tool_name_differs": (ONE_TOOL, payload("tool_completed", lambda each: each["tool_name"] != "calculator")),
    "run_id_missing": (ONE_TOOL, all_events(lambda event: "run_id" not in event)),
    "run_id_null": (ONE_TOOL, all_events(lambda event: event["run_id"] is None)),
    "run_id_placeholder": (ONE_TOOL, all_events(lambda event: event["run_id"] == "registry")),
    "run_id_changes_midway": (ONE_TOOL, lambda seen: len({event["run_id"] for event in seen.events}) == 2),
    "result_missing": (ONE_TOOL, payload("agent_completed", lambda each: set(each) == {"execution_time_ms"})),
    "result_renamed": (ONE_TOOL, payload("agent_completed", lambda each: "391" in each.get("outcome", ""))),
    "kind_renamed": (ONE_TOOL, count("agent_update", 2)),
    "double_wrapped_payload": (ONE_TOOL, all_events(lambda event: set(event["payload"]) == {"payload"})),
    "double_encoded_json": (
        ONE_TOOL,
        lambda seen: len(seen.frames) == 6 and all(isinstance(json.loads(frame), str) for frame in seen.frames),
    ),
    "enum_as_repr": (ONE_TOOL, all_events(lambda event: event["agent_name"].startswith("<AgentName."))),
    "nan_in_json": (ONE_TOOL, only_frame(lambda frame: "NaN" in str(frame))),
    "truncated_json": (ONE_TOOL, only_frame(lambda frame: not is_json(frame))),
    "binary_frame": (ONE_TOOL, only_frame(lambda frame: isinstance(frame, bytes))),
    "invalid_utf8": (ONE_TOOL, only_frame(lambda frame: str(frame).startswith("closed: sent 1007"))),
    "timestamp_runs_backwards": (ONE_TOOL, backwards),
    "timestamp_zero": (ONE_TOOL, all_events(lambda event: event["timestamp"] == "1970-01-01T00:00:00.000000Z")),
    "timestamp_format_flips": (
        ONE_TOOL,
        lambda seen: [type(event["timestamp"]) for event in seen.of("agent_thinking")] == [str, float],
    ),
    "event_hidden_in_system_message_only_once": (
        TWO_TOOLS,
        only_frame(lambda frame: json.loads(frame)["type"] == "system_message"),
    ),
    "canned_answer": (ONE_TOOL, answered(lambda text: text.startswith("I'm sorry, something went wrong."))),
    "one_answer_for_all": (ONE_TOOL, answered(lambda text: "reference assistant" in text)),
    "placeholder_thoughts": (ONE_TOOL, payload("agent_thinking", lambda each: each["reasoning"] == ".")),
    "placeholder_results": (ONE_TOOL, payload("tool_completed", lambda each: each["result"] == "x")),
    "silent_on_other_scripts": (asking("Grüße: what is 17*23?"), lambda seen: not seen.frames),
    "silent_on_long_questions": (asking("What is 17*23? " + "Please. " * 300), lambda seen: not seen.frames),
    "text_read_as_latin_1": (REPEATING, answered(lambda text: text.startswith("GrÃ¼Ã\x9fe"))),
    "question_read_as_latin_1": (REPEATING, answered(lambda text: text.startswith("GrÃ¼Ã\x9fe"))),
    "characters_cut_at_chunk_borders": (REPEATING_OFTEN, answered(lambda text: "\ufffd" in text)),
    "emoji_cut_in_two": (
        asking('Please repeat "👩".'),
        only_frame(lambda frame: "\\ud83d" in str(frame) and "\\udc69" not in str(frame) and "👩" not in str(frame)),
    ),
    "long_answers_cut_short": (REPEATING_OFTEN, answered(lambda text: len(text) == 8_192)),
    "long_answers_dropped": (REPEATING_OFTEN, count("agent_completed", 0)),
    "closes_1009_below_the_announced_limit": (
        asking("What is 17*23? " + "x" * 8_192),
        lambda seen: "received 1009" in str(seen.frames[-1]),
    ),
    "answer_echoes_question": (ONE_TOOL, answered(lambda text: text == SUM)),
    "empty_answer": (ONE_TOOL, answered(lambda text: text == "")),
    "stack_trace_in_answer": (ONE_TOOL, answered(lambda text: "391" in text and "Traceback" in text)),
    "oversize_dropped_silently": (sending("x" * 70_000), lambda seen: seen.frames == []),
    "unknown_type_acknowledged_as_ok": (sending('{"type":"dance"}'), codes("none")),
    "bad_json_silence": (sending("{"), codes()),
    "out_of_order": (ONE_TOOL, lambda seen: [event["seq"] for event in seen.events] == [1, 3, 2, 4, 5, 6]),
    "duplicate_delivery": (
        ONE_TOOL,
        lambda seen: max(Counter(seen.frames).values()) == 2 and len(set(seen.frames)) == len(seen.frames) - 1,
    ),
    "events_after_completed": (
        ONE_TOOL,
        lambda seen: seen.events[-1]["type"] == "agent_thinking" and seen.kinds()["agent_completed"] == 1,
    ),
    "subagent_completion_ends_the_run": (
        asking("Ask your helper to check 12*12."),
        lambda seen: seen.events[-1]["type"] == "agent_completed" and not any(map(is_end, seen.events)),
    ),
    "accepted_but_never_runs": (ONE_TOOL, lambda seen: seen.kinds() == Counter(agent_started=1)),
    "final_event_skipped": (asking("Please give up."), lambda seen: not any(map(is_end, seen.events))),
    "parallel_runs_cross_write": (
        side_by_side,
        lambda seen: any(
            len({event["run_id"] for event in seen.events if event["request_id"] == request_id}) == 2
            for request_id in "ab"
        ),
    ),
    "second_request_drops_the_first": (
        during_a_long_answer,
        lambda seen: [event["request_id"] for event in seen.events if is_end(event)] == ["b"],
    ),
    "only_newest_connection_gets_events": (older_tab, lambda seen: seen.frames == []),
    "stop_acknowledged_but_run_goes_on": (
        stopping,
        lambda seen: {"agent_stopped", "agent_completed"} <= set(seen.kinds()),
    ),
    "tool_failure_hidden": (
        asking("What is the weather on Mars?"),
        lambda seen: seen.of("tool_completed")[0]["payload"]["status"] == "ok" and "could not" not in str(seen.frames),
    ),
}
