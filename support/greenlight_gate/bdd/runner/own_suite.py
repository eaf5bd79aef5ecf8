"""The features and steps of a team's own (`[suite]` of a target file), which run beside those that ship."""
# mypy: allow-untyped-calls
# behave ships types only of what steps need.

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from behave.parser import ParserError, parse_file
from behave.runner_util import load_step_modules
from behave.step_registry import AmbiguousStep

from greenlight_gate.bdd.parameters import SAMPLES
from greenlight_gate.categories import OWN
from greenlight_gate.targets.sections import SuiteSection
from greenlight_gate.targets.settings import Misconfigured

_PARAMETER: Final = re.compile(r"\{\w*(?::(\w+))?\}")
# On a feature of a team's own: the parts of its place, `("own", "orders.feature")`.
_PLACE: Final = "greenlight_own_place"


def mark_own(features: Sequence[Any], suite: SuiteSection) -> None:
    """Marks the features of the team's own: their scenarios are of the category `own`."""
    if not suite.features:
        return
    folder = Path(suite.features)
    for feature in features:
        path = Path(os.path.abspath(feature.filename))  # noqa: PTH100 -- a link in the folder belongs to it
        if path.is_relative_to(folder):
            setattr(feature, _PLACE, (OWN, *path.relative_to(folder).parts))


def own_place(feature: Any) -> tuple[str, ...] | None:
    """The parts of the place of a feature of the team's own, without the line; None for one that ships."""
    place: tuple[str, ...] | None = getattr(feature, _PLACE, None)
    return place


def scenarios_of(suite: SuiteSection) -> dict[str, int]:
    """How many scenarios of the team's own there are, by their category; nothing without a folder.

    Raises Misconfigured for a feature that cannot be read, or has no scenarios.
    """
    if not suite.features:
        return {}
    return {OWN: sum(len(feature.walk_scenarios()) for feature in own_features(suite))}


def own_features(suite: SuiteSection) -> list[Any]:
    """The features of the team's own. Raises Misconfigured for one that cannot be read, or has no scenarios."""
    found: list[Any] = []
    for path in sorted(Path(suite.features).rglob("*.feature")) if suite.features else []:
        try:
            feature: Any = parse_file(str(path))
        except ParserError as error:
            raise Misconfigured(f"a feature cannot be read: {error}") from error
        # A keyword that is misspelt begins no scenario: it is taken for a part of the description.
        if feature is None or not feature.walk_scenarios():
            raise Misconfigured(f"{path}: expected a scenario (`Example:` or `Scenario:`), but there is none")
        found.append(feature)
    return found


def is_own_step(function: Callable[..., None], suite: SuiteSection) -> bool:
    """Whether a step is one of the team's own."""
    code = getattr(function, "__code__", None)
    return bool(suite.steps) and code is not None and Path(code.co_filename).resolve().is_relative_to(suite.steps)


def load_own_steps(registry: Any, folder: Path) -> None:
    """Loads the steps of a folder. Raises Misconfigured for a file that fails, and for steps that collide."""
    before = {kind: list(steps) for kind, steps in registry.steps.items()}
    try:
        load_step_modules([str(folder)])
    except AmbiguousStep as error:
        raise Misconfigured(f"{folder}: {' '.join(str(error).split())}; give yours a wording of its own") from error
    except (Exception, SystemExit) as error:  # code of the team's own: whatever it raises, it cannot be used
        raise Misconfigured(f"{folder}: a file of steps cannot be loaded: {type(error).__name__}: {error}") from error
    for kind, steps in registry.steps.items():
        shipped = [
            other for each, known in before.items() if each == kind or "step" in (each, kind) for other in known
        ]  # fmt: skip
        for own in steps[len(before.get(kind, ())) :]:
            _refuse_collision(own, shipped)


def _refuse_collision(own: Any, shipped: Sequence[Any]) -> None:
    """Raises Misconfigured for a step where one text is both: behave does not notice it where parameters have types."""
    for other in shipped:
        if own.pattern == other.pattern or own.matches(sample_of(other)) or other.matches(sample_of(own)):
            raise Misconfigured(
                f"{own.location}: the step {own.pattern!r} collides with {other.pattern!r}, which ships "
                f"({Path(other.location.filename).name}); give yours a wording of its own"
            )


def sample_of(step: Any) -> str:
    """A text that the step matches, as far as its parameters are plain or of the suite's types."""
    return _PARAMETER.sub(lambda found: SAMPLES.get(found[1] or "", "something"), step.pattern)
