"""`.ci/run` says of each of its stages what came of it, also of those that run beside others."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

SCRIPT = (Path(__file__).resolve().parents[2] / ".ci/run").read_text(encoding="utf-8")
# All up to the first stage: what stages are made of, and nothing that runs one.
(PARTS,) = re.findall(r"^temp=\$\(mktemp -d\)\n.*?(?=^# The Pythons of this machine)", SCRIPT, re.DOTALL | re.MULTILINE)
BUSY = f"{sys.executable} -c 'import time\nwhile time.process_time() < 1.2: pass\nprint(\"done\")'"


def run(commands: str) -> subprocess.CompletedProcess[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".sh", encoding="utf-8") as script:
        script.write(f"set -euo pipefail\nset -m\n{PARTS}\n{commands}\n")
        script.flush()
        return subprocess.run(["bash", script.name], capture_output=True, text=True, check=False, timeout=110)


def test_a_stage_says_how_long_it_took_and_what_it_printed_last() -> None:
    ran = run(f"stage 'one [of] it' {BUSY}\necho next")

    found = re.fullmatch(r"one \[of\] it {37}ok +(\d+) s +(\d+) CPU-s  done\nnext\n", ran.stdout)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert found is not None, ran.stdout
    assert (int(found[1]) >= 1, int(found[2]) >= 1) == (True, True), ran.stdout


def test_stages_that_run_beside_others_are_told_where_they_are_waited_for() -> None:
    # Each waits for a file that the other one writes.
    meets = "bash -c 'touch $0; until [[ -e $1 ]]; do sleep 0.01; done; echo met'"
    ran = run(f"begin a {meets} $temp/a $temp/b\nstage b {meets} $temp/b $temp/a\nfinish a")

    lines = [re.sub(r" +", " ", re.sub(r"\d+ ", "", line)) for line in ran.stdout.splitlines()]
    assert (ran.returncode, lines) == (0, ["b ok s CPU-s met", "a ok s CPU-s met"]), ran.stderr


@pytest.mark.parametrize(
    "commands",
    [
        "stage bad bash -c 'echo said; exit 5'\necho next",
        "begin bad bash -c 'echo said; exit 5'\nfinish bad\necho next",
    ],
)
def test_a_stage_that_fails_ends_it_all_with_what_it_said(commands: str) -> None:
    ran = run(commands)

    assert ran.returncode == 1
    assert re.fullmatch(
        r"bad {45}FAILED +\d+ s +\d+ CPU-s  exit code 5: bash -c echo said; exit 5\nsaid\n", ran.stdout
    ), ran.stdout


def test_a_function_that_fails_ends_there_and_its_time_is_told() -> None:
    ran = run(f"broken() {{ {BUSY}\nfalse\necho further; }}\nstage bad broken")

    found = re.fullmatch(r"bad {45}FAILED +(\d+) s +(\d+) CPU-s  exit code 1: broken\ndone\n", ran.stdout)
    assert ran.returncode == 1
    assert found is not None, ran.stdout
    assert (int(found[1]) >= 1, int(found[2]) >= 1) == (True, True), ran.stdout


def test_whatever_still_runs_beside_a_stage_that_fails_is_ended() -> None:
    ran = run("begin long bash -c 'echo $$ >$0; exec sleep 100' $temp/pid\n"
              "until [[ -s $temp/pid ]]; do sleep 0.01; done; cat $temp/pid\nstage bad false")  # fmt: skip

    assert ran.returncode == 1
    pid = int(ran.stdout.splitlines()[0])
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_skipped_tests_are_those_of_the_stage_that_was_told_last() -> None:
    skips = "printf 'SKIPPED [2] a.py:1: missing program: Docker: none\\n1 passed, 2 skipped in 1.00s\\n'"
    ran = run(f"begin a {skips}\nstage b echo nothing\nfinish a\nskipped '^missing program: ' Docker\n"
              f"skipped '^missing extra: '")  # fmt: skip

    assert ran.stdout.splitlines()[-3:] == [
        "    2 skipped: missing program: Docker: none", "    2 skipped: missing program: Docker: none",
        "FAILED: all that is skipped has to match '^missing extra: '",
    ]  # fmt: skip
    assert ran.returncode == 1
