"""How the backend itself behaves: bad input, signs of life."""

from behave import then, when
from behave.runner import Context
from hamcrest import assert_that, has_length, is_

from support.bdd import world_of
from support.bdd.matchers import answers, is_clear


@when("{person:Person}'s app sends half a message")
def half_a_message(context: Context, person: str) -> None:
    world = world_of(context)
    whole = world.frame("start", request="half", prompt="What is", thread=None)
    world.send_invalid(person, whole[: len(whole) // 2])


@when("{person:Person}'s app sends a message of no known kind")
def unknown_kind(context: Context, person: str) -> None:
    world_of(context).send_invalid(person, '{"type": "greenlight_unknown", "request_id": "unknown-1"}')


@when("{person:Person}'s app sends a question without words")
def without_words(context: Context, person: str) -> None:
    world = world_of(context)
    world.send_invalid(person, world.frame("start", request="wordless", prompt=None, thread=None))


@when("{person:Person}'s app sends a message that is far too large")
def too_large(context: Context, person: str) -> None:
    world = world_of(context)
    world.send_invalid(
        person, world.frame("start", request="large", prompt="x" * world.too_many_bytes(person), thread=None)
    )


@then("{person:Person}'s app is told clearly what is wrong")
def told_clearly(context: Context, person: str) -> None:
    assert_that(world_of(context).refusals[-1], is_clear())


@then("{person:Person}'s app is told clearly what is wrong, or is shown the door with a reason")
def told_or_shown_the_door(context: Context, person: str) -> None:
    world = world_of(context)
    if world.refusals[-1] is None:
        assert_that(world.was_shown_the_door(person), is_(True), "the backend closed the connection")
    else:
        assert_that(world.refusals[-1], is_clear())


@then("{person:Person} can go on asking")
def can_go_on(context: Context, person: str) -> None:
    world = world_of(context)
    question = world.ask(person, "with_tool")
    world.wait(question)
    assert_that(question, answers())


@when("{person:Person}'s app asks for a sign of life")
def sign_of_life(context: Context, person: str) -> None:
    world_of(context).ping(person)


@then("the sign of life came at once")
def came_at_once(context: Context) -> None:
    answered = world_of(context).pinged
    assert_that(answered, has_length(1))
    assert_that(answered[0], is_(True), "the ping was answered within its budget")
