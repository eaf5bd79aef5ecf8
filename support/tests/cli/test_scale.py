"""A healthy backend in stress with many more users than usual: the suite's own flood is nobody's fault."""

from pathlib import Path

import pytest

from support.tests.cli.process import judged


@pytest.mark.slow
def test_slow_lines_of_a_large_crowd_do_not_accuse_a_healthy_backend(tmp_path: Path) -> None:
    ran = judged(tmp_path, "--categories", "stress", "--scale", "500", "--soak", "1", "--fail-fast")

    # A watch of one second is too short for MEMORY to be judged.
    assert ran.code == 2, ran.out + ran.err
    assert "SCENARIOS     met" in ran.out
