"""The command line of the assurance, and what it prints."""

import pytest
from greenlight_gate.assurance import shown
from greenlight_gate.assurance.__main__ import main
from greenlight_gate.assurance.runner import MatrixRow

CAUGHT = MatrixRow("run_id_null", "run_id_null", "passed", "", 0.4, ("IDENTITY-1", "SCENARIOS"), "BLOCKED")
UNSEEN = MatrixRow("slow_start", "slow_start", "failed", "Expected: this\nbut: that", 3.2, ("LIFECYCLE-2",), "BLOCKED")
SPARED = MatrixRow("fan_out_to_one_replica", "fan_out_to_one_replica", "skipped", "no PostgreSQL", 0.0, (), "")
SOUND = MatrixRow("A healthy one", "", "passed", "", 20.0, (), "APPROVED")


def test_a_name_that_is_mistyped_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", "run_id_nul"]) == 3
    assert "did you mean run_id_null" in capsys.readouterr().err


def test_a_defect_without_size_has_no_limit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["limits", "thinking_missing"]) == 3
    assert "thinking_missing has no value; these have one: every_event_delayed" in capsys.readouterr().err


def test_a_line_says_what_was_caught_by_which_rule_how_soon() -> None:
    assert shown.line(CAUGHT) == "caught  run_id_null                               IDENTITY-1       0.4 s"
    assert shown.line(UNSEEN).splitlines() == [
        "UNSEEN  slow_start                                TIMELINESS-1     3.2 s", "        Expected: this",
        "        but: that",
    ]  # fmt: skip
    assert shown.line(SPARED).startswith("not run fan_out_to_one_replica")
    assert shown.line(SOUND) == f"ok      {'A healthy one':<56}  20.0 s"
    assert max(len(line) for row in (CAUGHT, UNSEEN, SPARED, SOUND) for line in shown.line(row).splitlines()) <= 80


def test_the_total_counts_what_was_planted_and_not_what_was_spared() -> None:
    rows = [CAUGHT, UNSEEN, SPARED, SOUND]
    assert shown.total(rows, 7.0) == (
        "2 defects activated, 1 detected by the right rule, in 7 s; each in 0.4 to 0.4 s, half of them within "
        "0.4 s; 1 of 1 sound verdicts; 1 not run here"
    )
    assert shown.total([UNSEEN], 7.0) == "1 defects activated, 0 detected by the right rule, in 7 s"
