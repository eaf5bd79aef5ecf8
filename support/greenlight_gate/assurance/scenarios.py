"""The scenarios of the six categories, by the short names that proofs use."""
# mypy: allow-untyped-calls
# behave ships types only of what steps need.

from functools import cache
from pathlib import Path
from typing import NamedTuple

from behave.model import ScenarioOutline
from behave.parser import parse_file

from greenlight_gate.categories import CATEGORIES


class ScenarioPlace(NamedTuple):
    """A scenario: its `path` below features/, its line, and the texts of its steps with their table rows."""

    path: str
    line: int
    steps: tuple[str, ...]
    tags: tuple[str, ...]

    @property
    def category(self) -> str:
        """Its category."""
        return self.path.partition("/")[0]


@cache
def scenarios(features: Path) -> dict[str, ScenarioPlace]:
    """All scenarios below features/, by their short names. Raises ValueError for two of one name."""
    # As in `greenlight run`: the rows of an outline have names of their own.
    ScenarioOutline.annotation_schema = "{name}"
    found: dict[str, ScenarioPlace] = {}
    for category in CATEGORIES:
        for path in sorted((features / category).glob("*.feature")):
            for scenario in parse_file(str(path)).walk_scenarios():
                name = f"{category}/{path.stem.partition('_')[0]}: {scenario.name}"
                if name in found:
                    raise ValueError(f"two scenarios are called {name!r}")
                texts = [text for step in scenario.all_steps for text in (step.name, *_rows(step))]
                tags = tuple(str(tag) for tag in scenario.effective_tags)
                found[name] = ScenarioPlace(f"{category}/{path.name}", scenario.line, tuple(texts), tags)
    return found


def _rows(step: object) -> list[str]:
    table = getattr(step, "table", None)
    return [" | ".join(row.cells) for row in table.rows] if table is not None else []
