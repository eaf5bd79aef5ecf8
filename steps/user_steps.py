"""Who is connected: users and their tabs."""

from behave import given
from behave.runner import Context
from greenlight_gate.bdd.context import world_of


@given("{user:User} is in a conversation")
def one_user(context: Context, user: str) -> None:
    world_of(context).connect(user)


@given("{one:User} and {other:User} are each in a conversation of their own")
def two_users(context: Context, one: str, other: str) -> None:
    world_of(context).connect_all([one, other])


@given("{count:Number} users are each in a conversation of their own")
def several_users(context: Context, count: int) -> None:
    world = world_of(context)
    world.connect_all(world.users(count))


@given("{user:User} has two tabs open")
def two_tabs(context: Context, user: str) -> None:
    world = world_of(context)
    world.connect(user)
    world.connect(user)
