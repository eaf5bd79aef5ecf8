"""Steps that end as the suite wants them to: the last one of a scenario judges all that was seen."""

from typing import Any

from behave.model import Step
from behave.step_registry import StepRegistry

from greenlight_gate.bdd.world.observable import NotExercised
from greenlight_gate.bdd.world.world import World


class LastStepRegistry:
    """behave's registry of steps, whose matches run a step and then look at what the rules have found.

    What the target lacks skips the scenario with the reason. A failed step says first which promises were broken.
    """

    def __init__(self, registry: StepRegistry) -> None:
        self._registry = registry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def find_match(self, step: Step) -> Any:
        """The match of behave for the step, concluding; None for an undefined one."""
        match: Any = self._registry.find_match(step)
        if match is None:
            return None
        plain_run = match.run

        def run(context: Any) -> None:
            _run(context, step, plain_run)

        match.run = run
        return match


def _run(context: Any, step: Step, plain_run: Any) -> None:
    world: World = context.world
    try:
        plain_run(context)
        if step is list(context.scenario.all_steps)[-1]:
            world.conclude()
    except NotExercised as reason:
        context.scenario.skip(str(reason))
    except AssertionError as error:
        complaint = world.complaint()
        if not complaint or complaint in str(error):
            raise
        raise AssertionError(f"{complaint}\n\n{error}") from error
