"""Starts real servers, each in an environment of its own, runs the suite on each, and keeps the reports.

    python -m support.tests.live.servers --work /tmp/live ai-sdk ag-ui-sse
    python -m support.tests.live.servers --work /tmp/live --servers FOLDER [autogenstudio agno ...]

Each server has a folder beside this file or in `--servers`: start.sh, what it starts, and requirements.lock (a virtual
environment), package-lock.json (npm) or install.sh. The folders are copied to `--work`, so that nothing is written
beside them; environments stay there for the next time. Reports are kept in WORK/reports/NAME, with what
`greenlight doctor` says in doctor.txt, and its frames in doctor.jsonl. Exit code 0 if every server got the verdict that
is expected of it.
"""

import argparse
import hmac
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from xml.etree import ElementTree

import msgspec

HERE = Path(__file__).parent
EXAMPLES = Path(__file__).parents[2] / "greenlight_gate" / "targets" / "examples"
_LOCKS = ("requirements.lock", "package-lock.json", "install.sh")
_START_S = 300.0
_STOP_S = 10.0
_SECRET = "local-test-secret-0123456789abcdef-0123"
_JUPYTER_TOKEN = "local-test-token"
_MODEL_PORT = 18790
_LIVE = MappingProxyType({
    "LIVE_SECRET": _SECRET, "LIVE_PASSWORD": "local-test-password", "LIVE_MODEL_URL": f"http://127.0.0.1:{_MODEL_PORT}/v1"
})  # fmt: skip
_KEYS = MappingProxyType({
    f"LIVE_KEY_{user.upper()}": hmac.digest(_SECRET.encode(), user.encode(), "sha256").hex()
    for user in ("ada", "bashir", "chiara", "dayo", "emeka", "farah", "goran", "hana")
})  # fmt: skip
_FAILS = "An agent that fails sends agent_failed with a text and no answer"


class Server(NamedTuple):
    """One server: its folder, where it listens, what it is started with, and how it is judged.

    `model`: it needs the test model of the servers; `script`: it is run on the scripted model instead, by this name or
    file; `target`: it is judged by this file and not by the example of its name; `fails`: the scenario of a run that
    fails has to fail, whatever else there is.
    """

    folder: str
    port: int
    verdict: str
    environ: Mapping[str, str] = MappingProxyType({})
    judged_with: Mapping[str, str] = MappingProxyType({})
    make: str = ""
    model: bool = False
    script: str = ""
    target: str = ""
    fails: bool = False


