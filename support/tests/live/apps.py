"""Starts the small apps of this folder, each in an environment of its own, and runs the suite and a load on each.

    python -m support.tests.live.apps --work /tmp/live [chainlit jsonrpc ...]

Packages are installed into WORK/NAME-environment, once. What an app writes goes to WORK/NAME, reports go to
WORK/reports/NAME. Exit code 0 if each app got the verdict that is expected of it, and its load was approved.
"""

import argparse
import os
import shutil
import subprocess
import sys
import venv
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from support.tests.live.servers import HERE, running

SECRET = "local-test-secret-0123456789abcdef-0123"
MODEL_PORT = 18890
ENVIRON = {
    "LIVE_SECRET": SECRET,
    "LIVE_PASSWORD": "local-test-password",
    "LIVE_MODEL_URL": f"http://127.0.0.1:{MODEL_PORT}/v1",
    "CHAINLIT_AUTH_SECRET": SECRET,
}


class App(NamedTuple):
    """One app: its port, its packages, the verdict that is expected of it, and the script of the model that it asks."""

    port: int
    packages: tuple[str, ...]
    verdict: str
    model: str = ""


APPS = {
    # A signed-out token is accepted, and a connection outlasts its token: REFUSAL-1 and -3.
    "chainlit": App(18811, ("chainlit==2.12.0",), "BLOCKED"),
    "jsonrpc": App(18821, ("jsonrpcserver==5.0.9", "websockets>=15", "pyjwt"), "APPROVED"),
    # After a stop, the next request goes on with what was stopped, and its text is dropped: CONTENT-4.
    # A connection outlasts its token: REFUSAL-3. A binary message ends it without a close frame: CONNECTION-3.
    # A message without content is answered: REFUSAL-4. The server keeps all threads in memory: MEMORY.
    "langgraph": App(18831, ("langgraph-cli[inmem]==0.4.40", "langchain==1.5.2", "pyjwt"), "BLOCKED"),
    # Eight tools one after the other take more steps than the server allows a run that sets no limit: CONTENT-4.
    "langgraph-sse": App(18832, ("langgraph-cli[inmem]==0.4.40", "langchain==1.5.2", "pyjwt"), "BLOCKED"),
    # It looks at a token once: REFUSAL-3. Broken JSON ends a connection without a close frame: CONNECTION-3 and
    # REFUSAL-4. It waits for ever for a silent model: LIFECYCLE-2. Half an answer counts as a whole one: LIFECYCLE-7.
    "agno": App(
        18721, ("agno[os]==3.1.10", "openai", "sqlalchemy", "greenlet", "pyjwt"), "BLOCKED", "agno/script.toml"
    ),
    # It looks at a token once, and ends connections without a close frame: REFUSAL-3, CONNECTION-3.
    "autogenstudio": App(18702, ("autogenstudio==0.4.2.2",), "BLOCKED", "autogenstudio/script.toml"),
    # What it cannot read it ignores, and everything after it on that connection: REFUSAL-4.
    "google-adk": App(18771, ("google-adk==2.13.0", "pyjwt"), "BLOCKED"),
    # A tool that is approved twice runs twice: PAIRING-1.
    "google-adk-sse": App(18772, ("google-adk==2.13.0", "litellm==1.110.2", "pyjwt"), "BLOCKED", "reference"),
    # A signed-out cookie is accepted: REFUSAL-1. What was on its way as a connection was lost is not sent again, and
    # after many reconnects within a second a kernel stays mute: CONTINUITY-1, PAIRING-1, LIFECYCLE-5, CONNECTION-1.
    "jupyter": App(18741, ("jupyter_server==2.21.1", "ipykernel"), "BLOCKED"),
}
_LOAD = ("--users", "5", "--runs-per-user", "4")


def prepare(name: str, work: Path) -> Path:
    """The programs of an app, with its packages."""
    environment = work / f"{name}-environment"
    ready = environment / ".ready"
    if not ready.exists():
        _say(f"{name}: installing {', '.join(APPS[name].packages)}")
        venv.create(environment, clear=True, with_pip=True)
        pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", *APPS[name].packages]
        subprocess.run(pip, check=True)
        ready.touch()
    return environment / "bin"


def start(name: str, programs: Path, folder: Path, port: int) -> tuple[list[str], Path, int, dict[str, str]]:
    """How an app is started, as `running` wants it: in an empty folder, since servers keep what they know in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"
    return ["sh", str(HERE / name / "start.sh"), str(port)], folder, port, {**ENVIRON, "PATH": path}


def judge(name: str, work: Path, extra: list[str]) -> bool:
    """Judges one app; whether the verdict is what is expected of it, and its load was approved."""
    app, reports = APPS[name], work / "reports" / name
    programs = prepare(name, work)
    environ = {**os.environ, **ENVIRON}
    target = ("--environment", str(HERE / name / "target.toml"), "--output-dir", str(reports))
    with ExitStack() as stack:
        if app.model:
            model = [sys.executable, "-m", "greenlight_gate.cli.main", "model", "--port", str(MODEL_PORT), "--script"]
            stack.enter_context(running([*model, app.model], HERE, MODEL_PORT, {}))
        stack.enter_context(running(*start(name, programs, work / name, app.port)))
        code = subprocess.run(["greenlight", "run", *target, *extra], env=environ, check=False).returncode
        load = subprocess.run(["greenlight", "load", *target, *_LOAD], env=environ, check=False).returncode
    verdict = {0: "APPROVED", 1: "BLOCKED", 2: "INCONCLUSIVE"}.get(code, f"exit code {code}")
    _say(f"{name}: {verdict}, expected {app.verdict}; load: exit code {load}; reports in {reports}")
    return verdict == app.verdict and load == 0


def _say(text: str) -> None:
    print(f"== {text}", flush=True)


def main() -> int:
    """Judges the apps that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[], choices=[*APPS, []], metavar="NAME", help=", ".join(APPS))
    parser.add_argument("--work", type=Path, required=True, help="where environments and reports are kept")
    options, extra = parser.parse_known_args()
    options.work.mkdir(parents=True, exist_ok=True)
    results = [judge(name, options.work.resolve(), extra) for name in options.names or APPS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
