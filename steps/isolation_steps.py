"""What users must not receive of each other."""

from behave import given, then, when
from behave.runner import Context
from greenlight_gate.bdd.context import foreign_access_of, privacy_of, world_of
from greenlight_gate.bdd.matchers.demand import demand
from greenlight_gate.bdd.matchers.request_matchers import answers, each
from hamcrest import assert_that, empty, equal_to, is_


@given("2 to {most:Number} users have each told the assistant a secret")
def several_users(context: Context, most: int) -> None:
    privacy_of(context).gather(most=most)


@given("{connections:Number} connections of users who have each told the assistant a secret")
def many_connections(context: Context, connections: int) -> None:
    privacy_of(context).gather_crowd(connections)


@when("all of them ask for their secrets at the same moment")
def all_at_once(context: Context) -> None:
    privacy_of(context).ask_all()


@when("all of them ask for their secrets at the same moment, in {rounds:Number} rounds")
def all_at_once_often(context: Context, rounds: int) -> None:
    privacy_of(context).ask_all(times=rounds)


@when("each of them opens a second tab and asks for the secret in both tabs")
def in_two_tabs(context: Context) -> None:
    world = world_of(context)
    world.connect_all(world.private)
    privacy_of(context).ask_all(tabs=2)


@when("they connect, ask for their secrets and disconnect, one after the other, in {rounds:Number} rounds")
def one_after_the_other(context: Context, rounds: int) -> None:
    privacy_of(context).one_after_the_other(rounds=rounds)


@when("each of them disconnects as soon as an answer begins, and the next one connects at once")
def next_one_connects(context: Context) -> None:
    privacy_of(context).reconnect_in_each_others_place()


@when("all of them disconnect, reconnect and ask for their secrets")
def reconnect_and_ask(context: Context) -> None:
    privacy_of(context).reconnect_and_ask()


@when("each of them sends a truncated message and then asks for the secret")
def after_an_error(context: Context) -> None:
    privacy_of(context).ask_after_an_error()


@when("each half of them asks for their secrets while the other half waits for long answers")
def during_long_answers(context: Context) -> None:
    privacy_of(context).ask_during_long_work()


@when("each of them asks to restore the next one's conversation, and then for the secret")
def restore_the_next_ones(context: Context) -> None:
    privacy_of(context).restore_each_others(foreign_access_of(context))


@then("each of them receives their own secret, and nothing of the others")
def own_and_nothing_else(context: Context) -> None:
    demand("ISOLATION-1", privacy_of(context).who_saw_whom(), empty())
    demand("CONTENT-4", world_of(context).ended_questions(), each(answers()))


@then("none of them receives anything of the others")
def nothing_of_the_others(context: Context) -> None:
    world = world_of(context)
    users = list(world.sessions)
    demand("LIFECYCLE-2", {user: world.answered(user) for user in users}, equal_to(dict.fromkeys(users, True)))
    privacy_of(context).watch_those_with_secrets()
    demand("ISOLATION-1", privacy_of(context).who_saw_whom(), empty())


@then("{user:User} has received messages, and none of them holds a secret")
def no_secret(context: Context, user: str) -> None:
    world = world_of(context)
    assert_that(world.has_observed, is_(True), f"{user} received messages")
    demand("CONTENT-5", [finding for finding in world.findings if finding.rule == "CONTENT-5"], empty())