SERVERS = {
    # It looks at a token once, when the socket is opened, and starts a run long after the token has expired: REFUSAL-3.
    "autogenstudio": Server(
        "autogenstudio", 18702, "BLOCKED", {"AUTH": "1", "PORT": "18702"}, {"AUTOGENSTUDIO_JWT_SECRET": _SECRET},
        make="make_team.py",
    ),
    # It does not look at the audience of a token, and goes on serving when the token has expired: REFUSAL-1 and -3.
    "agno": Server("agno", 18721, "BLOCKED", {"AUTH": "1"}, {"AGNO_JWT_SECRET": _SECRET}, model=True),
    # The model breaks off in the middle of an answer: it shows WorkflowCompleted in place of a failed run, LIFECYCLE-2.
    "agno-model": Server(
        "agno", 18721, "BLOCKED", {"AUTH": "1"}, {"AGNO_JWT_SECRET": _SECRET}, script="agno-script.toml",
        target="agno-model.toml", fails=True,
    ),
    # The model ends its answer at a limit of tokens: it shows that half as the whole answer, LIFECYCLE-2.
    "autogenstudio-model": Server(
        "autogenstudio", 18702, "BLOCKED", {"AUTH": "1", "PORT": "18702"}, {"AUTOGENSTUDIO_JWT_SECRET": _SECRET},
        make="make_team.py", script="autogenstudio-script.toml", target="autogenstudio-model.toml", fails=True,
    ),
    # No answer is long enough to be cut, so that no user has to reconnect: RECOVERY has no evidence.
    "google-adk": Server("google-adk", 18771, "INCONCLUSIVE"),
    # No cell of the example is long enough to be cut, as above; the small app of apps.py has more.
    "jupyter": Server("jupyter", 18741, "INCONCLUSIVE", {}, {"JUPYTER_TOKEN": _JUPYTER_TOKEN}),
    # A gateway keeps no conversation and runs no tool. A stream of the model that breaks off is finished: LIFECYCLE-7.
    **{
        name: Server(
            "litellm", 18763, verdict, _LIVE, _LIVE, script="litellm/script.toml", target=f"litellm/{name}.toml"
        )
        for name, verdict in (
            ("chat-completions", "BLOCKED"), ("openai-responses-sse", "BLOCKED"), ("anthropic-messages", "BLOCKED")
        )
    },
    # By WebSocket, with several streams on a connection.
    "openai-responses": Server(
        "agentic-api", 18769, "BLOCKED", _LIVE, _LIVE, script="litellm/script.toml", target="agentic-api/target.toml"
    ),
    # After the error that ends a run it says that the run has finished: LIFECYCLE-2. It shows half an answer as a whole
    # one: LIFECYCLE-7. A stream that is closed as its model is asked leaves that call under way: LIFECYCLE-8.
    "langflow": Server("langflow", 18768, "BLOCKED", _LIVE, _LIVE, script="reference", target="langflow/target.toml"),
    # No key is needed to stop a run: REFUSAL-1 and -2. What a run sends after its stream was cut comes on the next one
    # of its chat: LIFECYCLE-1, PAIRING-1, CONTENT-4; so does what is answered to another user who names that chat:
    # ISOLATION-1. Half an answer counts as a whole one: LIFECYCLE-7.
    "flowise": Server(
        "flowise", 18770, "BLOCKED", {**_LIVE, **_KEYS}, {**_LIVE, **_KEYS}, script="reference",
        target="flowise/target.toml",
    ),
    # All users on one kernel, which shows everybody everything: ISOLATION-1 and -2.
    "jupyter-shared": Server("jupyter", 18741, "BLOCKED", {}, {"JUPYTER_TOKEN": _JUPYTER_TOKEN}),
    "ai-sdk": Server("ai-sdk", 18761, "APPROVED", _LIVE, _LIVE, script="reference", target="ai-sdk/target.toml"),
    "ag-ui-sse": Server(
        "ag-ui-sse", 18762, "APPROVED", _LIVE, _LIVE, script="reference", target="ag-ui-sse/target.toml"
    ),
}  # fmt: skip


def prepare(server: Server, servers: Path | None, work: Path) -> Path:
    """The server's folder in `work`, with its environment."""
    folder = work / server.folder
    if any((HERE / server.folder / lock).exists() for lock in _LOCKS):
        shutil.copytree(HERE / server.folder, folder, dirs_exist_ok=True)
        return _installed(server, folder)
    if servers is None:
        raise SystemExit(
            f"{server.folder} is in none of the folders beside {Path(__file__).name}: name one by --servers"
        )
    for name in (server.folder, "_stub_llm", "_lib"):
        shutil.copytree(servers / name, work / name, dirs_exist_ok=True)
    for path in (*folder.rglob("*"), folder, *(work / "_stub_llm").rglob("*"), work / "_stub_llm"):
        path.chmod(path.stat().st_mode | 0o200)
    return _installed(server, folder)


def _installed(server: Server, folder: Path) -> Path:
    ready = folder / ".ready"
    if not ready.exists():
        _say(f"{server.folder}: installing")
        if (folder / "install.sh").exists():
            subprocess.run(["bash", "install.sh"], cwd=folder, check=True)
        elif (folder / "package-lock.json").exists():
            subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
        else:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder / "venv")], check=True)
            pip = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--no-deps", "-r"]
            subprocess.run([*pip, str(folder / "requirements.lock")], check=True)
        ready.touch()
    if server.make and not (folder / "team.json").exists():
        subprocess.run([str(folder / "venv/bin/python"), server.make], cwd=folder, check=True)
    return folder


