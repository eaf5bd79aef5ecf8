"""A seeded defect through the whole street, as a command of its own; features/assurance has them all."""

from pathlib import Path

import pytest
from greenlight_gate.targets.settings import suite_root

from support.tests.cli.process import Ran, judged

TWO_TURNS = """
Feature: Conversations
  Rule: A conversation continues after a tool

    Example: The next question is answered
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      And Ada continues with a question that needs no tool
      Then each of Ada's questions has a complete and right answer
"""


@pytest.mark.slow
def test_a_defect_is_blocked_by_its_rule(tmp_path: Path) -> None:
    ran = judged(tmp_path, "--categories", "integration", "--defect", "parallel_runs_cross_write")

    assert (ran.code, ran.verdict) == (1, "BLOCKED"), ran.out + ran.err
    assert "IDENTITY-1" in ran.rules
    assert "Traceback" not in ran.out + ran.err


@pytest.mark.slow
def test_a_defect_that_is_seen_now_and_then_needs_repeats(tmp_path: Path) -> None:
    """One result of fifteen is not recorded: one time shows nothing, and of sixteen times one fails."""
    embedded = (suite_root() / "support/greenlight_gate/targets/embedded.toml").read_text("utf-8")
    (tmp_path / "greenlight.toml").write_text(f'{embedded}\n[suite]\nfeatures = "features/"\n', "utf-8")
    (tmp_path / "features").mkdir()
    (tmp_path / "features/conversations.feature").write_text(TWO_TURNS, "utf-8")

    def times(number: int) -> Ran:
        defect = ("--defect", "tool_result_now_and_then_not_recorded")
        target = str(tmp_path / "greenlight.toml")
        wanted = ("--environment", target, "--categories", "own", "--jobs", "1", "--repeat", str(number))
        folder = tmp_path / f"{number} times"
        folder.mkdir()
        return judged(folder, *wanted, *defect)

    once, often = times(1), times(16)
    assert (once.code, once.verdict) == (0, "APPROVED"), once.out + once.err
    assert (often.code, often.verdict, often.rules) == (1, "BLOCKED", {"CONTENT-4"}), often.out + often.err
    (seldom,) = often.report["execution_results"]["repeats"]["unstable"]
    assert (seldom["scenario"], seldom["passes"], seldom["times"]) == ("The next question is answered", 15, 16)
