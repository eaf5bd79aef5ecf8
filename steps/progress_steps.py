"""What people see on the way to an answer."""

from itertools import accumulate

from behave import then
from behave.runner import Context
from greenlight_gate.bdd.matchers.event_patterns import (
    EventPattern,
    completed,
    started,
    thinking,
    tool_completed,
    tool_executing,
)
from greenlight_gate.bdd.matchers.request_matchers import (
    begins_with,
    has_results_of_each_tool,
    in_order,
    shows,
    shows_once,
    tools_are_named,
)
from greenlight_gate.bdd.world.context import moment_in, rows_of, world_of
from greenlight_gate.events import EventKind
from hamcrest import assert_that, greater_than_or_equal_to, less_than_or_equal_to


@then("{person:Person} sees once that work began")
def work_began(context: Context, person: str) -> None:
    assert_that(world_of(context).last(person), shows_once(started()))


@then("{person:Person} sees nothing of the answer before that")
def nothing_before(context: Context, person: str) -> None:
    question = world_of(context).last(person)
    assert_that(question, begins_with(started()))


@then("{person:Person} waits no longer for the first sign than promised")
def first_sign(context: Context, person: str) -> None:
    world = world_of(context)
    question = world.last(person)
    assert_that(question, shows_once(started()))
    assert_that(question.seen_at[0] - question.asked_at, less_than_or_equal_to(world.budgets.start_s))


@then("{person:Person} can read the reasoning before the answer")
def reasoning(context: Context, person: str) -> None:
    question = world_of(context).last(person)
    assert_that(question, shows(thinking()))
    assert_that(question, in_order(started(), thinking(), completed()))


@then("{person:Person} can read the reasoning {times:Number} times or more")
def reasoning_often(context: Context, person: str, times: int) -> None:
    assert_that(world_of(context).last(person), shows(thinking(), least=times))


@then("the news came while the work went on")
def while_it_went_on(context: Context) -> None:
    world = world_of(context)
    question = world.last()
    took = question.seen_at[-1] - question.asked_at
    early = sum(at < question.seen_at[-1] - took / 10 for at in question.seen_at)
    if early < len(question.events) / 2:
        world.admit_stall(question)
    assert_that(early, greater_than_or_equal_to(len(question.events) / 2), "events before the last tenth")


@then("{person:Person} sees which tool is at work before it has a result")
def tool_at_work(context: Context, person: str) -> None:
    question = world_of(context).last(person)
    assert_that(question, in_order(tool_executing(), tool_completed(), completed()))
    assert_that(question, tools_are_named())


@then("{person:Person} sees {times:Number} tools begin and finish")
def tools_begin_and_finish(context: Context, person: str, times: int) -> None:
    question = world_of(context).last(person)
    assert_that(question, shows(tool_executing(), least=times))
    assert_that(question, shows(tool_completed(), least=times))


@then("each tool has a name")
def each_has_a_name(context: Context) -> None:
    assert_that(world_of(context).last(), tools_are_named())


@then("both tools were at work at the same time")
def at_the_same_time(context: Context) -> None:
    kinds = [event.kind for event in world_of(context).last().events]
    at_work = accumulate((kind is EventKind.TOOL_EXECUTING) - (kind is EventKind.TOOL_COMPLETED) for kind in kinds)
    assert_that(max(at_work), greater_than_or_equal_to(2), "tools at work at the same time")


@then("{person:Person} sees what the tool found")
@then("{person:Person} sees what each tool found")
def what_tools_found(context: Context, person: str) -> None:
    assert_that(world_of(context).last(person), has_results_of_each_tool())


@then("{person:Person} sees that the tool failed")
def tool_failed(context: Context, person: str) -> None:
    assert_that(world_of(context).last(person), in_order(tool_executing(), tool_completed(failed=True)))


@then("{person:Person} sees, in this order:")
def in_this_order(context: Context, person: str) -> None:
    moments = [EventPattern(moment_in(row["moment"])) for row in rows_of(context)]
    assert_that(world_of(context).last(person), in_order(*moments))
