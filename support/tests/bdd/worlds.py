"""A World of one session, as a scenario has it."""

from collections.abc import Iterator
from contextlib import contextmanager

from greenlight_gate.bdd.world.world import World
from greenlight_gate.session.validation_session import SessionPlan, ValidationSession


@contextmanager
def world_of(plan: SessionPlan) -> Iterator[World]:
    """A World against the target of the plan; nobody is connected yet. At the end late messages are waited for."""
    suite = ValidationSession(plan)
    try:
        suite.start()
        here = World(suite, "security/a.feature:1", 1)
        yield here
        suite.loop.call(here.linger(), 30.0)
    finally:
        suite.stop()


def rules(here: World) -> set[str]:
    """The rules with findings so far."""
    return {finding.rule for finding in here.findings}
