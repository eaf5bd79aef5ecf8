"""What steps may know of the suite: the World, and the words of parameters."""

from behave.runner import Context

from support.bdd.parameters import moment as moment_in
from support.bdd.parameters import question as question_in
from support.bdd.world import World

__all__ = ["moment_in", "question_in", "world_of"]


def world_of(context: Context) -> World:
    """The World of the scenario that is running."""
    world: World = context.world
    return world
