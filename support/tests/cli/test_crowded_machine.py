"""Beside busy loops that take the CPU time of the machine, a healthy backend is never blocked, and a wrong one is."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from greenlight_gate.targets.settings import HOST_LOAD_VARIABLE

from support.tests.cli.process import Ran, judged

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/stat").exists(), reason="there is no /proc/stat")]
_LONGEST_S = 400.0
# Latency of one user, of 25, and how many answers keep up: enough, since the loops slow down all that runs beside them.
SPEED = ("performance", "--shard", "2/3")


@contextmanager
def busy_loops() -> Iterator[None]:
    """One for each CPU."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def beside_busy_loops(folder: Path, *arguments: str) -> Ran:
    with busy_loops():
        return judged(folder, *arguments, env={HOST_LOAD_VARIABLE: ""}, deadline_s=_LONGEST_S)


def was_crowded(ran: Ran) -> bool:
    traces = (ran.session / "evidence/traces").glob("*.jsonl")
    return any(b'"record":"crowded"' in path.read_bytes() for path in traces)


@pytest.mark.timeout(_LONGEST_S)
@pytest.mark.parametrize("part", [("functional", "security", "--shard", "1/3"), SPEED], ids=" ".join)
def test_a_healthy_backend_is_not_blocked(tmp_path: Path, part: tuple[str, ...]) -> None:
    ran = beside_busy_loops(tmp_path, "--categories", *part)

    assert ran.verdict in ("APPROVED", "INCONCLUSIVE"), ran.out
    assert was_crowded(ran)


@pytest.mark.timeout(_LONGEST_S)
def test_a_backend_that_is_late_there_is_told_to_be_judged_again(tmp_path: Path) -> None:
    ran = beside_busy_loops(tmp_path, "--categories", *SPEED, "--defect", "every_event_delayed=150")

    assert ran.verdict == "INCONCLUSIVE", ran.out
    reason = ran.report["deployment_decision"]["reason"]
    assert "this machine was " in reason
    assert "run again when it is idle" in reason


@pytest.mark.timeout(_LONGEST_S)
def test_a_backend_that_is_wrong_is_blocked_there_as_well(tmp_path: Path) -> None:
    ran = beside_busy_loops(tmp_path, "--categories", "functional", "--defect", "tool_name_missing")

    assert ran.verdict == "BLOCKED", ran.out
    assert "PAIRING-3" in ran.rules
