"""behave's registry of steps, which a process has one of."""

from collections.abc import Iterator
from contextlib import contextmanager

from behave.runner import the_step_registry


@contextmanager
def empty_registry() -> Iterator[None]:
    """Empty meanwhile: steps that other tests have loaded have places relative to other folders, and would collide."""
    before = {kind: list(known) for kind, known in the_step_registry.steps.items()}
    for known in the_step_registry.steps.values():
        known.clear()
    try:
        yield
    finally:
        for kind, known in before.items():
            the_step_registry.steps[kind][:] = known
