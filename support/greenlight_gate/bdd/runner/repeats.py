"""Repeats of scenarios: copies of the selected features, so that each scenario runs several times in one session."""
# mypy: allow-untyped-calls
# behave ships types only of what steps need.

import copy
import copyreg
from collections.abc import Sequence
from typing import Any

from behave.model import Scenario, Tag


def repeated(features: Sequence[Any], times: int) -> list[Any]:
    """The features, and `times` - 1 copies of all of them: so a change of the target over time meets all alike."""
    copies = [copy.deepcopy(feature) for _ in range(times - 1) for feature in features]
    for number, feature in enumerate(copies):
        for scenario in feature.walk_scenarios():
            scenario.greenlight_repeat = 2 + number // len(features)
    return [*features, *copies]


def repeat_of(scenario: Scenario) -> int:
    """Which of the times this is that the scenario runs, from 1."""
    return int(getattr(scenario, "greenlight_repeat", 1))


def _tag(tag: Any) -> Any:
    return Tag, (str(tag), tag.line)


# A tag of behave is a string with a line, which `copy` would lose.
copyreg.pickle(Tag, _tag)