@contextmanager
def running(command: list[str], folder: Path, port: int, environ: Mapping[str, str]) -> Iterator[None]:
    """A process and its children, from when its port answers until it has ended."""
    env = {**os.environ, **environ}
    process = subprocess.Popen(command, cwd=folder, env=env, start_new_session=True)
    try:
        _wait_for(port, process)
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(_STOP_S)
                break
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode} before it listened on port {port}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2):
                return
        except urllib.error.HTTPError:
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit(f"nothing listens on port {port} after {_START_S:g} s")


def _kernel(port: int) -> str:
    """Makes one kernel, for all to share."""
    headers = {"Authorization": f"token {_JUPYTER_TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/kernels", b'{"name":"python3"}', headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return str(msgspec.json.decode(response.read())["id"])


def judge(name: str, servers: Path | None, work: Path, extra: list[str]) -> bool:
    """Judges one server; whether the verdict is what is expected of it."""
    server = SERVERS[name]
    folder = prepare(server, servers, work)
    reports = work / "reports" / name
    reports.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if server.model:
            stub = [sys.executable, "stub.py", str(_MODEL_PORT)]
            stack.enter_context(running(stub, work / "_stub_llm", _MODEL_PORT, {}))
        if server.script:
            served = [sys.executable, "-m", "greenlight_gate.cli.main", "model", "--port", str(_MODEL_PORT), "--script"]
            script = str(HERE / server.script) if server.script.endswith(".toml") else server.script
            stack.enter_context(running([*served, script], work, _MODEL_PORT, {}))
        stack.enter_context(running(["bash", "start.sh"], folder, server.port, server.environ))
        environ = {**os.environ, **server.judged_with}
        if name == "jupyter-shared":
            environ["JUPYTER_KERNEL_ID"] = _kernel(server.port)
        target = str(HERE / server.target if server.target else EXAMPLES / f"{name}.toml")
        with (reports / "doctor.txt").open("w") as said:
            doctor = ["greenlight", "doctor", "--environment", target, "--record", str(reports / "doctor.jsonl")]
            subprocess.run(doctor, env=environ, stdout=said, stderr=subprocess.STDOUT, check=False)
        command = ["greenlight", "run", "--environment", target, "--output-dir", str(reports), *extra]
        command += ["--categories", "functional"] if server.fails else []
        _say(" ".join(command))
        code = subprocess.run(command, env=environ, check=False).returncode
    verdict = {0: "APPROVED", 1: "BLOCKED", 2: "INCONCLUSIVE"}.get(code, f"exit code {code}")
    _say(f"{name}: {verdict}, expected {server.verdict}; report in {reports}")
    return verdict == server.verdict and (not server.fails or _has_failed(reports, _FAILS))


def _has_failed(reports: Path, scenario: str) -> bool:
    """Whether a scenario has failed in the latest session."""
    latest = max(reports.glob("validation_session_*"), key=lambda path: path.stat().st_mtime)
    cases = ElementTree.parse(latest / "junit.xml").iter("testcase")
    failed = any(case.get("name") == scenario and case.find("failure") is not None for case in cases)
    _say(f"{scenario}: {'failed, as it must' if failed else 'it has not failed'}")
    return failed


def _say(text: str) -> None:
    print(f"== {text}", flush=True)


def main() -> int:
    """Judges the servers that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[], choices=[*SERVERS, []], metavar="NAME", help=", ".join(SERVERS))
    parser.add_argument("--servers", type=Path, help="a further folder with a folder for each server")
    parser.add_argument("--work", type=Path, required=True, help="where environments and reports are kept")
    options, extra = parser.parse_known_args()
    options.work.mkdir(parents=True, exist_ok=True)
    results = [judge(name, options.servers, options.work.resolve(), extra) for name in options.names or SERVERS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
