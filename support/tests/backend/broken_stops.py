"""For each defect of stops, threads and restores in progress a conversation, and what is to be seen in it."""

import json
from collections.abc import Callable

from support.tests.backend.broken_connections import away, restored
from support.tests.backend.broken_conversations import LONG, SUM, Scenario, Seen, asking, frames_of, stopping
from support.tests.backend.users import is_end, tab

HELLO = "Good morning! Who are you?"
# Longer than the slow tool.
_TOOL_S = 0.6
_ONE_IN = 15


def stopping_one_of_two(url: str) -> Seen:
    with tab(url) as ada:
        ada.ask(LONG, request_id="a")
        ada.ask(LONG, request_id="b")
        seen = ada.read_until(lambda event: event["type"] == "tool_executing" and event["request_id"] == "b")
        ada.send({"type": "stop_agent", "run_id": next(e["run_id"] for e in seen if e["request_id"] == "a")})
        return Seen([*map(json.dumps, seen), *ada.raw_frames(quiet_s=_TOOL_S)])


def stopping_at_once(url: str) -> Seen:
    with tab(url) as ada:
        ada.ask(LONG)
        started = ada.read()
        ada.send({"type": "stop_agent", "run_id": started["run_id"]})
        return Seen(ada.raw_frames(quiet_s=_TOOL_S))


def stopping_before_the_first_event(url: str) -> Seen:
    with tab(url) as ada:
        ada.ask(LONG, request_id="a")
        ada.send({"type": "stop_agent", "request_id": "a"})
        return Seen([*map(json.dumps, ada.read_until(is_end))])


def stopping_too_late(url: str) -> Seen:
    with tab(url) as ada:
        run = ada.run(SUM)
        ada.send({"type": "stop_agent", "run_id": run[0]["run_id"]})
        ada.read()
        ada.ask(SUM)
        return frames_of(ada)


def going_on_after_a_stop(url: str) -> Seen:
    with tab(url) as ada:
        ada.ask(LONG)
        seen = ada.read_until(lambda event: event["type"] == "tool_executing")
        ada.send({"type": "stop_agent", "run_id": seen[0]["run_id"]})
        ada.read_until(is_end)
        ada.ask(SUM, thread_id=seen[0]["thread_id"])
        return frames_of(ada)


def stopping_twice(url: str) -> Seen:
    """What is seen of the next request."""
    with tab(url) as ada:
        ada.ask(LONG)
        seen = ada.read_until(lambda event: event["type"] == "tool_executing")
        for _ in range(2):
            ada.send({"type": "stop_agent", "run_id": seen[0]["run_id"]})
        ada.read_until(is_end)
        ada.ask(SUM, thread_id=seen[0]["thread_id"], request_id="r-2")
        return Seen([frame for frame in frames_of(ada).frames if "r-2" in frame])


def closing_another_tab(url: str) -> Seen:
    with tab(url) as ada:
        ada.ask(LONG)
        ada.read_until(lambda event: event["type"] == "tool_executing")
        with tab(url) as other:
            other.ask(LONG)
            other.read()
        return Seen([*map(json.dumps, ada.read_until(is_end))])


def restoring_what_was_stopped(url: str) -> Seen:
    """The user goes on for longer than the stopped tool would have taken, and restores the conversation."""
    with tab(url) as ada:
        ada.ask(LONG)
        seen = ada.read_until(lambda event: event["type"] == "tool_executing")
        ada.send({"type": "stop_agent", "run_id": seen[0]["run_id"]})
        end = ada.read_until(is_end)[-1]
        ada.ask(LONG, thread_id=end["thread_id"], request_id="r-2")
        ada.read_until(is_end)
        ada.send({"type": "session_restore", "thread_id": end["thread_id"], "last_seq": end["seq"]})
        return frames_of(ada)


def asking_twice(url: str) -> Seen:
    with tab(url) as ada:
        ada.ask(LONG)
        ada.ask(LONG)
        return Seen(ada.raw_frames(quiet_s=_TOOL_S))


def two_at_once_in_one_thread(url: str) -> Seen:
    with tab(url) as ada:
        thread_id = ada.run(SUM)[0]["thread_id"]
        ada.ask(LONG, thread_id=thread_id, request_id="a")
        ada.ask(HELLO, thread_id=thread_id, request_id="b")
        return frames_of(ada)


def two_tabs_in_one_thread(url: str) -> Seen:
    with tab(url) as ada, tab(url) as other:
        thread_id = ada.run(SUM)[0]["thread_id"]
        ada.ask(LONG, thread_id=thread_id)
        ada.read()
        other.ask(HELLO, thread_id=thread_id)
        return frames_of(other)


def changing_a_question(url: str) -> Seen:
    """The user asks a sum, something else, and replaces that by a question about the one before."""
    with tab(url) as ada:
        thread_id = ada.run(SUM)[0]["thread_id"]
        replaced = ada.run(HELLO, thread_id=thread_id)[0]["run_id"]
        ada.ask("What was my previous question?", thread_id=thread_id, request_id="r-2", replaces=replaced)
        return Seen([json.dumps({"replaced": replaced}), *frames_of(ada).frames])


