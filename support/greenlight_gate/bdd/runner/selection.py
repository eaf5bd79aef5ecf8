"""Which scenarios run, of those that categories and tags leave: a shard of them, or what failed in a session before."""
# mypy: allow-untyped-calls
# behave ships types only of what steps need.

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from behave.configuration import Configuration
from behave.model import Scenario
from behave.runner_util import collect_feature_locations, parse_features

from greenlight_gate.bdd.runner.allure_outcome import scenario_key
from greenlight_gate.bdd.runner.own_suite import mark_own
from greenlight_gate.evidence.session_folder import Evidence, Finished, Selected, session_folders
from greenlight_gate.targets.sections import SuiteSection
from greenlight_gate.verdict.facts import ScenarioOutcome

_NOT_FAILED = frozenset({ScenarioOutcome.PASSED, ScenarioOutcome.NOT_EXERCISED})


@dataclass(frozen=True)
class Selection:
    """`shard` is (number from 1, of how many); `failed` holds (file, name) of scenarios, see `failed_in`.

    None: not narrowed by this.
    """

    shard: tuple[int, int] | None = None
    failed: frozenset[tuple[str, str]] | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether it may leave any scenario out."""
        return self.shard is not None or self.failed is not None

    def of(self, scenarios: Sequence[Scenario]) -> list[Scenario]:
        """Those that run, in their order. Every scenario is in exactly one shard, and always in the same one."""
        chosen = [each for each in scenarios if self.failed is None or _identity(each) in self.failed]
        if self.shard is None:
            return chosen
        number, of = self.shard
        return [each for at, each in enumerate(sorted(chosen, key=_identity)) if at % of == number - 1]

    def leave_out(self, scenarios: Sequence[Scenario]) -> list[Scenario]:
        """Lets behave skip what is not selected, and returns the others."""
        kept = {id(each) for each in self.of(scenarios)}
        for each in scenarios:
            if id(each) not in kept:
                each.skip("not selected")
        return [each for each in scenarios if id(each) in kept]


EVERYTHING = Selection()


def _identity(scenario: Scenario) -> tuple[str, str]:
    """The file and the name: they outlast an edit further up in the file."""
    return scenario_key(scenario).rpartition(":")[0], str(scenario.name)


def listed(configuration: Configuration, selection: Selection, suite: SuiteSection) -> list[tuple[str, str]]:
    """Key and name of each scenario that would run, in the order of the files."""
    features = parse_features(collect_feature_locations(configuration.paths))
    mark_own(features, suite)
    scenarios = [
        each for feature in features for each in feature.walk_scenarios() if each.should_run(configuration)
    ]  # fmt: skip
    kept = {id(each) for each in selection.of(scenarios)}
    return [(scenario_key(each), str(each.name)) for each in scenarios if id(each) in kept]


def newest_of(output_dir: Path, environment: str) -> Path | None:
    """The newest session of a target, by the name of the target; None if there is none."""
    for folder in reversed(session_folders(output_dir)):
        try:
            if Evidence(folder).session().environment == environment:
                return folder
        except (OSError, msgspec.MsgspecError):
            continue  # one that was ended before it said what it judges has no scenarios either
    return None


def failed_in(folder: Path) -> frozenset[tuple[str, str]]:
    """File and name of each scenario of a session that failed, broke, or did not come to its end, in any repeat.

    Raises OSError.
    """
    entries = [line.entry for line in Evidence(folder).lines()]
    well = {
        entry.key for entry in entries
        if isinstance(entry, Finished) and entry.outcome in _NOT_FAILED and not entry.findings
    }  # fmt: skip
    return frozenset(
        (entry.scenario.rpartition(":")[0], entry.name)
        for entry in entries if isinstance(entry, Selected) and entry.key not in well
    )  # fmt: skip
