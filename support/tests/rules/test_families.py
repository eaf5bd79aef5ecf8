"""A rule family is a file: `rules/<family>.py` reports the rules of its family, and no other code reports them."""

import ast
import re
from pathlib import Path

import greenlight_gate
import pytest
from greenlight_gate.rules.registry import FAMILIES, RULES

PACKAGE = Path(greenlight_gate.__file__).parent
STEPS = Path(__file__).parents[3] / "steps"
# It reports what the rules of a team's own say, by the id of each, which no file of the package knows.
OWN_CHECKS = PACKAGE / "rules/engine/own_checks.py"
# It shows what a step has demanded in vain as findings are shown; the step has named the rule.
DEMANDS = PACKAGE / "evidence/scenario_results.py"
RULE = re.compile(r"[A-Z]+-\d+")


def family_of(path: Path) -> str:
    """The family that a file reports; "" for all other files."""
    return path.stem if path.parent == PACKAGE / "rules" and path.stem in FAMILIES else ""


def ids(tree: ast.AST) -> set[str]:
    """The rules that stand in the code as texts of their own."""
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {text for text in texts if text in RULES or RULE.fullmatch(text)}


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def faults(tree: ast.Module, path: Path) -> list[str]:
    """What this file does with rules that only another one may do."""
    family = family_of(path)
    own = {rule.id for rule in FAMILIES.get(family, ())}
    found = []
    if path.is_relative_to(PACKAGE / "rules") and path.name != "registry.py":
        found += [f"names {rule}" for rule in sorted(ids(tree) - own)]
    if path.is_relative_to(PACKAGE / "wire"):
        # A profile says which kind of mistake a frame has; `content` knows the rule.
        found += [f"names {rule}" for rule in sorted(ids(tree) & RULES.keys())]
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        named = set().union(*(ids(argument) for argument in (*call.args, *(word.value for word in call.keywords))))
        name = name_of(call)
        if name == "report" and not family and (named or (len(call.args) > 2 and path != OWN_CHECKS)):
            found.append(f"reports: {ast.unparse(call)}")
        if name == "Finding" and path.name != "finding_sink.py" and (named or path != DEMANDS):
            found.append(f"makes a finding: {ast.unparse(call)}")
    return found


def test_each_family_is_a_file_that_reports_all_its_rules() -> None:
    for family, rules in FAMILIES.items():
        text = (PACKAGE / f"rules/{family}.py").read_text(encoding="utf-8")
        assert {rule.id for rule in rules} == ids(ast.parse(text)), family


def test_no_other_file_reports_a_rule() -> None:
    files = [*sorted(PACKAGE.rglob("*.py")), *sorted(STEPS.glob("*.py"))]
    assert len(files) > 300
    found = {str(path): wrong for path in files if (wrong := faults(ast.parse(path.read_text(encoding="utf-8")), path))}
    assert found == {}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("rules/content.py", "report('LIFECYCLE-1', 'this', 'that', 3)"),
        ("rules/engine/run_checker.py", "self.report('LIFECYCLE-1', 'this', 'that', 3)"),
        ("rules/engine/run_checker.py", "report(rule, 'this', 'that', 3)"),
        ("rules/engine/run_checker.py", "lifecycle.on_wrong_step('LIFECYCLE-3', before, run, event, n)"),
        ("rules/engine/run_checker.py", "tell = self.report\ntell('LIFECYCLE-1', 'this', 'that', 3)"),
        ("rules/engine/content.py", "report('CONTENT-1', 'this', 'that', 3)"),
        ("load/checker.py", "self.report(rule, 'this', 'that', 3)"),
        ("load/checker.py", "Finding('LIFECYCLE-1', severity, requirement)"),
        ("wire/json_text.py", "Problem('CONTENT-2', 'this', 'that')"),
    ],
)
def test_a_report_in_the_wrong_place_is_noticed(path: str, code: str) -> None:
    assert faults(ast.parse(code), PACKAGE / path) != []


def test_a_report_of_the_family_is_none() -> None:
    code = "report('CONTENT-2', 'this', 'that', 3)\nself.report('CONTENT-1' if x else 'CONTENT-3', 'this', 'that', 3)"
    assert faults(ast.parse(code), PACKAGE / "rules/content.py") == []
