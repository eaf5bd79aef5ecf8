"""Scenarios side by side: what becomes of them, and in which order it is told, does not depend on their number."""
# mypy: allow-untyped-calls

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from behave.parser import parse_feature, parse_file
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.runner.parallel import Work, in_turn
from greenlight_gate.evidence.judge import judge
from greenlight_gate.session.jobs import MOST_CONNECTIONS, jobs_for, runs_alone, users_of
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import Persona
from greenlight_gate.targets.settings import load_profile, load_target, suite_root
from greenlight_gate.verdict.facts import ScenarioOutcome, Verdict

from support.tests.bdd.feature_sets import Outcomes, run
from support.tests.bdd.test_runner import FRAGILE, MIXED, ROWS

PROFILE = load_profile(load_target("embedded"))
# The third one is alone, wherever it stands.
SEVERAL = """
Feature: Several
  Scenario: One
    Given Ada is here
    When Ada asks without_tool
    Then Ada sees an answer
  Scenario: Two
    Given Ada is here
    When Ada asks without_tool
    Then Ada sees an answer
  @alone
  Scenario: Three
    Given Ada is here
    When Ada asks with_tool
    Then Ada sees an answer
  Scenario: Four
    Given Ada is here
    When Ada asks without_tool
    Then Ada sees an answer
"""
FAILING = """
Feature: One of them fails
  Scenario: First
    Given Ada is here
    When Ada asks with_tool
    Then Ada sees an answer
  Scenario: Second
    Given Ada is here
    When Ada asks with_tool
    Then Ada sees the notes
  Scenario: Third
    Given Ada is here
    When Ada asks with_tool
    Then Ada sees an answer
  @alone
  Scenario: Fourth
    Given Ada is here
    When Ada asks with_tool
    Then Ada sees an answer
"""


class Shown(NamedTuple):
    """A scenario as the evidence shows it: when it ran and last spoke (epoch seconds), and as which users."""

    name: str
    began_s: float
    ended_s: float
    spoke_s: float
    users: frozenset[str]
    in_parallel: bool


def shown(outcomes: Outcomes) -> list[Shown]:
    """In the order of the ledger."""
    evidence = outcomes.ran.session / "evidence"
    entries = [json.loads(line) for line in (evidence / "ledger.jsonl").read_bytes().splitlines()]
    names = {each["key"]: each["name"] for each in entries if each["entry"] == "selected"}
    found = []
    for entry in (each for each in entries if each["entry"] == "finished"):
        header, *records = [json.loads(line) for line in (evidence / entry["trace"]).read_bytes().splitlines()]
        users = frozenset(each["user"] for each in records if each.get("user"))
        began_s = header["epoch_s"]
        spoke_s = began_s + max(each["at"] for each in records if each["record"] == "sent")
        in_parallel = any(each.get("beside") for each in records)
        found.append(Shown(names[entry["key"]], began_s, began_s + entry["duration_s"], spoke_s, users, in_parallel))
    return found


def together(scenarios: Sequence[Shown]) -> set[frozenset[str]]:
    """The pairs of scenarios that ran at the same time."""
    return {
        frozenset((one.name, other.name))
        for one in scenarios for other in scenarios
        if one is not other and one.began_s < other.ended_s and other.began_s < one.ended_s
    }  # fmt: skip


@pytest.fixture(scope="module", params=[1, 4])
def mixed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    features = {"mixed.feature": MIXED, "fragile.feature": FRAGILE}
    more = "[limits]\nmax_connections = 200\n"
    return run(tmp_path_factory.mktemp("mixed"), features, jobs=request.param, target_toml=more)


def test_outcomes_and_their_order_are_the_same(mixed: Outcomes) -> None:
    assert {(name, *mixed.ledger[name][:1], mixed.allure[name][0]) for name in mixed.ledger} == {
        row[:3] for row in ROWS
    }
    assert all(said in mixed.ledger[name][1] for name, _, _, said in ROWS)
    # As they stand in the files, whoever was done first.
    assert list(mixed.ledger) == ["Nothing can begin", *[row[0] for row in sorted(ROWS[:-1], key=_place)]]
    assert mixed.ran.code == 1


