"""The search for what each scenario and assertion objects to ends when it is told to, and keeps what it found."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from greenlight_gate.assurance.record import read
from greenlight_gate.targets.settings import suite_root

pytestmark = pytest.mark.slow

FIRST = "functional/1: A question that needs a tool first receives agent_started, once"
COMMAND = [sys.executable, "-m", "greenlight_gate.assurance", "record", "--again"]


def test_an_interrupted_search_keeps_what_it_found(tmp_path: Path) -> None:
    path = tmp_path / "recorded.json"
    with subprocess.Popen(
        [*COMMAND, "--to", str(path), "functional/1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=suite_root(),
    ) as search:  # fmt: skip
        assert search.stdout is not None
        assert search.stderr is not None
        found = next(line for line in search.stdout if line.startswith("fails: functional/1"))
        try:
            # An interruption that comes while the interpreter runs a callback is swallowed there: users press again.
            for _ in range(6):
                search.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    search.wait(15)
                    break
            assert search.wait(1) == 130
            assert search.stderr.read().endswith("assurance: interrupted\n")
        finally:
            search.kill()
    name = found.removeprefix("fails: ").rpartition(" under ")[0]
    assert name in read(path).scenarios


def test_a_search_ends_when_its_time_is_over(tmp_path: Path) -> None:
    path = tmp_path / "recorded.json"
    search = subprocess.run(
        [*COMMAND, "--to", str(path), "--minutes", "0", FIRST],
        check=False, capture_output=True, text=True, cwd=suite_root(), timeout=120,
    )  # fmt: skip
    assert search.returncode == 1
    assert search.stderr.endswith("assurance: not all was tried within 0 minutes\n")
    assert (read(path).scenarios, read(path).in_vain) == ({}, {})


def test_what_is_recorded_of_other_scenarios_stays(tmp_path: Path) -> None:
    path = tmp_path / "recorded.json"
    path.write_bytes((suite_root() / "support/greenlight_gate/assurance/recorded.json").read_bytes())
    before = read(path)
    subprocess.run(
        [*COMMAND, "--to", str(path), "--minutes", "0", FIRST],
        check=False, capture_output=True, text=True, cwd=suite_root(), timeout=120,
    )  # fmt: skip
    assert before.scenarios.keys() - read(path).scenarios.keys() == {FIRST}
    assert read(path).in_vain == before.in_vain


def test_what_was_searched_for_in_vain_is_not_searched_for_again(tmp_path: Path) -> None:
    path = tmp_path / "recorded.json"
    path.write_bytes((suite_root() / "support/greenlight_gate/assurance/recorded.json").read_bytes())
    command = [each for each in COMMAND if each != "--again"]
    search = subprocess.run(
        [*command, "--to", str(path), "functional/"],
        check=False, capture_output=True, text=True, cwd=suite_root(), timeout=120,
    )  # fmt: skip
    assert search.returncode == 0, search.stderr
    assert search.stdout.startswith(f"{len(read(path).scenarios)} scenarios and ")
    assert "fails" not in search.stdout
