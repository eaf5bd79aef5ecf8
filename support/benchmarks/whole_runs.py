"""How long a whole `greenlight run` takes on the embedded backend, and where the time goes.

    python -m support.benchmarks.whole_runs [ROUNDS]

Prints medians (default: of 5) of the wall time for the functional category and for functional and integration
together, of the time to the first line on the screen, and the stages of the longer one.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

_COMMAND = (sys.executable, "-u", "-m", "greenlight_gate.cli.main", "run", "--categories")
_LIMITS_S = {("functional",): 5.0, ("functional", "integration"): 10.0}


def _run(categories: Sequence[str], folder: Path) -> dict[str, float]:
    """Seconds from the start of the process to: its first line, the first scenario's begin, the verdict, the exit."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [*_COMMAND, *categories, "--output-dir", str(folder)], stdout=subprocess.PIPE, text=True, cwd=folder
    )
    marks: dict[str, float] = {}
    assert process.stdout is not None
    for line in process.stdout:
        now = time.perf_counter() - began
        marks.setdefault("first line", now)
        if line.startswith("Judging"):
            marks["target ready"] = now
        elif line.startswith("criterion"):
            marks["judged"] = now
    if process.wait() != 0:
        raise SystemExit(f"the healthy backend was not approved (exit code {process.returncode})")
    marks["exit"] = time.perf_counter() - began
    ledger = next(folder.glob("validation_session_*/evidence/ledger.jsonl"))
    entries = [json.loads(line) for line in ledger.read_bytes().splitlines()]
    marks["in scenarios"] = sum(entry["duration_s"] for entry in entries if entry["entry"] == "finished")
    return marks


def main() -> None:
    """Measures and prints."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for categories, limit_s in _LIMITS_S.items():
        runs = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                runs.append(_run(categories, Path(folder)))
        medians = {name: median(run[name] for run in runs) for name in runs[0]}
        print(f"{' + '.join(categories)}: median of {rounds}: {medians['exit']:.2f} s wall (at most {limit_s:g} s)")
        for name, seconds in medians.items():
            print(f"    {name:<14} {seconds:6.2f} s")


if __name__ == "__main__":
    main()
