"""For each defect of what is asked of the user a conversation, and what is to be seen in it."""

import json
from collections.abc import Callable

from support.tests.backend.broken_conversations import Scenario, Seen, frames_of
from support.tests.backend.users import Event, User, tab

ASKS = "Ask me before you work out 17*23."
_OUT_OF_TIME_S = 1.5


def asked(user: User, question: str = ASKS) -> list[Event]:
    user.ask(question)
    return user.read_until(lambda event: event["type"] in ("input_requested", "agent_completed"))


def answer(user: User, seen: list[Event], choice: str = "approve") -> None:
    if seen[-1]["type"] == "input_requested":
        ids = {"run_id": seen[-1]["run_id"], "input_id": seen[-1]["payload"]["input_id"]}
        user.send({"type": "input_response", "choice": choice, **ids})


def answering(*choices: str) -> Scenario:
    def scenario(url: str) -> Seen:
        with tab(url) as ada:
            seen = asked(ada)
            for choice in choices:
                answer(ada, seen, choice)
            return Seen([*map(json.dumps, seen), *frames_of(ada).frames])

    return scenario


APPROVING, DENYING, TWICE = answering("approve"), answering("deny"), answering("approve", "approve")


def leaving_it(url: str) -> Seen:
    with tab(url) as ada:
        seen = asked(ada, "Ask me within 1 second before you work out 17*23.")
        return Seen([*map(json.dumps, seen), *ada.raw_frames(quiet_s=_OUT_OF_TIME_S)])


def reloading(url: str) -> Seen:
    with tab(url) as ada:
        thread_id = asked(ada)[0]["thread_id"]
    with tab(url) as ada:
        ada.send({"type": "session_restore", "thread_id": thread_id, "last_seq": 0})
        return frames_of(ada)


def another_user_approves(url: str) -> Seen:
    with tab(url) as ada, tab(url, "bashir") as bashir:
        answer(bashir, asked(ada))
        return frames_of(ada)


def order(seen: Seen) -> list[str]:
    return [event["type"] for event in seen.events if event["type"].startswith(("input", "tool"))]


def parameters(seen: Seen) -> list[str]:
    shown = seen.of("input_requested") + seen.of("tool_executing")
    return [str(event["payload"]["parameters"]) for event in shown]


INPUTS: dict[str, tuple[Scenario, Callable[[Seen], bool]]] = {
    "tool_runs_without_approval": (APPROVING, lambda seen: order(seen) == ["tool_executing", "tool_completed"]),
    "tool_runs_before_the_approval": (
        APPROVING,
        lambda seen: order(seen)[:2] == ["input_requested", "tool_executing"],
    ),
    "denied_tool_runs": (DENYING, lambda seen: seen.kinds()["tool_completed"] == 1),
    "other_arguments_than_approved": (APPROVING, lambda seen: len(set(parameters(seen))) == len(parameters(seen)) == 2),
    "pending_approval_lost_on_reload": (
        reloading,
        lambda seen: seen.kinds()["agent_started"] == 1 and not seen.of("input_requested"),
    ),
    "second_approval_runs_the_tool_again": (TWICE, lambda seen: seen.kinds()["tool_executing"] == 2),
    "unanswered_approval_waits_for_ever": (leaving_it, lambda seen: not seen.of("input_received")),
    "foreign_approval_accepted": (another_user_approves, lambda seen: seen.kinds()["tool_executing"] == 1),
}
