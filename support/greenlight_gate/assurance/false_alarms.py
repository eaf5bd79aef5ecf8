"""False alarms: whole validation sessions of healthy backends with varied behaviour, all of which must be approved.

python -m greenlight_gate.assurance.false_alarms 20               twenty sessions, two at a time
python -m greenlight_gate.assurance.false_alarms 200 --whole 10   two hundred; all six categories in every tenth
python -m greenlight_gate.assurance.false_alarms 20 --environment embedded-sse   twenty of the chat by HTTP
python -m greenlight_gate.assurance.false_alarms 20 --noise 2 --loads 2 --at-once 1
                                                                  twenty beside two busy loops, every other one a load
python -m greenlight_gate.assurance.false_alarms 10 --whole 1 --at-once 1 --environment mine.toml
                                                                  ten whole runs on a healthy server that runs already

Each session is `greenlight run` with a seed of its own, which selects the backend's messages, pauses and answers among
those that are allowed, and the prompts. Most sessions run the categories that take seconds (`--categories`); every
`--more`th adds security and resilience, every `--whole`th runs all six. Every `--loads`th is `greenlight load`, with a
limit of latency that the backend meets on an idle machine. With `--noise`, a session may be inconclusive:
a busy machine cannot judge what depends on time, but it must not blame the backend. The evidence of a session with a
false alarm is kept. Exit code 0 if there was none, 1 otherwise.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import psutil

from greenlight_gate.assurance.variations import BUNDLED, write_target
from greenlight_gate.categories import CATEGORIES

FAST = ("functional", "integration")
MORE = (*FAST, "security", "resilience")
WHOLE = CATEGORIES
LOAD = ("load",)
_LOAD_OPTIONS = ("--users", "50", "--duration", "4", "--latency-p95", "100")
_LONGEST_SESSION_S = 600


class HealthySession(NamedTuple):
    """The result of one session.

    `answers`: the number of checked answers; `findings`: what the backend was accused of; `reason`: of a verdict other
    than APPROVED; `is_busy`: whether busy loops ran beside it; `kept`: the folder with the evidence of a false alarm.
    """

    seed: int
    categories: tuple[str, ...]
    verdict: str
    answers: int
    scenarios: int
    seconds: float
    findings: tuple[str, ...] = ()
    reason: str = ""
    is_busy: bool = False
    kept: str = ""

    @property
    def is_false_alarm(self) -> bool:
        """Whether a healthy backend had findings, or was not approved; inconclusive is sound on a busy machine."""
        sound = ("APPROVED", "INCONCLUSIVE") if self.is_busy else ("APPROVED",)
        return self.verdict not in sound or bool(self.findings)

    def __str__(self) -> str:
        came = f"{self.verdict}  {self.scenarios} scenarios, {self.answers} answers, {self.seconds:.0f} s"
        lines = [f"seed {self.seed:<4} {_kind(self.categories)}  {came}"]
        lines += [f"          {line}" for line in (*self.findings, self.reason) if line]
        return "\n".join([*lines, f"          evidence: {self.kept}"] if self.kept else lines)


def judge(
    seed: int, categories: Sequence[str], folder: Path, *, environment: str = BUNDLED[0], is_busy: bool = False
) -> HealthySession:
    """Runs one whole validation session in a folder of its own below `folder`.

    `environment`: a target whose server runs already, or one of BUNDLED, which is varied by the seed.
    """
    began, here = time.monotonic(), folder / f"seed-{seed}"
    here.mkdir(parents=True, exist_ok=True)
    is_bundled = environment in BUNDLED
    target = str(write_target(seed, here, environment)) if is_bundled else environment
    what = ("load", *_LOAD_OPTIONS) if categories == LOAD else ("run", "--ci-mode", "--categories", *categories)
    command = [sys.executable, "-m", "greenlight_gate.cli.main", *what, "--environment", target]
    command += ["--output-dir", "reports"]
    varied = {"CHAT_VARY": str(seed)} if is_bundled else {}
    ran = subprocess.run(
        command, cwd=here, env={**os.environ, **varied}, capture_output=True, text=True, check=False,
        timeout=_LONGEST_SESSION_S,
    )  # fmt: skip
    seconds = time.monotonic() - began
    reports = list(here.glob("reports/*/comprehensive_validation_report.json"))
    if not reports:
        said = (ran.stderr or ran.stdout).strip().splitlines()[-3:] or ["it printed nothing"]
        verdict, reason = f"exit {ran.returncode}", " ".join(said)
        return HealthySession(seed, tuple(categories), verdict, 0, 0, seconds, (), reason, is_busy, str(here))
    report = json.loads(reports[0].read_text(encoding="utf-8"))
    session = _read(seed, tuple(categories), report, seconds)._replace(is_busy=is_busy)
    if session.is_false_alarm:
        return session._replace(kept=str(here))
    shutil.rmtree(here)
    return session


def _read(seed: int, categories: tuple[str, ...], report: dict[str, object], seconds: float) -> HealthySession:
    decision, results = _table(report, "deployment_decision"), _table(report, "execution_results")
    metrics, monitored = _table(results, "pytest_metrics"), _table(results, "monitoring_metrics")
    found = report.get("findings")
    findings = (
        [f"{each['rule']}: {each['expected']} / {each['actual']}" for each in found] if isinstance(found, list) else []
    )
    reason = "" if decision.get("verdict") == "APPROVED" else str(decision.get("reason"))
    answers = _table(monitored, "acknowledgement").get("samples", 0)
    return HealthySession(
        seed, categories, str(decision.get("verdict")), int(str(answers)), int(str(metrics.get("total_tests", 0))),
        seconds, tuple(findings), reason,
    )  # fmt: skip


def _table(report: dict[str, object], name: str) -> dict[str, object]:
    value = report.get(name)
    return value if isinstance(value, dict) else {}


def _kind(categories: Sequence[str]) -> str:
    return "a load" if categories == LOAD else f"{len(categories)} categories"


def composition(number: int, *, base: Sequence[str], more: int, whole: int, loads: int = 0) -> tuple[str, ...]:
    """The categories of the `number`-th session, counted from 1, or LOAD; 0 for one of the others is never."""
    if loads and number % loads == 0:
        return LOAD
    if whole and number % whole == 0:
        return WHOLE
    return MORE if more and number % more == 0 else tuple(base)


@contextlib.contextmanager
def noise(cores: int) -> Iterator[None]:
    """Keeps so many cores busy."""
    busy = [multiprocessing.get_context("spawn").Process(target=_spin, daemon=True) for _ in range(cores)]
    for process in busy:
        process.start()
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.join()


def _spin() -> None:
    # Ctrl-C is for the command, which then ends this process; if the command is killed, it ends by itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    command = os.getppid()
    while os.getppid() == command:
        sum(range(10_000))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the sessions, prints a line for each, and the rate at the end."""
    options = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(options)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    environment = options.environment
    # A file is named from where the command was started; each session runs in a folder of its own.
    environment = str(Path(environment).resolve()) if Path(environment).suffix == ".toml" else environment
    options.evidence.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="false-alarms-", dir=options.evidence)).resolve()
    seeds = range(options.first_seed, options.first_seed + options.sessions)
    began = time.monotonic()
    with noise(options.noise), ThreadPoolExecutor(options.at_once) as pool:
        work = [
            pool.submit(
                judge, seed,
                composition(
                    number, base=options.categories, more=options.more, whole=options.whole, loads=options.loads
                ),
                folder,
                environment=environment, is_busy=options.noise > 0,
            )
            for number, seed in enumerate(seeds, 1)
        ]  # fmt: skip
        sessions = []
        try:
            for future in work:
                sessions.append(future.result())
                print(sessions[-1], flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.terminate()
            raise
    with contextlib.suppress(OSError):  # evidence of sessions that were not approved stays
        folder.rmdir()
    print(summary(sessions, time.monotonic() - began))
    return int(any(session.is_false_alarm for session in sessions))


def summary(sessions: Sequence[HealthySession], seconds: float) -> str:
    """The rate of false alarms: in how many sessions, and per thousand answers."""
    alarms = [session for session in sessions if session.is_false_alarm]
    answers = sum(session.answers for session in sessions)
    rate = f"{1000 * len(alarms) / answers:.2f} false alarms per thousand runs" if answers else "no run was observed"
    loads = [session for session in sessions if session.categories == LOAD]
    kinds = Counter(len(session.categories) for session in sessions if session not in loads)
    parts = [f"{count} of {number} categories" for number, count in sorted(kinds.items())]
    summary = ", ".join([*parts, f"{len(loads)} of a load"] if loads else parts)
    verdicts = ", ".join(f"{count} {name}" for name, count in Counter(each.verdict for each in sessions).items())
    return (
        f"{len(alarms)} of {len(sessions)} healthy sessions with a false alarm ({summary}; {seconds:.0f} s): "
        f"{rate}, {answers} answers judged; {verdicts or 'no session'}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m greenlight_gate.assurance.false_alarms",
        description=(__doc__ or "").partition("\n\n")[0],
        epilog="exit codes: 0 no false alarm, 1 at least one",
    )
    parser.add_argument("sessions", type=_number, help="number of sessions (example: 20)")
    parser.add_argument("--first-seed", type=int, default=1, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--at-once", type=_number, default=2, metavar="N", help="sessions in parallel (default: %(default)s)"
    )
    parser.add_argument(
        "--categories", nargs="+", default=list(FAST), choices=WHOLE, metavar="CATEGORY",
        help=f"categories of most sessions (default: {' '.join(FAST)})",
    )  # fmt: skip
    parser.add_argument(
        "--more",
        type=int,
        default=4,
        metavar="N",
        help="add security and resilience in every Nth session (default: %(default)s)",
    )
    parser.add_argument(
        "--whole", type=int, default=0, metavar="N", help="run all six categories in every Nth session (default: never)"
    )
    parser.add_argument(
        "--loads", type=int, default=0, metavar="N", help="a load instead in every Nth session (default: never)"
    )
    parser.add_argument(
        "--noise", type=int, default=0, metavar="CORES",
        help="keep this number of cores busy meanwhile; INCONCLUSIVE is then no false alarm",
    )  # fmt: skip
    parser.add_argument(
        "--environment", default=BUNDLED[0], metavar="TARGET",
        help="a healthy target whose server runs already, or the bundled backend, varied by seeds: embedded, or "
        "embedded-sse by HTTP, or embedded-channel (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--evidence", type=Path, default=Path(tempfile.gettempdir()), metavar="DIR",
        help="folder for the evidence of sessions that are not approved (default: %(default)s)",
    )  # fmt: skip
    return parser


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    raise SystemExit(main())
