"""How the backend itself behaves: bad input, signs of life."""

from behave import then, when
from behave.runner import Context
from greenlight_gate.bdd.matchers.request_matchers import answers, is_clear
from greenlight_gate.bdd.world.context import hostility_of, rows_of, world_of
from hamcrest import assert_that, greater_than, has_length, is_


@when("{person:Person}'s app sends {message:Message}")
def sends(context: Context, person: str, message: str) -> None:
    hostility_of(context).send((person, message))


@when("at the same moment other people's apps send:")
def others_send(context: Context) -> None:
    hostility_of(context).send_from_others([row["message"] for row in rows_of(context)])


@then("{person:Person}'s app is told clearly what is wrong")
def told_clearly(context: Context, person: str) -> None:
    assert_that(world_of(context).answered_to[-1].told, is_clear())


@then("{person:Person}'s app is told clearly what is wrong, or is shown the door with a reason")
@then("each of these apps is told clearly what is wrong, or is shown the door with a reason")
def told_or_shown_the_door(context: Context, person: str = "") -> None:
    world = world_of(context)
    assert_that(world.answered_to, has_length(greater_than(0)))
    for answered in world.answered_to:
        if not world.was_shown_the_door(answered.session):
            assert_that(answered.told, is_clear(), answered.message)


@when("{person:Person}'s app floods the backend with pings")
def floods(context: Context, person: str) -> None:
    hostility_of(context).flood_with_pings(person)


@when("strangers crowd the door and never come in")
def crowd_the_door(context: Context) -> None:
    hostility_of(context).crowd_the_door()


@then("{person:Person} can go on asking, or is shown the door with a reason")
def can_go_on_or_is_shown_out(context: Context, person: str) -> None:
    world = world_of(context)
    if not world.was_shown_the_door(world.window(person)):
        can_go_on(context, person)


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
