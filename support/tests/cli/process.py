"""The real command as a process of its own, in a folder of its own, which ends with the test.

Usually it is a fork of a process that has imported all (forks.py). Where starting up is part of what is tested, it is
`fresh`: a new interpreter.
"""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from greenlight_gate.cli.main import main
from greenlight_gate.targets.settings import HOST_LOAD_VARIABLE

from support.tests.cli.forks import Fork, fork
from support.tests.empty_registry import empty_registry

ROOT = Path(__file__).resolve().parents[3]
SECRET = "a-secret-for-tests-that-is-long-enough"
DEADLINE_S = 100.0
PATIENT_S, HASTY_S = 10.0, 0.5
Process = Fork | subprocess.Popen[bytes]
HOSTILE = """
name = "hostile"
url = "{url}"
health = "{health}"
clock = "same-host"
[auth]
obtain = "mint"
send = "bearer"
secret_env = "CHAT_JWT_SECRET"
audience = "chat"
[capabilities]
resume = false
stop = false
errors = false
[budgets]
handshake_s = {budget_s}
start_s = {budget_s}
silence_s = {budget_s}
tool_s = {budget_s}
run_s = {run_s}
grace_s = 0.05
ping_s = {budget_s}
refusal_s = {budget_s}
[prompts.with_tool]
ask = "What is 17*23?"
contains = ["391"]
tools = ["calculator"]
"""
# Why it has one prompt only: without reasons it could not be approved.
REASONS = """
[accepted_gaps]
long_running = "it answers at once"
two_tools = "it has one tool"
without_tool = "it uses it for every question"
"""


@dataclass(frozen=True)
class Ran:
    """A command that has ended. `folder`: where it ran; `peak_mb`: the most memory that it had."""

    code: int
    out: str
    err: str
    folder: Path
    peak_mb: float = 0.0

    @property
    def session(self) -> Path:
        (found,) = (self.folder / "reports").glob("validation_session_*")
        return found

    @property
    def report(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.session / "comprehensive_validation_report.json").read_bytes())
        return read

    @property
    def verdict(self) -> str:
        return str(self.report["deployment_decision"]["verdict"])

    @property
    def rules(self) -> set[str]:
        return {finding["rule"] for finding in self.report["findings"]}

    def found(self, rule: str) -> str:
        """Expected and actual of each finding of a rule, one to a line."""
        findings = [each for each in self.report["findings"] if each["rule"] == rule]
        return "\n".join(f"{finding['expected']} / {finding['actual']}" for finding in findings)


def target(
    folder: Path, url: str, health: str = "/health", more: str = "", budget_s: float = PATIENT_S, *, profile: str = "",
    http_version: str = "",
) -> Path:  # fmt: skip
    """The file of a target. `more` are further lines of TOML.

    `budget_s`: its budgets, with which nothing is late on a busy machine; HASTY_S where something does not come at all.
    """
    path = folder / "hostile.toml"
    text = HOSTILE.format(url=url, health=health, budget_s=budget_s, run_s=6 * budget_s)
    if profile:  # by HTTP, which has no pings
        text = f'profile = "{profile}"\n{text}'.replace("[capabilities]\n", "[capabilities]\nping = false\n")
    if http_version:
        text = f'http_version = "{http_version}"\n{text}'
    path.write_text(text + more, encoding="utf-8")
    return path


def environ(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    unwanted = {"WEBSOCKET_TEST_URL", "COLUMNS", "FORCE_COLOR"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    # Other tests, which run at the same time, make this machine busy.
    own = {"CHAT_JWT_SECRET": SECRET, "PYTHONPATH": str(ROOT), HOST_LOAD_VARIABLE: "ignore"}
    return {**kept, **own, **(extra or {})}


@contextmanager
def started(
    folder: Path,
    *arguments: str,
    module: str = "greenlight_gate.cli.main",
    env: Mapping[str, str] | None = None,
    fresh: bool = False,
) -> Iterator[Process]:
    """A running command, whose output goes to files in the folder; it is killed at the end if it has not ended."""
    process: Process
    with (folder / "out.txt").open("wb") as out, (folder / "err.txt").open("wb") as err:
        if fresh:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], cwd=folder, env=environ(env), stdin=subprocess.DEVNULL,
                stdout=out, stderr=err,
            )  # fmt: skip
        else:
            process = fork((module, *arguments), folder, environ(env), out, err)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def ended(
    process: Process,
    folder: Path,
    deadline_s: float = DEADLINE_S,
    watch: Callable[[psutil.Process], None] = lambda _: None,
) -> Ran:
    """Waits for the end of a command, which has a deadline. `watch` is shown the process again and again."""
    peak = 0
    deadline = time.monotonic() + deadline_s
    while True:
        with suppress(psutil.Error):
            watched = psutil.Process(process.pid)
            peak = max(peak, watched.memory_info().rss)
            watch(watched)
        try:
            code = process.wait(0.02)
            break
        except subprocess.TimeoutExpired:
            assert time.monotonic() < deadline, f"it hangs; it has said: {said(folder)}"
    return Ran(code, *said(folder), folder, peak / 1e6)


def said(folder: Path) -> tuple[str, str]:
    """What a command has written to stdout and stderr so far."""
    return (folder / "out.txt").read_bytes().decode(), (folder / "err.txt").read_bytes().decode()


def greenlight(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None, deadline_s: float = DEADLINE_S,
    fresh: bool = False,
) -> Ran:  # fmt: skip
    """Runs `greenlight` to its end."""
    with started(folder, *arguments, env=env, fresh=fresh) as process:
        return ended(process, folder, deadline_s)


def mistaken(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Ran:
    """`greenlight` in this process, for what ends before anything is started: a second sooner, and the same is said."""
    out, err = io.StringIO(), io.StringIO()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err), empty_registry():
        patch.chdir(folder)
        for name in os.environ.keys() - environ(env).keys():
            patch.delenv(name)
        for name, value in environ(env).items():
            patch.setenv(name, value)
        try:
            code = main(arguments)
        except SystemExit as end:
            code = int(str(end.code))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return Ran(code, out.getvalue(), err.getvalue(), folder)


def judged(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None, deadline_s: float = DEADLINE_S,
    fresh: bool = False,
) -> Ran:  # fmt: skip
    """`greenlight run`, with its sessions in the folder's `reports`."""
    run = ("run", "--output-dir", "reports", *arguments)
    return greenlight(folder, *run, env=env, deadline_s=deadline_s, fresh=fresh)


def suite_in(folder: Path) -> None:
    """Lets the folder be one in which bare `behave` finds the suite."""
    for name in ("features", "steps", "behave.ini"):
        (folder / name).symlink_to(ROOT / name)


def behave(folder: Path, *arguments: str, env: Mapping[str, str] | None = None, fresh: bool = False) -> Ran:
    """Bare `behave`, with its sessions in the folder's `reports`."""
    wanted = (*arguments, "-D", "output_dir=reports")
    with started(folder, *wanted, module="behave", env=env, fresh=fresh) as process:
        return ended(process, folder)


def wait_for(condition: Callable[[], bool], what: str, deadline_s: float = 60.0) -> None:
    """Asks again and again until it is so; fails when the time is over."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.005)
