"""A seeded defect through the whole street, as a command of its own; features/assurance has them all."""

from pathlib import Path

import pytest

from support.tests.cli.process import judged


@pytest.mark.slow
def test_a_defect_is_blocked_by_its_rule(tmp_path: Path) -> None:
    ran = judged(tmp_path, "--categories", "integration", "--defect", "parallel_runs_cross_write")

    assert (ran.code, ran.verdict) == (1, "BLOCKED"), ran.out + ran.err
    assert "IDENTITY-1" in ran.rules
    assert "Traceback" not in ran.out + ran.err