def going_on_often(url: str) -> Seen:
    with tab(url) as ada:
        seen = ada.run(SUM)
        for _ in range(_ONE_IN + 1):
            seen += ada.run(SUM, thread_id=seen[0]["thread_id"])
        return Seen([*map(json.dumps, seen)])


def parallel_tools_twice(url: str) -> Seen:
    with tab(url) as ada:
        seen = [event for _ in range(2) for event in ada.run("Work out 6*7 and 8*9 at the same time.")]
        return Seen([*map(json.dumps, seen)])


def restoring_a_sub_agent(url: str) -> Seen:
    with tab(url) as ada:
        thread_id = ada.run("Ask your helper to check 12*12.")[0]["thread_id"]
    with tab(url) as ada:
        ada.send({"type": "session_restore", "thread_id": thread_id, "last_seq": 0})
        return frames_of(ada)


def restoring_all(url: str) -> Seen:
    """The user leaves in the middle of an answer, and asks for all of it while it is in progress."""
    with tab(url) as ada:
        ada.ask(LONG)
        seen = ada.read_until(lambda event: event.get("seq") == 3)
    with tab(url) as ada:
        ada.send({"type": "session_restore", "thread_id": seen[0]["thread_id"], "last_seq": 0})
        return Seen(ada.raw_frames(quiet_s=0.9))


def ends_of(request_id: str) -> Callable[[Seen], list[str]]:
    return lambda seen: [event["type"] for event in seen.events if is_end(event) and event["request_id"] == request_id]


def shows(kind: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.kinds()[kind] > 0


def lacks(kind: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.kinds()[kind] == 0


def out_of_order(seen: Seen) -> bool:
    numbers = [event["seq"] for event in seen.events]
    return numbers != sorted(numbers) and len(numbers) == len(set(numbers))


STOPS: dict[str, tuple[Scenario, Callable[[Seen], bool]]] = {
    "stop_hits_another_run": (
        stopping_one_of_two,
        lambda seen: (ends_of("a")(seen), ends_of("b")(seen)) == (["agent_completed"], ["agent_stopped"]),
    ),
    "stop_ends_all_runs_of_the_user": (
        stopping_one_of_two,
        lambda seen: ends_of("a")(seen) == ends_of("b")(seen) == ["agent_stopped"],
    ),
    "stop_lost_before_the_first_event": (stopping_before_the_first_event, shows("agent_completed")),
    "stop_lost_before_the_first_tool": (stopping_at_once, shows("agent_completed")),
    "stop_waits_for_the_tool": (stopping, lacks("agent_stopped")),
    "tool_works_on_after_a_stop": (
        restoring_what_was_stopped,
        lambda seen: any(event["request_id"] == "r-1" for event in seen.events if "request_id" in event),
    ),
    "double_send_starts_two_runs": (asking_twice, lambda seen: seen.kinds()["agent_started"] == 2),
    "stop_sticks_to_the_next_request": (stopping_too_late, shows("agent_stopped")),
    "second_stop_hits_the_next_run": (stopping_twice, shows("agent_stopped")),
    "closed_tab_stops_the_other_runs": (closing_another_tab, shows("agent_stopped")),
    "stopped_answer_inside_the_next": (
        going_on_after_a_stop,
        lambda seen: "none contradicts" in str(seen.of("agent_completed")),
    ),
    "thread_fails_after_a_stop": (going_on_after_a_stop, shows("agent_failed")),
    "runs_of_one_thread_mix": (
        two_at_once_in_one_thread,
        lambda seen: "reference assistant" in str([e for e in seen.of("agent_completed") if e["request_id"] == "a"]),
    ),
    "request_of_a_second_tab_dropped": (two_tabs_in_one_thread, lacks("agent_started")),
    "changed_question_is_added": (
        changing_a_question,
        lambda seen: "Good morning" in str(seen.of("agent_completed")),
    ),
    "other_answer_under_the_old_run_id": (
        changing_a_question,
        lambda seen: json.loads(seen.frames[0])["replaced"] == seen.of("agent_completed")[0]["run_id"],
    ),
    "tool_result_now_and_then_not_recorded": (going_on_often, shows("agent_failed")),
    "parallel_tools_now_and_then_hidden": (parallel_tools_twice, lambda seen: seen.kinds()["tool_executing"] == 3),
    "parallel_results_held_back": (
        asking("Work out 6*7 and 8*9 at the same time."),
        lambda seen: seen.kinds()["tool_executing"] == 2 and lacks("tool_completed")(seen),
    ),
    "tool_end_shown_late": (
        asking(SUM),
        lambda seen: shows("tool_executing")(seen) and lacks("tool_completed")(seen),
    ),
    "live_events_overtake_the_replay": (restoring_all, out_of_order),
    "replay_without_sub_agents": (
        restoring_a_sub_agent,
        lambda seen: restored(seen) and not any("parent_run_id" in event for event in seen.events),
    ),
    "restore_stops_the_run": (away, shows("agent_stopped")),
}
