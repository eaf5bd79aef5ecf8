"""All steps that scenarios can use: those that ship and a team's own, each with sentences of features that use it."""
# mypy: allow-untyped-calls
# behave ships types only of what steps need.

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from behave.model import Step
from behave.parser import parse_file
from behave.runner import the_step_registry
from behave.runner_util import load_step_modules

from greenlight_gate.bdd import parameters
from greenlight_gate.bdd.runner.own_suite import is_own_step, load_own_steps, own_features, sample_of
from greenlight_gate.targets.sections import SuiteSection
from greenlight_gate.targets.settings import suite_root

_MOST_EXAMPLES = 3
_ORDER = ("given", "when", "then", "step")


class CatalogueStep(NamedTuple):
    """A step: its keyword ("Given", "When", "Then", or "*" for any), its wording with parameters, and what it is about.

    `about` is the first line of its docstring, or ""; `topic` that of its file, which `place` names with the line.
    `examples` are sentences of features, with their tables, the most frequent first; of a step that no feature uses,
    one that is made up. `uses`: how many steps of features are this one. `is_own`: it is one of the team's own.
    """

    keyword: str
    wording: str
    about: str
    topic: str
    place: str
    examples: tuple[str, ...]
    uses: int
    is_own: bool

    def has(self, words: list[str]) -> bool:
        """Whether each of the words stands in its wording, its examples or what it is about, whatever the case."""
        text = " ".join((self.keyword, self.wording, self.about, self.topic, *self.examples)).lower()
        return all(word.lower() in text for word in words)


def catalogue(suite: SuiteSection) -> list[CatalogueStep]:
    """All steps that may judge a target: the team's own first, by topic and then Given, When, Then.

    Raises Misconfigured for own steps and features that cannot be used.
    """
    parameters.register()
    load_step_modules([str(suite_root() / "steps")])
    if suite.steps:
        load_own_steps(the_step_registry, Path(suite.steps))
    registry: Any = the_step_registry
    definitions: list[Any] = [each for kind in _ORDER for each in registry.steps[kind]]
    used: dict[int, Counter[str]] = {id(each): Counter() for each in definitions}
    known: dict[tuple[str, str], Any] = {}
    for step in _steps_of_features(suite):
        key = (str(step.step_type), str(step.name))
        if key not in known:
            known[key] = registry.find_step_definition(step)
        if known[key] is not None:
            used[id(known[key])][_with_table(step)] += 1
    entries = [_entry(each, used[id(each)], suite) for each in definitions]
    # Shipped steps that no such feature uses are those of features/assurance, which judge the suite.
    usable = [each for each in entries if each.is_own or each.uses]
    return sorted(usable, key=lambda each: (not each.is_own, each.topic))


def _entry(definition: Any, used: Counter[str], suite: SuiteSection) -> CatalogueStep:
    function, place = definition.func, definition.location
    examples = tuple(text for text, _ in used.most_common(_MOST_EXAMPLES)) or (sample_of(definition),)
    return CatalogueStep(
        keyword="*" if definition.step_type == "step" else definition.step_type.capitalize(),
        wording=definition.pattern, about=_first_line(function.__doc__),
        topic=_first_line(getattr(function, "__globals__", {}).get("__doc__")) or Path(place.filename).stem,
        place=f"{Path(place.filename).name}:{place.line}",
        examples=examples, uses=used.total(), is_own=is_own_step(function, suite),
    )  # fmt: skip


def _steps_of_features(suite: SuiteSection) -> Iterator[Step]:
    """The steps of all scenarios that judge a target, those of backgrounds once for each scenario."""
    shipped = suite_root() / "features"
    paths = [path for path in sorted(shipped.rglob("*.feature")) if path.parent.name != "assurance"]
    features: list[Any] = [parse_file(str(path)) for path in paths]
    for feature in (*features, *own_features(suite)):
        for scenario in feature.walk_scenarios():
            yield from scenario.all_steps


def _with_table(step: Any) -> str:
    """The sentence of a step, and the rows of its table below it."""
    if step.table is None:
        return str(step.name)
    rows = [step.table.headings, *(row.cells for row in step.table.rows)]
    return "\n".join([step.name, *(f"  | {' | '.join(row)} |" for row in rows)])


def _first_line(docstring: str | None) -> str:
    return next((line.strip() for line in (docstring or "").splitlines() if line.strip()), "")
