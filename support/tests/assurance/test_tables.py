"""Nothing is left out: each defect has a proof and a row, each rule a defect that it is the first to object to."""
# mypy: allow-untyped-calls

import subprocess
import sys
from pathlib import Path

import pytest
from behave.parser import parse_file
from greenlight_gate.assurance.features import KNOWN_DEFECTS, as_feature, promise_of
from greenlight_gate.assurance.proofs import PROOFS, REPLICATED
from greenlight_gate.assurance.rule_removal import FIRST
from greenlight_gate.assurance.scenarios import scenarios
from greenlight_gate.backend.defects import REGISTRY
from greenlight_gate.rules.registry import RULES
from greenlight_gate.targets.settings import suite_root

from support.tests.cli.process import behave, suite_in

FEATURES = suite_root() / "features"
CRITERIA = {"LATENCY", "MEMORY", "SCENARIOS", "SUCCESS"}
# What no frame can break: `2_sound_verdicts.feature` has a backend of which nothing could be said.
NO_DEFECT_BREAKS = {"ISOLATION-3"}


def covered(named: str, rules: tuple[str, ...]) -> bool:
    """Whether a rule is one of those, where a name without a number stands for its family."""
    return any(named == rule or named.startswith(f"{rule}-") for rule in rules)


def test_every_defect_has_one_proof() -> None:
    assert set(PROOFS) == set(REGISTRY)
    assert set(REPLICATED) <= set(PROOFS)
    assert len(PROOFS) >= 90


def test_a_proof_holds_a_rule_to_account_that_its_defect_names() -> None:
    assert [name for name in REGISTRY if not covered(PROOFS[name].rule, REGISTRY[name].rules)] == []
    unseen = {name: PROOFS[name].rule for name in REGISTRY if PROOFS[name].rule not in RULES.keys() | CRITERIA}
    assert unseen == {}, "these defects go unseen: there are no such rules"


def test_the_feature_is_made_of_the_registry() -> None:
    written = (FEATURES / KNOWN_DEFECTS).read_text(encoding="utf-8")
    assert written == as_feature(), "python -m greenlight_gate.assurance features"


def test_every_defect_has_one_row_and_no_row_is_of_anything_else() -> None:
    feature = parse_file(str(FEATURES / KNOWN_DEFECTS))
    rows = [row.cells[0] for outline in feature.walk_scenarios(with_outlines=True)
            for examples in getattr(outline, "examples", ()) for row in examples.table.rows]  # fmt: skip
    assert sorted(rows) == sorted(REGISTRY)


def test_users_notice_each_defect_in_words_of_its_own() -> None:
    notices = [found.notice for found in REGISTRY.values()]
    assert len(set(notices)) == len(notices)
    assert not [notice for notice in notices if "|" in notice or "\n" in notice or "`" in notice]


def test_a_defect_is_as_severe_as_the_rule_that_names_it() -> None:
    def severity(rule: str) -> str:
        worst = "critical" if rule == "SUCCESS" else "normal"
        return str(RULES[rule].severity) if rule in RULES else worst

    expected = {name: severity(defect.rules[0]) for name, defect in REGISTRY.items()}
    assert {name: defect.severity for name, defect in REGISTRY.items()} == expected


def test_its_scenarios_exist() -> None:
    named = {scenario for proof in PROOFS.values() for scenario in proof.scenarios}
    assert named - set(scenarios(FEATURES)) == set()


def test_every_rule_has_a_defect_that_goes_unseen_without_it() -> None:
    judged = RULES.keys() - NO_DEFECT_BREAKS
    assert sorted(judged - FIRST.keys()) == [], "no defect is held against these: they could be removed unseen"
    assert {rule: PROOFS[FIRST[rule]].rule for rule in judged} == {rule: rule for rule in judged}


def test_no_defect_is_held_against_a_rule_that_was_removed() -> None:
    gone = {rule: defect for rule, defect in FIRST.items() if rule not in RULES}
    assert not gone, f"these go unseen now: {gone}"
    assert promise_of("LATENCY")


@pytest.mark.parametrize("arguments", [["features/assurance"], ["--tags=@assurance"]])
def test_bare_behave_says_how_the_suite_is_judged(tmp_path: Path, arguments: list[str]) -> None:
    suite_in(tmp_path)
    ran = behave(tmp_path, *arguments)
    assert ran.code == 1
    assert "tests the suite and no target: run `python -m greenlight_gate.assurance`" in ran.err
    assert not (tmp_path / "reports").exists()


def test_whoever_judges_a_target_loads_nothing_of_the_defects() -> None:
    code = "import sys, greenlight_gate.assurance.scene; print([name for name in sys.modules if 'backend' in name])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=suite_root(), capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
