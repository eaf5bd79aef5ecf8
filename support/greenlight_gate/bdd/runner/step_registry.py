"""The step registry of the suite: the last step of a scenario also checks all findings."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from behave.model import Step
from behave.step_registry import StepRegistry

from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.needs import lacking
from greenlight_gate.bdd.runner.own_suite import is_own_step
from greenlight_gate.bdd.world.world import World
from greenlight_gate.events import EventKind
from greenlight_gate.rules.own import OWN_STEP
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.targets.model import NEEDS
from greenlight_gate.verdict.scope import OPTIONAL

Run = Callable[[Any], None]


class WrappedStepRegistry:
    """behave's registry of steps, with another way to run a step."""

    def __init__(self, registry: StepRegistry) -> None:
        self._registry = registry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def find_match(self, step: Step) -> Any:
        """The match of behave for the step; None for an undefined one."""
        match: Any = self._registry.find_match(step)
        if match is not None:
            plain_run = match.run
            match.run = lambda context: self.run_step(context, step, match.func, plain_run)
        return match

    @abstractmethod
    def run_step(self, context: Any, step: Step, function: Callable[..., None], plain_run: Run) -> None:
        """Runs a step. `function` is that of the step, `plain_run` how behave would run it."""


class CheckedStepRegistry(WrappedStepRegistry):
    """Runs a step and then checks the findings.

    A capability that the target lacks skips the scenario with the reason. A failed step reports findings first; without
    any, it fails the target only with a rule (`matchers.demand`). A step
    whose scenario runs in a thread (`context.work`) is not run, but ends as it did there.
    """

    def run_step(self, context: Any, step: Step, function: Callable[..., None], plain_run: Run) -> None:
        """Runs a step in the main thread."""
        try:
            if context.work is not None:
                context.work.show(step)
            else:
                _run(context, step, function, plain_run)
        except NotExercised as reason:
            context.world.lacking = reason.need
            context.scenario.skip(str(reason))

    def run_of(self, step: Step) -> Run | None:
        """A function that runs the step in a context, in any thread; None for an undefined one.

        It raises what the step raises, and NotExercised for what the target lacks.
        """
        match: Any = self._registry.find_match(step)
        return None if match is None else lambda context: _run(context, step, match.func, match.run)


def _begun(context: Any, step: Step, plain_run: Run) -> None:
    """Runs a step. Raises NotExercised before the first one, if the target lacks what any step needs.

    Then nothing is connected, and nothing is waited for.
    """
    if step is next(iter(context.scenario.all_steps)):
        lack = next(iter(lacking(context.scenario, context.world.suite)), None)
        if lack is not None:
            raise NotExercised(lack.reason, lack.need if lack.need in {*NEEDS, *OPTIONAL, *EventKind} else "")
    plain_run(context)


def _run(context: Any, step: Step, function: Callable[..., None], plain_run: Run) -> None:
    world: World = context.world
    try:
        _begun(context, step, plain_run)
        if step is list(context.scenario.all_steps)[-1]:
            world.conclude()
    except NotExercised:
        world.leave_all()  # what becomes of an idle connection later says nothing about what was not exercised
        raise
    except SystemExit as error:
        # It would end the command with a code that says what no verdict has said.
        raise SuiteFault(f"the step '{step.name}' ended the process: SystemExit: {error}") from error
    except AssertionError as error:
        complaint = world.complaint()
        if complaint and complaint in str(error):
            raise
        demanded = _demanded(error, step, function, world)
        if complaint:
            raise AssertionError(f"{complaint}\n\n{demanded}") from demanded
        if not isinstance(demanded, Unmet):
            # What no rule stands behind cannot be demanded of a target.
            raise SuiteFault(f"the step '{step.name}' failed, and names no rule: {error}") from error
        if demanded is not error:
            raise demanded from error
        raise


def _demanded(error: AssertionError, step: Step, function: Callable[..., None], world: World) -> AssertionError:
    """What a failed step has demanded, with how far the trace was; the error itself where it has demanded nothing."""
    is_own = not isinstance(error, Unmet) and is_own_step(function, world.suite.plan.suite)
    demanded = Unmet(OWN_STEP, f"the step '{step.name}' failed: {error}") if is_own else error
    if isinstance(demanded, Unmet):
        demanded.record = world.last_record
    return demanded
