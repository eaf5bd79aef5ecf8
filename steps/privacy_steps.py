"""What people must not see of each other."""

from behave import then
from behave.runner import Context
from hamcrest import assert_that, empty, equal_to

from support.bdd import world_of


@then("none of them sees anything of the others")
def nothing_of_the_others(context: Context) -> None:
    world = world_of(context)
    everybody = list(world.sessions)
    assert_that({person: world.answered(person) for person in everybody}, equal_to(dict.fromkeys(everybody, True)))
    assert_that(world.who_saw_whom(), empty())
