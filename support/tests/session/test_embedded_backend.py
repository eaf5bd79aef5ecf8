"""The backend of the suite: it comes back where it was, with what it knew, or it is said why not."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.session.command_backend import CommandProcess
from greenlight_gate.session.embedded_backend import BackendFailed, StartedBackend
from greenlight_gate.targets.settings import Misconfigured, load_target

from support.tests.backend.users import ENVIRONMENT, eventually, tab
from support.tests.cli.process import ROOT, judged


@pytest.fixture
def own() -> Iterator[StartedBackend]:
    backend = StartedBackend.embedded((), ENVIRONMENT)
    try:
        yield backend
    finally:
        backend.tear_down()


@pytest.mark.parametrize("kill", [False, True])
def test_comes_back_where_it_was_and_knows_old_conversations(own: StartedBackend, kill: bool) -> None:
    own.start()
    before = own.process
    assert isinstance(before, BackendProcess)
    with tab(before.url) as ada:
        thread = ada.run("What is 17*23?")[0]["thread_id"]
    own.stop(kill=kill)
    assert own.is_away
    assert before.exit_code == (-9 if kill else 0)
    if kill:
        # Somebody took its port meanwhile.
        with (
            socket.create_server(("127.0.0.1", urlsplit(before.url).port or 0)),
            pytest.raises(BackendFailed, match=r"cannot serve on .*: Address already in use"),
        ):
            own.start()
    own.start()
    asyncio.run(own.wait_until_up(load_target("embedded", {}).at(own.url)))
    assert not own.is_away
    assert own.process is not None
    assert (own.url, own.process.pid != before.pid) == (before.url, True)
    with tab(own.url) as ada:
        assert "17*23" in ada.run("And what was my previous question?", thread_id=thread)[-1]["payload"]["result"]
    _leaves_nothing_behind(own)


def _leaves_nothing_behind(own: StartedBackend) -> None:
    data = own._data
    assert data is not None
    assert (data / "chat.sqlite3").exists()
    own.tear_down()
    own.tear_down()
    assert not data.exists()
    assert own.process is not None
    assert not own.process.alive


# A backend that is somebody else's: the suite knows its command, and nothing of how it is made.
LOCAL = """
name = "local"
start = "command"
command = [{command}]
url = "ws://127.0.0.1:{port}/ws"
clock = "same-host"
prompts = "reference"
[auth]
obtain = "mint"
send = "bearer"
secret_env = "CHAT_JWT_SECRET"
audience = "chat"
[capabilities]
{capabilities}
"""


def local(folder: Path, *command: str, capabilities: str = "") -> Path:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listed = ", ".join(repr(part.replace("PORT", str(port))) for part in command)
    path = folder / "local.toml"
    path.write_text(LOCAL.format(command=listed, port=port, capabilities=capabilities), encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_local_backend_is_restarted_and_killed_by_its_command(tmp_path: Path) -> None:
    local(tmp_path, sys.executable, "-m", "greenlight_gate.backend", "--port", "PORT", "--data", "chat-data")
    ran = judged(
        tmp_path, "--environment", "local.toml", "--categories", "resilience", "--tags", "@backend_restarts",
        env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (ran.code, ran.verdict, ran.rules) == (0, "APPROVED", set()), ran.out + ran.err
    log = (ran.session / "validation_execution.log").read_text("utf-8")
    assert (log.count("backend stopped"), log.count("backend killed")) == (1, 1)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["no-such-program"], "command 'no-such-program' cannot be started: No such file or directory"),
        ([sys.executable, "-c", "print('no licence')"], "the backend ended before it was ready: no licence"),
    ],
)
def test_a_command_that_does_not_work_is_a_mistake_that_is_explained(
    tmp_path: Path, command: list[str], said: str
) -> None:
    local(tmp_path, *command)
    ran = judged(tmp_path, "--environment", "local.toml")
    assert ran.code == 3, ran.out + ran.err
    assert ran.err.strip().splitlines()[-1].endswith(f"local: {said}")


def test_a_command_ends_with_its_children(tmp_path: Path) -> None:
    script = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)']); "
    process = CommandProcess.start([sys.executable, "-c", f"{script} time.sleep(99)"], os.environ, tmp_path)
    try:
        assert process.alive
        process.stop(0)
    finally:
        process.stop(0)
    assert not process.alive

    def gone() -> bool:
        try:
            os.killpg(process.pid, signal.SIGCONT)
        except ProcessLookupError:
            return True
        return False

    assert eventually(gone)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('start = "command"', "command: expected a command exactly where start = \"command\", but start is 'command'"),
        ('command = ["serve"]', "command: expected a command exactly where start = \"command\", but start is 'none'"),
        ('start = "command"\ncommand = ["serve"]\nhealth = ""', "health: expected a path to ask whether the command"),
    ],
)
def test_a_command_stands_where_it_is_meant(tmp_path: Path, line: str, complaint: str) -> None:
    path = local(tmp_path, "serve")
    text = path.read_text("utf-8").replace("start = \"command\"\ncommand = ['serve']\n", f"{line}\n")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Misconfigured) as mistake:
        load_target(str(path), {})
    assert complaint in str(mistake.value)
