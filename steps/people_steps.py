"""Who is here: people and their windows."""

from behave import given
from behave.runner import Context
from greenlight_gate.bdd.world.context import world_of


@given("{person:Person} is in a conversation")
def one_person(context: Context, person: str) -> None:
    world_of(context).connect(person)


@given("{one:Person} and {other:Person} are each in their own conversation")
def two_people(context: Context, one: str, other: str) -> None:
    world_of(context).connect_all([one, other])


@given("five people are each in their own conversation")
def five_people(context: Context) -> None:
    world = world_of(context)
    world.connect_all(world.people(5))


@given("{person:Person} has two windows open")
def two_windows(context: Context, person: str) -> None:
    world = world_of(context)
    world.connect(person)
    world.connect(person)
