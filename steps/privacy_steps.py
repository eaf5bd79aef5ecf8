"""What people must not see of each other."""

from behave import given, then, when
from behave.runner import Context
from greenlight_gate.bdd.matchers.request_matchers import answers, each
from greenlight_gate.bdd.world.context import privacy_of, walls_of, world_of
from hamcrest import assert_that, empty, equal_to, is_


@given("several people have each told the assistant a secret")
def several_people(context: Context) -> None:
    privacy_of(context).gather()


@given("a crowd of people have each told the assistant a secret")
def a_crowd(context: Context) -> None:
    privacy_of(context).gather_crowd()


@when("all of them ask for their secrets at the same moment")
def all_at_once(context: Context) -> None:
    privacy_of(context).ask_all()


@when("all of them ask for their secrets at the same moment, {times:Number} times")
def all_at_once_often(context: Context, times: int) -> None:
    privacy_of(context).ask_all(times=times)


@when("each of them opens a second window and asks for their secret in both")
def in_two_windows(context: Context) -> None:
    world = world_of(context)
    world.connect_all(world.private)
    privacy_of(context).ask_all(windows=2)


@when("they come, ask for their secrets and leave, one after the other")
def one_after_the_other(context: Context) -> None:
    privacy_of(context).one_after_the_other()


@when("each of them leaves in the middle of an answer, and the next one takes the seat")
def take_the_seat(context: Context) -> None:
    privacy_of(context).take_each_others_seat()


@when("all of them lose the connection, come back and ask for their secrets")
def come_back(context: Context) -> None:
    privacy_of(context).come_back_and_ask()


@when("each of them meets an error and then asks for their secret")
def after_an_error(context: Context) -> None:
    privacy_of(context).ask_after_an_error()


@when("some ask for their secrets while long work goes on for the others")
def during_long_work(context: Context) -> None:
    privacy_of(context).ask_during_long_work()


@when("each of them asks to be shown the next one's conversation")
def show_me_the_next_ones(context: Context) -> None:
    walls = walls_of(context)
    people = world_of(context).private
    for person, owner in zip(people, people[1:] + people[:1], strict=True):
        walls.ask_to_see_conversation_of(owner, person)
    privacy_of(context).ask_all()


@then("everybody sees their own secret, and nobody anything of the others")
def own_and_nothing_else(context: Context) -> None:
    assert_that(privacy_of(context).who_saw_whom(), empty())
    assert_that(world_of(context).ended_questions(), each(answers()))


@then("none of them sees anything of the others")
def nothing_of_the_others(context: Context) -> None:
    world = world_of(context)
    everybody = list(world.sessions)
    assert_that({person: world.answered(person) for person in everybody}, equal_to(dict.fromkeys(everybody, True)))
    privacy_of(context).watch_those_with_secrets()
    assert_that(privacy_of(context).who_saw_whom(), empty())


@then("{person:Person} was shown something, and nothing secret")
def nothing_secret(context: Context, person: str) -> None:
    world = world_of(context)
    assert_that(world.has_observed, is_(True), "something was shown")
    assert_that([finding for finding in world.findings if finding.rule == "CONTENT-5"], empty())
