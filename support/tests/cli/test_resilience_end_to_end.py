"""Resilience through the whole street: a finding names the cut after which it came, and no resume is no fault."""

from pathlib import Path

import pytest
from greenlight_gate.session.validation_session import RESUME_IN_RUN
from greenlight_gate.targets.settings import suite_root

from support.tests.cli.process import Ran, judged

PROFILE = (suite_root() / "support/greenlight_gate/wire/profiles/agent-events.toml").read_text("utf-8")
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


@pytest.mark.parametrize("environment", ["embedded", "embedded-sse"])
def test_without_resume_users_ask_again(tmp_path: Path, environment: str) -> None:
    text = (suite_root() / f"support/greenlight_gate/targets/{environment}.toml").read_text("utf-8")
    text = text.replace("[capabilities]\n", "[capabilities]\nresume = false\n")
    (tmp_path / "none.toml").write_text(text, encoding="utf-8")
    ran = judged(tmp_path, "--environment", "none.toml", "--categories", "resilience")

    assert (ran.code, ran.verdict, ran.rules) == (0, "APPROVED", set()), ran.out + ran.err
    assert "Accepted gap" not in ran.out
    assert ran.report["execution_results"]["categories"]["resilience"]["passed"] > 10


def test_a_backend_whose_runs_end_with_their_connection_is_not_asked_for_the_rest(tmp_path: Path) -> None:
    assert "[promises]\n" in PROFILE
    promising = PROFILE.replace("[promises]\n", "[promises]\nruns_end_with_connection = true\n")
    (tmp_path / "ends.toml").write_text(promising, encoding="utf-8")
    text = EMBEDDED.replace('profile = "agent-events"', 'profile = "ends.toml"')
    (tmp_path / "target.toml").write_text(text, encoding="utf-8")
    ran = judged(tmp_path, "--environment", "target.toml", "--categories", "resilience")

    assert (ran.code, ran.verdict, ran.rules) == (0, "APPROVED", set()), ran.out + ran.err
    categories = ran.report["execution_results"]["categories"]["resilience"]
    # Those that need several replicas, those about proxies of HTTP, and those that resume a run in progress.
    assert (categories["failed"], categories["not_exercised"]) == (0, 9 + 2 + 11)
    assert RESUME_IN_RUN not in ran.out
    assert "promises that a run ends with its connection" in ran.out