def _place(row: tuple[str, ...]) -> int:
    return MIXED.index(f"Example: {row[0]}\n")


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> list[Shown]:
    more = "[limits]\nmax_connections = 200\n"
    folder = tmp_path_factory.mktemp("several")
    outcomes = run(folder, {"several.feature": SEVERAL}, jobs=4, target_toml=more, meeting=3)
    return shown(outcomes)


def test_scenarios_run_at_the_same_time(several: list[Shown]) -> None:
    assert len(together(several)) == 3, several


def test_what_is_tagged_so_runs_alone_and_last(several: list[Shown]) -> None:
    assert [each.name for each in several] == ["One", "Two", "Four", "Three"]
    assert several[-1].began_s >= max(each.ended_s for each in several[:-1])
    # Nothing is said of how quick the backend is by what others may have delayed.
    assert [each.in_parallel for each in several] == [True, True, True, False]


def test_those_who_run_together_have_no_user_in_common(several: list[Shown]) -> None:
    users = {each.name: each.users for each in several}
    assert all(users.values())
    for one, other in map(tuple, together(several)):
        assert not users[one] & users[other]
    assert users["Three"] == {"u-ada"}


@pytest.mark.parametrize(("connections", "pairs"), [(2 * MOST_CONNECTIONS, 1), (MOST_CONNECTIONS, 0)])
def test_the_targets_connections_are_enough_for_all_of_them(tmp_path: Path, connections: int, pairs: int) -> None:
    more = f"[limits]\nmax_connections = {connections}\n"
    outcomes = run(tmp_path, {"several.feature": SEVERAL}, jobs=4, target_toml=more)

    begun = sorted(shown(outcomes), key=lambda each: each.began_s)
    most = max(sum(each.began_s <= now.began_s < each.spoke_s for each in begun) for now in begun)
    assert most <= pairs + 1


def test_the_first_failure_is_the_last_that_is_told(tmp_path: Path) -> None:
    more = "[limits]\nmax_connections = 200\n"
    outcomes = run(tmp_path, {"failing.feature": FAILING}, "--stop", jobs=4, target_toml=more)

    assert {name: outcome for name, (outcome, _) in outcomes.ledger.items()} == {"First": "passed", "Second": "failed"}
    assert set(outcomes.allure) == {"First", "Second"}


def test_allure_says_when_a_step_ran_and_not_when_it_was_told(tmp_path: Path) -> None:
    outcomes = run(tmp_path, {"several.feature": SEVERAL}, jobs=2, target_toml="[limits]\nmax_connections = 200\n")
    results = [json.loads(path.read_bytes()) for path in (tmp_path / "allure-results").glob("*-result.json")]

    for each in shown(outcomes)[:-1]:  # the last one runs where it is told
        (result,) = [result for result in results if result["name"] == each.name]
        # It is told when it is over, which is after its last word.
        assert each.began_s - 2 < result["start"] / 1e3 < each.spoke_s
        steps = result["steps"]
        assert all(step["start"] <= step["stop"] for step in steps)
        assert [step["start"] for step in steps] == sorted(step["start"] for step in steps)
        # The question takes longer than the hundredth of a second in which it is told.
        assert steps[1]["stop"] - steps[0]["stop"] <= (each.ended_s - each.began_s) * 1e3 + 50


# How many, and as whom ---------------------------------------------------------------------------------------------


def changed(**values: Any) -> Target:
    return msgspec.structs.replace(load_target("embedded"), **values)


def limited(connections: int) -> Target:
    target = load_target("embedded")
    return changed(limits=msgspec.structs.replace(target.limits, max_connections=connections))


@pytest.mark.parametrize(
    ("target", "jobs"),
    [
        (changed(), 4),
        (limited(3 * MOST_CONNECTIONS), 3),
        (limited(50), 2),
        (limited(3), 1),
        (changed(personas=(Persona(name="Ada", user="ada@my.org"), Persona(name="Bea", user="bea@my.org"))), 1),
        (load_target("local"), 1),
    ],
)
def test_a_target_bounds_how_many(target: Target, jobs: int) -> None:
    assert jobs_for(4, target) == jobs
    assert jobs_for(1, target) == 1


