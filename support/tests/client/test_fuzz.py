"""A short run of the fuzzer, which says by its exit code whether anything was harmed; the long one is a benchmark."""

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7, 8])
def test_hostile_frames_do_no_harm(seed: int) -> None:
    fuzz = [sys.executable, "-m", "support.benchmarks.hostile_frames", "4000", str(seed)]
    ran = subprocess.run(fuzz, capture_output=True, text=True, check=False, timeout=110)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "\n0 crashes or hangs\n" in ran.stdout
    assert int(ran.stdout.partition(" ")[0]) >= 4_000
    assert "ISOLATION-1" in ran.stdout
