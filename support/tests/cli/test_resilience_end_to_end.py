"""Resilience through the whole street: a finding names the cut after which it came, and no resume is no fault."""

from pathlib import Path

import pytest
from greenlight_gate.targets.settings import suite_root

from support.tests.cli.process import Ran, judged

EMBEDDED = (suite_root() / "support/greenlight_gate/targets/embedded.toml").read_text("utf-8")
QUICK = EMBEDDED.replace("[budgets]\n", "[budgets]\nsilence_s = 2\nstart_s = 2\ntool_s = 2\n")
NO_RESUME = """
[accepted_gaps]
resume = "answers are short"
"""
pytestmark = pytest.mark.slow


def judge_quickly(folder: Path, *arguments: str) -> Ran:
    (folder / "quick.toml").write_text(QUICK, encoding="utf-8")
    return judged(folder, "--environment", "quick.toml", "--categories", "resilience", *arguments)


def test_a_finding_names_the_cut(tmp_path: Path) -> None:
    ran = judge_quickly(tmp_path, "--tags", "@lost_line", "--defect", "replay_duplicates")
    assert (ran.code, ran.verdict) == (1, "BLOCKED"), ran.out + ran.err
    found = [finding for finding in ran.report["findings"] if finding["rule"] == "CONTINUITY-2"]
    assert any("cut by the suite: " in finding["actual"] for finding in found), ran.rules
    assert "Traceback" not in ran.out + ran.err


def test_without_resume_the_truth_is_told(tmp_path: Path) -> None:
    assert "[capabilities]\n" in EMBEDDED
    text = EMBEDDED.replace("[capabilities]\n", "[capabilities]\nresume = false\n")
    (tmp_path / "none.toml").write_text(f"{text}\n{NO_RESUME}", encoding="utf-8")
    ran = judged(tmp_path, "--environment", "none.toml", "--categories", "resilience", "--tags", "@lost_line")
    assert (ran.code, ran.verdict, ran.rules) == (0, "APPROVED", set()), ran.out + ran.err
    categories = ran.report["execution_results"]["categories"]["resilience"]
    assert categories == {"passed": 1, "failed": 0, "not_exercised": 5, "waived": 0}
    # Nothing was cut for what the target does not promise.
    assert not ran.report["execution_results"].get("cut_matrix")
