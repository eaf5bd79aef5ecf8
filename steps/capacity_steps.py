"""How many people, for how long, and what they leave behind."""

from behave import given, then, when
from behave.runner import Context
from greenlight_gate.bdd.actions.crowd import crowd_of
from hamcrest import assert_that, empty, equal_to, greater_than, greater_than_or_equal_to, has_length

# What single people may lose in a crowd (SUCCESS under load).
_LEAST_SERVED = 0.99


@given("a crowd")
def a_crowd(context: Context) -> None:
    crowd = crowd_of(context)
    crowd.gather(crowd.scale, stress=True)


@when("all of them are connected for a while, and then ask at the same moment")
def hold_and_ask(context: Context) -> None:
    crowd_of(context).talk("all at the same moment", hold_s=1.0, runs_each=2)


@when("all of them tell the assistant something to remember, and ask for it")
def remember_and_recall(context: Context) -> None:
    crowd_of(context).talk("all of their own secrets", prompts=("remember", "recall"), runs_each=2)


@when("all of them ask again as soon as they are answered")
def without_a_breath(context: Context) -> None:
    crowd_of(context).talk("without a breath", runs_each=10)


@when("some of them have very slow lines, and the others ask")
def slow_lines(context: Context) -> None:
    crowd = crowd_of(context)
    # A slow line is sent 8 MB: with many of them it is the suite's own flood that the others are late by.
    people = min(crowd.size, 50)
    slow = max(people // 10, 1)
    crowd.talk("beside slow lines", people=people, fast=True, slow=slow, think_s=0.5, duration_s=2.0)


@when("some of them talk for as long as the memory is watched")
def talk_on(context: Context) -> None:
    crowd_of(context).soak(people=min(crowd_of(context).size, 10), think_s=0.2)


@when("all of them come and leave {rounds:Number} times")
def come_and_leave(context: Context, rounds: int) -> None:
    crowd_of(context).churn(rounds)


@when("all of them ask a question that takes long, and all lines break")
def lines_break(context: Context) -> None:
    crowd_of(context).talk("all lines break", prompts=("long_running",), duration_s=0.4, break_off=True)


@when("all of them come back at the same moment and ask again")
def come_back(context: Context) -> None:
    crowd_of(context).talk("all come back", runs_each=1)


@then("everybody was let in")
def everybody_was_let_in(context: Context) -> None:
    loads = crowd_of(context).loads
    assert_that(loads, has_length(greater_than(0)))
    for label, load in loads.items():
        let_in = load.connections_made / max(load.connections_tried, 1)
        assert_that(let_in, greater_than_or_equal_to(_LEAST_SERVED), f"let in: {label}")


@then("every question was answered")
@then("every question of the others was answered")
def every_question_was_answered(context: Context) -> None:
    load = crowd_of(context).latest()
    assert_that(load.asked, greater_than(0), "questions")
    assert_that(load.runs / load.asked, greater_than_or_equal_to(_LEAST_SERVED), "share that was answered")


@then("everybody was reminded of their own secret, and of nobody else's")
def own_secrets(context: Context) -> None:
    load = crowd_of(context).latest()
    assert_that(load.canaries_seen, equal_to(load.canaries_expected), "people who saw their own secret")
    assert_that({rule: times for rule, times in load.counts.items() if rule.startswith("ISOLATION")}, equal_to({}))


@then("the backend's memory did not fill up")
@then("nothing of them is left behind")
def memory_is_well(context: Context) -> None:
    for judged in crowd_of(context).judged_memory():
        assert_that(judged.faults, empty(), judged.measured)