def test_users_of_two_slots_differ_and_their_names_do_not() -> None:
    first, second, third = (users_of(changed(), 25, slot) for slot in range(3))
    assert [each.name for each in first] == [each.name for each in second] == [each.name for each in third]
    assert len({each.user for each in (*first, *second, *third)}) == 75
    assert [each.user for each in first] == [each.user for each in load_target("embedded").users(25)]


# What the features say ---------------------------------------------------------------------------------------------

PARTS = """
Feature: Some of both
  Background:
    Given something
  Scenario: a
  @alone
  Scenario: b
  Scenario Outline: c <n>
    When <n>
    Examples:
      | n |
      | 1 |
      | 2 |
  Rule: all of it
    @alone
    Scenario: d
    Scenario: e
  @alone @hostile
  Rule: nothing of it
    Scenario: f
  @hostile
  Rule: after the others
    Scenario: g
"""


def test_a_scenario_that_is_not_exercised_has_not_failed() -> None:
    feature = parse_feature(SEVERAL)
    assert feature is not None
    work = Work(feature.scenarios[0])

    work._became.update({1: None, 2: NotExercised("no tool")})
    assert not work.has_failed
    work._became[3] = AssertionError("no answer")
    assert work.has_failed


def test_a_scenario_that_never_ends_keeps_no_interrupted_run_from_its_end() -> None:
    """A step of a team's own may loop without end: nothing but the end of the process ends its thread."""
    feature = parse_feature(SEVERAL)
    assert feature is not None
    work = Work(feature.scenarios[0])

    work.end(within_s=0.01)

    assert work.is_over


def test_what_is_hostile_comes_after_the_others_and_what_runs_alone_last_wherever_it_stands() -> None:
    features = [parse_feature(text, filename="x.feature") for text in (f"@alone\n{SEVERAL.strip()}", PARTS.strip())]

    parts = in_turn(features)

    names = [[scenario.name[:3] for scenario in part.walk_scenarios()] for part in parts]
    assert names == [["a", "c 1", "c 2", "e"], ["g"], ["One", "Two", "Thr", "Fou"], ["b", "d", "f"]]
    assert [scenario.name for feature in features for scenario in feature.walk_scenarios()][4:6] == ["a", "b"]


WHOLE = ("3_backend_restarts", "5_replicas", "6_services")
TELLING = (" ask in turn", "are back within", "no longer than a person would notice", "the backend is ", "replica")
FEATURES = [path for path in sorted((suite_root() / "features").rglob("*.feature")) if path.parent.name != "assurance"]


@pytest.mark.parametrize("path", FEATURES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_whatever_measures_time_or_memory_or_takes_the_backend_away_runs_alone(path: Path) -> None:
    always = path.parent.name in ("performance", "stress") or path.stem in WHOLE
    for scenario in parse_file(str(path)).walk_scenarios():
        if always or any(words in step.name for words in TELLING for step in scenario.all_steps):
            assert runs_alone(scenario.effective_tags), f"{scenario.name} needs @alone"


WEARS_OUT = """
Feature: What the second of two times finds ill
  Scenario: Answers until the backend is ill
    Given Ada is here
    When Ada asks helper
    Then Ada sees an answer
"""


def test_each_scenario_runs_so_often_and_what_passed_once_only_blocks(tmp_path: Path) -> None:
    run(tmp_path, {"wears_out.feature": WEARS_OUT}, "-D", "repeat=2", jobs=1)
    (folder,) = (tmp_path / "reports").glob("validation_session_*")
    judgement = judge(folder)

    key = "functional/wears_out.feature:3"
    assert [(each.key, each.passes, each.times) for each in judgement.scenarios] == [(key, 1, 2)]
    assert judgement.scenarios[0].outcome is ScenarioOutcome.FAILED
    assert judgement.decision.verdict is Verdict.BLOCKED
    assert "passed 1 of 2 times" in judgement.decision.reason
    results = [json.loads(path.read_bytes()) for path in (tmp_path / "allure-results").glob("*-result.json")]
    assert {each["fullName"] for each in results} == {key, f"{key}#2"}
    assert len({each["historyId"] for each in results}) == 2
    assert judgement.selection == ""
