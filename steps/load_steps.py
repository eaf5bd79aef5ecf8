"""Many users: connections, answers, and the resources that are released."""

from behave import given, then, when
from behave.runner import Context
from greenlight_gate.bdd.actions.load import crowd_of
from greenlight_gate.bdd.matchers.demand import demand
from hamcrest import assert_that, empty, equal_to, greater_than, greater_than_or_equal_to, has_length


@given("the users of the stress scale")
def stress_scale(context: Context) -> None:
    crowd = crowd_of(context)
    crowd.gather(crowd.scale, stress=True)


@when("all of them stay connected for {hold_ms:Number} ms and then ask {count:Number} questions each")
def hold_and_ask(context: Context, hold_ms: int, count: int) -> None:
    crowd_of(context).talk("all connect, wait and ask", hold_s=hold_ms / 1e3, runs_each=count)


@when("all of them tell the assistant something to remember, and then ask for it")
def remember_and_recall(context: Context) -> None:
    crowd_of(context).talk("all ask for their secrets", prompts=("remember", "recall"), runs_each=2)


@when("all of them ask {count:Number} questions each, without a pause")
def without_a_pause(context: Context, count: int) -> None:
    crowd_of(context).talk("all ask without a pause", runs_each=count)


@when(
    "of at most {most:Number} of them one in {share:Number} reads nothing, and the others ask for {asking_ms:Number} ms"
)
def some_read_nothing(context: Context, most: int, share: int, asking_ms: int) -> None:
    crowd = crowd_of(context)
    # Each client that reads nothing is sent 8 MB: with many of them the suite's own traffic delays the others.
    users = min(crowd.size, most)
    slow = max(users // share, 1)
    crowd.talk("some read nothing", users=users, fast=True, slow=slow, think_s=0.5, duration_s=asking_ms / 1e3)


@when("at most {most:Number} of them ask for the soak time")
def soak(context: Context, most: int) -> None:
    crowd_of(context).soak(users=min(crowd_of(context).size, most), think_s=0.02)


@when("all of them connect and disconnect {rounds:Number} times")
def connect_and_disconnect(context: Context, rounds: int) -> None:
    crowd_of(context).churn(rounds)


@when("at most {most:Number} of them ask {prompt:Question}, and leave for good after {asking_ms:Number} ms")
def leave_during_answers(context: Context, most: int, prompt: str, asking_ms: int) -> None:
    crowd = crowd_of(context)
    crowd.leave_during_answers(min(crowd.size, most), prompt, asking_ms / 1e3)


@when("all of them ask a question that takes long, and all connections are cut after {asking_ms:Number} ms")
def all_are_cut(context: Context, asking_ms: int) -> None:
    crowd_of(context).talk(
        "all connections are cut", prompts=("long_running",), duration_s=asking_ms / 1e3, break_off=True
    )


@when("all of them reconnect at the same moment and ask again")
def all_reconnect_and_ask(context: Context) -> None:
    crowd_of(context).talk("all reconnect", runs_each=1)


@then("at least {least:Number} of 100 connections were accepted")
def connections_were_accepted(context: Context, least: int) -> None:
    loads = crowd_of(context).loads
    assert_that(loads, has_length(greater_than(0)))
    for label, load in loads.items():
        accepted = 100 * load.connections_made / max(load.connections_tried, 1)
        demand("SUCCESS", accepted, greater_than_or_equal_to(least), f"percent of the connections accepted: {label}")


@then("at least {least:Number} of 100 questions were answered")
def questions_were_answered(context: Context, least: int) -> None:
    load = crowd_of(context).latest()
    assert_that(load.asked, greater_than(0), "questions")
    demand(
        "SUCCESS", 100 * load.runs / load.asked, greater_than_or_equal_to(least), "percent of the questions answered"
    )


@then("each of them received their own secret, and nothing of the others")
def own_secrets(context: Context) -> None:
    load = crowd_of(context).latest()
    demand("ISOLATION", load.canaries_seen, equal_to(load.canaries_expected), "users who received their own secret")
    demand(
        "ISOLATION", {rule: times for rule, times in load.counts.items() if rule.startswith("ISOLATION")}, equal_to({})
    )


@then("the backend leaks no memory, and its growth is within the target's limit")
@then("the backend has released their memory, files and connections")
@then("the backend has ended their runs")
def memory_is_released(context: Context) -> None:
    for judged in crowd_of(context).judged_memory():
        demand("MEMORY", judged.faults, empty(), judged.measured)
