"""The events that users receive before the answer."""

from itertools import accumulate

from behave import then
from behave.runner import Context
from greenlight_gate.bdd.context import event_kind_of, rows_of, world_of
from greenlight_gate.bdd.matchers.demand import demand
from greenlight_gate.bdd.matchers.event_patterns import (
    EventPattern,
    completed,
    started,
    thinking,
    tool_completed,
    tool_executing,
)
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.matchers.request_matchers import (
    begins_with,
    has_results_of_each_tool,
    in_order,
    shows,
    shows_once,
    tools_are_named,
)
from greenlight_gate.events import EventKind
from hamcrest import empty, greater_than_or_equal_to, less_than_or_equal_to


@then("{user:User} receives agent_started exactly once")
def started_once(context: Context, user: str) -> None:
    demand("LIFECYCLE-1", world_of(context).last(user), shows_once(started()))


@then("agent_started is the first event that {user:User} receives")
def started_first(context: Context, user: str) -> None:
    question = world_of(context).last(user)
    demand("LIFECYCLE-1", question, begins_with(started()))


@then("{user:User} receives agent_started within the start budget")
def started_in_time(context: Context, user: str) -> None:
    world = world_of(context)
    question = world.last(user)
    demand("LIFECYCLE-1", question, shows_once(started()))
    at = next(at for event, at in zip(question.events, question.seen_at, strict=True) if started().fits(event))
    if at - question.asked_at > world.budgets.start_s:
        world.admit_stall(question)
    demand(
        "TIMELINESS-1", at - question.asked_at, less_than_or_equal_to(world.budgets.start_s), "seconds to agent_started"
    )


@then("{user:User} receives agent_thinking between agent_started and agent_completed")
def reasoning(context: Context, user: str) -> None:
    question = world_of(context).last(user)
    demand("LIFECYCLE-4", question, shows(thinking()))
    demand("LIFECYCLE-4", question, in_order(started(), thinking(), completed()))


@then("the events arrive as they happen, if the answer takes {least_ms:Number} ms or more")
def while_it_goes_on(context: Context, least_ms: int) -> None:
    world = world_of(context)
    question = world.last()
    took = question.seen_at[-1] - question.asked_at
    if took < least_ms / 1e3:
        raise NotExercised(
            f"the answer to {question.text!r} took {took * 1e3:.0f} ms: too short to be spread over its time"
        )
    late = sum(at >= question.seen_at[-1] - took / 10 for at in question.seen_at)
    if late > len(question.events) / 2:
        world.admit_stall(question)
    held_back = [finding for finding in world.findings if finding.rule == "TIMELINESS-3"]
    demand("TIMELINESS-3", held_back, empty(), "events that were held back")


@then("{user:User} receives tool_executing with the tool's name before tool_completed")
def tool_before_result(context: Context, user: str) -> None:
    question = world_of(context).last(user)
    demand("PAIRING-1", question, in_order(tool_executing(), tool_completed(), completed()))
    demand("PAIRING-3", question, tools_are_named())


@then("{user:User} sees at least {times:Number} tools start and complete")
def tools_start_and_complete(context: Context, user: str, times: int) -> None:
    question = world_of(context).last(user)
    demand("LIFECYCLE-5", question, shows(tool_executing(), least=times))
    demand("PAIRING-2", question, shows(tool_completed(), least=times))


@then("each tool has a name")
def each_has_a_name(context: Context) -> None:
    demand("PAIRING-3", world_of(context).last(), tools_are_named())


@then("at least {times:Number} tools ran at the same time")
def at_the_same_time(context: Context, times: int) -> None:
    kinds = [event.kind for event in world_of(context).last().events]
    running = accumulate((kind is EventKind.TOOL_EXECUTING) - (kind is EventKind.TOOL_COMPLETED) for kind in kinds)
    demand("LIFECYCLE-5", max(running), greater_than_or_equal_to(times), "tools that ran at the same time")


@then("{user:User} receives the result of each tool")
def results_of_tools(context: Context, user: str) -> None:
    demand("CONTENT-1", world_of(context).last(user), has_results_of_each_tool())


@then("{user:User} sees that the tool failed")
def tool_failed(context: Context, user: str) -> None:
    demand("CONTENT-4", world_of(context).last(user), in_order(tool_executing(), tool_completed(failed=True)))


@then("{user:User} receives these events in this order:")
def in_this_order(context: Context, user: str) -> None:
    events = [EventPattern(event_kind_of(row["event"])) for row in rows_of(context)]
    demand("LIFECYCLE-5", world_of(context).last(user), in_order(*events))
