"""How long a whole `greenlight run` takes on the embedded backend, and where the time goes.

    python -m support.benchmarks.whole_runs [ROUNDS [JOBS]]

Prints medians (default: of 3) of the wall time of a default run and of the functional category, of the time to the
first line on the screen, and of the stages between, each beside what it may take at most on two quiet cores. JOBS is
what `greenlight run --jobs` is given. Exit code 1 where anything takes longer.
"""
# mypy: allow-untyped-calls
# behave ships types only of what steps need.

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from behave.parser import parse_file
from greenlight_gate.bdd.runner.allure_outcome import scenario_key
from greenlight_gate.session.jobs import runs_alone
from greenlight_gate.targets.settings import suite_root

_COMMAND = (sys.executable, "-u", "-m", "greenlight_gate.cli.main", "run")
_LIMITS_S = {("functional",): 4.0, (): 55.0}
_FIRST_LINE_S = 1.0


def _run(arguments: Sequence[str], folder: Path) -> dict[str, float]:
    """Seconds from the start of the process to: its first line, the first scenario's begin, the verdict, the exit."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [*_COMMAND, *arguments, "--output-dir", str(folder)], stdout=subprocess.PIPE, text=True, cwd=folder
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
    return marks | _in_scenarios(next(folder.glob("validation_session_*/evidence")))


def _in_scenarios(evidence: Path) -> dict[str, float]:
    """How long the scenarios took: summed up, from the first begin to the last end of those side by side, and alone."""
    features = [parse_file(str(path)) for path in (suite_root() / "features").rglob("*.feature")]
    known = [scenario for feature in features for scenario in feature.walk_scenarios()]
    alone = {scenario_key(scenario) for scenario in known if runs_alone(scenario.effective_tags)}
    entries = [json.loads(line) for line in (evidence / "ledger.jsonl").read_bytes().splitlines()]
    spans: dict[str, list[tuple[float, float]]] = {"of those side by side": [], "of those alone": []}
    for entry in entries:
        if entry["entry"] == "finished" and entry["trace"]:
            with (evidence / entry["trace"]).open(encoding="utf-8") as trace:
                at = json.loads(trace.readline())["epoch_s"]
            kind = "of those alone" if entry["key"] in alone else "of those side by side"
            spans[kind].append((at, at + entry["duration_s"]))
    took = {"in scenarios": sum(end - at for each in spans.values() for at, end in each)}
    return took | {kind: max(e for _, e in each) - min(a for a, _ in each) for kind, each in spans.items() if each}


def main() -> int:
    """Measures and prints."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    jobs = ("--jobs", sys.argv[2]) if len(sys.argv) > 2 else ()
    missed = False
    for categories, limit_s in _LIMITS_S.items():
        arguments = [*jobs, *(["--categories", *categories] if categories else [])]
        runs = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                runs.append(_run(arguments, Path(folder)))
        medians = {name: median(run[name] for run in runs) for name in runs[0]}
        first, whole = medians["first line"], medians["exit"]
        missed = missed or whole > limit_s or first > _FIRST_LINE_S
        print(
            f"{' '.join(['greenlight run', *arguments])}: median of {rounds}: {whole:.2f} s wall (at most {limit_s:g} "
            f"s), first line after {first:.2f} s (at most {_FIRST_LINE_S:g} s)"
        )
        for name, seconds in medians.items():
            print(f"    {name:<22} {seconds:6.2f} s")
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
