"""What fails a target names a rule: in each step, and in what the steps call."""

import ast
from pathlib import Path

import greenlight_gate
import pytest
from greenlight_gate.bdd.matchers.demand import CRITERIA, Unmet, demand
from greenlight_gate.rules.registry import RULES
from greenlight_gate.targets.settings import suite_root
from hamcrest import equal_to

BDD = Path(greenlight_gate.__file__).parent / "bdd"
# The findings themselves, which name their rules.
WITH_FINDINGS = {"world.py", "step_registry.py"}


def calls(path: Path, name: str) -> list[ast.Call]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name]


def test_a_demand_that_is_not_met_says_its_rule_and_what_came() -> None:
    demand("LIFECYCLE-1", 1, equal_to(1))
    with pytest.raises(Unmet) as caught:
        demand("LIFECYCLE-1", 2, equal_to(1), "starts")

    said = str(caught.value).splitlines()
    assert caught.value.rule == "LIFECYCLE-1"
    assert said[0] == f"LIFECYCLE-1: {RULES['LIFECYCLE-1'].requirement} starts"
    assert [line.strip() for line in said[1:]] == ["Expected: <1>", "but: was <2>"]
    assert (caught.value.expected, caught.value.actual) == ("<1>", "starts: was <2>")


def test_what_is_no_rule_cannot_be_demanded() -> None:
    with pytest.raises(ValueError, match="LIFECYCLE-99 is neither a rule nor a criterion"):
        demand("LIFECYCLE-99", 2, equal_to(1))


@pytest.mark.parametrize("path", sorted((suite_root() / "steps").glob("*_steps.py")), ids=lambda path: path.stem)
def test_each_demand_of_a_step_names_a_rule_or_a_criterion(path: Path) -> None:
    named = [node.args[0].value for node in calls(path, "demand") if isinstance(node.args[0], ast.Constant)]

    assert len(named) == len(calls(path, "demand"))
    assert not [rule for rule in named if rule not in RULES and rule not in CRITERIA]


@pytest.mark.parametrize("path", sorted(BDD.rglob("*.py")), ids=lambda path: str(path.relative_to(BDD)))
def test_what_steps_call_fails_no_target_without_a_rule(path: Path) -> None:
    assert path.name in WITH_FINDINGS or not calls(path, "AssertionError")
