"""What steps may know of the suite: the World, and the words of parameters."""

from collections.abc import Iterable
from typing import Any

from behave.runner import Context

from support.bdd.hostility import Hostility
from support.bdd.parameters import moment as moment_in
from support.bdd.parameters import question as question_in
from support.bdd.privacy import Privacy
from support.bdd.walls import Walls
from support.bdd.world import World

__all__ = ["hostility_of", "moment_in", "privacy_of", "question_in", "rows_of", "walls_of", "world_of"]


def world_of(context: Context) -> World:
    """The World of the scenario that is running."""
    world: World = context.world
    return world


def hostility_of(context: Context) -> Hostility:
    """The hostile things that happen in the scenario that is running."""
    return Hostility(world_of(context))


def privacy_of(context: Context) -> Privacy:
    """The privacy of the people in the scenario that is running."""
    return Privacy(world_of(context))


def walls_of(context: Context) -> Walls:
    """The attempts to get in, or to reach into what is another's, of the scenario that is running."""
    return Walls(world_of(context))


def rows_of(context: Context) -> Iterable[Any]:
    """The rows of the step's table. Raises ValueError for a step without one."""
    if context.table is None:
        raise ValueError("this step needs a table")
    rows: Iterable[Any] = iter(context.table)
    return rows
