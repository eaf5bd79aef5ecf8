"""Freezes: the suite is stopped at a random moment of a healthy run, and must not blame the backend.

python -m greenlight_gate.assurance.freezes 20                  twenty runs, four at a time

Each is `greenlight run` of the embedded backend with a target of its own (see `false_alarms`). Once the first scenario
has begun, the process of the suite is stopped (SIGSTOP) at a random moment and goes on after 6 to 8 seconds (SIGCONT);
in every second run the backend is stopped with it, as in a container that is paused. The evidence of a run that is
blocked is kept. Exit code 0 if none is blocked and at least half of the freezes were noticed in a trace (the others
came between two scenarios, or after the last one), 1 otherwise.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil

from greenlight_gate.assurance.variations import write_target
from greenlight_gate.trace import Stalled, read_trace

_VERDICTS = {0: "APPROVED", 1: "BLOCKED", 2: "INCONCLUSIVE"}
_BEGINS_S = 60.0
_LONGEST_S = 300.0
_LOOK_S = 0.02
_LATEST_S = 3.0
_FREEZE_S = (6.0, 8.0)


class Frozen(NamedTuple):
    """The result of one run. `at_s`: since its first scenario; `noticed_s`: the longest stall that a trace records."""

    seed: int
    stopped: str
    at_s: float
    for_s: float
    noticed_s: float
    verdict: str
    reason: str
    seconds: float
    kept: str

    @property
    def is_sound(self) -> bool:
        """Whether nobody was blamed."""
        return self.verdict in ("APPROVED", "INCONCLUSIVE")

    @property
    def is_noticed(self) -> bool:
        """Whether a trace records it."""
        return self.noticed_s >= _FREEZE_S[0] - 1.0

    def __str__(self) -> str:
        line = f"{self.seed:>4}  {self.stopped:<17}{self.at_s:>5.1f} s  {self.for_s:.1f} s  {self.noticed_s:>6.1f} s"
        line += f"  {self.verdict:<13}{self.seconds:>4.0f} s  {self.reason}"
        return f"{line}\n      evidence: {self.kept}" if self.kept else line


HEAD = "seed  stopped          moment  frozen  noticed  verdict       took  reason"


def freeze(seed: int, categories: Sequence[str], folder: Path) -> Frozen:
    """One run in a folder of its own below `folder`, with one freeze."""
    chance = random.Random(f"freeze {seed}")  # noqa: S311 -- it has to be reproducible
    at_s, for_s, whole = chance.uniform(0.0, _LATEST_S), chance.uniform(*_FREEZE_S), seed % 2 == 0
    began, here = time.monotonic(), folder / f"freeze-{seed}"
    here.mkdir(parents=True)
    command = [sys.executable, "-m", "greenlight_gate.cli.main", "run", "--environment", str(write_target(seed, here))]
    command += ["--ci-mode", "--output-dir", "reports", "--categories", *categories]
    environment = {**os.environ, "CHAT_VARY": str(seed)}
    with (
        (here / "output.txt").open("wb") as output,
        subprocess.Popen(command, cwd=here, env=environment, stdout=output, stderr=output) as process,
    ):
        try:
            _wait_for_a_trace(here, process)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(at_s)
            _stop_and_go_on(process, for_s, whole=whole)
            code = process.wait(_LONGEST_S)
        finally:
            _end(process)
    said = (here / "output.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    verdict = _VERDICTS.get(code, f"exit {code}")
    reason = (
        "" if code == 0 else next((line for line in said if line.startswith("FAILURE_REASON=")), "".join(said[-1:]))
    )
    frozen = Frozen(
        seed, "suite and backend" if whole else "suite", at_s, for_s, _longest_stall_s(here), verdict, reason[:160],
        time.monotonic() - began, str(here),
    )  # fmt: skip
    if not frozen.is_sound:
        return frozen
    shutil.rmtree(here)
    return frozen._replace(kept="")


def _wait_for_a_trace(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _BEGINS_S
    while process.poll() is None and time.monotonic() < deadline:
        if any(path.stat().st_size for path in folder.glob("reports/*/evidence/traces/*.jsonl")):
            return
        time.sleep(_LOOK_S)


def _stop_and_go_on(process: "subprocess.Popen[bytes]", for_s: float, *, whole: bool) -> None:
    if process.poll() is not None:
        return
    stopped = [psutil.Process(process.pid)]
    if whole:
        stopped += stopped[0].children(recursive=True)
    for signal_number in (signal.SIGSTOP, signal.SIGCONT):
        for each in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(signal_number)
        if signal_number == signal.SIGSTOP:
            time.sleep(for_s)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()


def _longest_stall_s(folder: Path) -> float:
    longest_s = 0.0
    for path in folder.glob("reports/*/evidence/traces/*.jsonl"):
        with path.open("rb") as lines, contextlib.suppress(msgspec.MsgspecError):
            _, records = read_trace(lines)
            longest_s = max([longest_s, *(each.for_s for each in records if isinstance(each, Stalled))])
    return longest_s


def main(argv: Sequence[str] | None = None) -> int:
    """Freeze so many runs; 0 if none is blocked and each freeze was noticed, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m greenlight_gate.assurance.freezes", allow_abbrev=False,
        description="Stop the suite at random moments of healthy runs: it must not blame the backend.",
    )  # fmt: skip
    parser.add_argument("runs", type=int, nargs="?", default=20, help="how many runs (default: 20)")
    parser.add_argument("--first-seed", type=int, default=1, help="the seed of the first run (default: 1)")
    parser.add_argument("--at-once", type=int, default=4, help="how many at a time (default: 4)")
    parser.add_argument(
        "--categories", nargs="+", default=["functional", "integration"], help="(default: functional integration)"
    )
    options = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="greenlight-freezes-"))
    seeds = range(options.first_seed, options.first_seed + options.runs)
    print(HEAD, flush=True)
    with ThreadPoolExecutor(options.at_once) as pool:
        results = []
        for result in pool.map(lambda seed: freeze(seed, options.categories, folder), seeds):
            results.append(result)
            print(result, flush=True)
    unsound = [result for result in results if not result.is_sound]
    counts = {verdict: sum(result.verdict == verdict for result in results) for verdict in _VERDICTS.values()}
    noticed = sum(result.is_noticed for result in results)
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    print(f"{len(results)} freezes, {noticed} of them noticed: {said}")
    if not unsound:
        shutil.rmtree(folder)
    return 0 if 2 * noticed >= len(results) > 0 and not unsound else 1


if __name__ == "__main__":
    sys.exit(main())
