"""The stack as users start it: by command, with real PostgreSQL and Redis."""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from greenlight_gate.services.programs import postgres_folder, redis_program
from greenlight_gate.services.stack import SERVICES
from greenlight_gate.services.stack_folder import FOLDER_VARIABLE, Folder, process_of
from greenlight_gate.targets.settings import Misconfigured

from support.tests.cli.process import Ran, ended, greenlight, said, started, wait_for
from support.tests.needs import skip_without_program

COMPOSE = Path(__file__).resolve().parents[2] / "greenlight_gate" / "services" / "compose.yaml"


def services(cwd: Path, folder: Path, *arguments: str, env: dict[str, str] | None = None, fresh: bool = False) -> Ran:
    return greenlight(cwd, "services", *arguments, env={FOLDER_VARIABLE: str(folder), **(env or {})}, fresh=fresh)


def running(folder: Path) -> list[str]:
    programs = Folder(folder).read().get("programs", {})
    return [name for name, record in programs.items() if process_of(record)]


@contextmanager
def a_taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_the_verbs_from_start_to_clean(tmp_path: Path, services_dir: Path) -> None:
    before = services(tmp_path, services_dir, "status")
    assert (before.code, before.out.count("not running")) == (1, len(SERVICES))

    up = services(tmp_path, services_dir, "start", "--runtime", "processes")
    assert up.code == 0, up.err
    assert up.out.count("healthy") == len(SERVICES)
    assert running(services_dir) == list(SERVICES)
    pids = {name: record["pid"] for name, record in Folder(services_dir).read()["programs"].items()}

    again = services(tmp_path, services_dir, "start")
    assert "already running" in again.out
    assert {name: record["pid"] for name, record in Folder(services_dir).read()["programs"].items()} == pids

    assert services(tmp_path, services_dir, "restart", "redis").code == 0
    after = {name: record["pid"] for name, record in Folder(services_dir).read()["programs"].items()}
    assert [name for name in SERVICES if after[name] != pids[name]] == ["redis"]

    logs = services(tmp_path, services_dir, "logs", "postgres", "--lines", "1")
    assert logs.out.startswith("postgres ")
    assert services(tmp_path, services_dir, "status").code == 0

    assert services(tmp_path, services_dir, "stop").out.startswith("stopped: postgres, redis")
    assert running(services_dir) == []
    assert services(tmp_path, services_dir, "clean").code == 3
    assert services(tmp_path, services_dir, "clean", "--yes").code == 0
    assert not services_dir.exists()


def test_passwords_are_for_their_owner_only(tmp_path: Path, services_dir: Path) -> None:
    up = services(tmp_path, services_dir, "start")
    record = services_dir / "started.json"
    kept = json.loads(record.read_text(encoding="utf-8"))["secrets"]
    assert record.stat().st_mode & 0o077 == 0
    shown = up.out + up.err + "".join(log.read_text(errors="replace") for log in (services_dir / "logs").iterdir())
    arguments = " ".join(
        " ".join(psutil.Process(each["pid"]).cmdline()) for each in Folder(services_dir).read()["programs"].values()
    )
    assert [name for name, secret in kept.items() if secret in shown or secret in arguments] == []


def test_what_a_killed_start_has_left_is_ended_by_the_next_one(tmp_path: Path, services_dir: Path) -> None:
    with started(tmp_path, "services", "start", env={FOLDER_VARIABLE: str(services_dir)}) as process:
        wait_for(lambda: "redis" in running(services_dir), "redis")
        process.send_signal(signal.SIGKILL)
        process.wait()
    left = {name: record["pid"] for name, record in Folder(services_dir).read()["programs"].items()}
    assert services(tmp_path, services_dir, "start").code == 0
    assert running(services_dir) == list(SERVICES)
    assert [pid for pid in left.values() if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"] == []


def test_an_interrupted_start_leaves_nothing_running(tmp_path: Path, services_dir: Path) -> None:
    with started(tmp_path, "services", "start", env={FOLDER_VARIABLE: str(services_dir)}) as process:
        wait_for(lambda: "auth" in running(services_dir), "auth")
        process.send_signal(signal.SIGINT)
        assert ended(process, tmp_path).code == 130
    assert running(services_dir) == []


def test_a_service_that_cannot_start_takes_the_others_with_it_and_says_why(tmp_path: Path, services_dir: Path) -> None:
    failed = services(tmp_path, services_dir, "start", "--defect", "no_such_defect")
    assert failed.code == 3
    assert failed.err.count("\n") == 1
    assert "has ended: greenlight_gate.backend: there is no defect called 'no_such_defect'" in failed.err
    assert running(services_dir) == []


def test_two_starts_at_once(tmp_path: Path, services_dir: Path) -> None:
    with (services_dir / "lock").open("w", encoding="ascii") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = services(tmp_path, services_dir, "start")
    assert refused.code == 3
    assert "another `greenlight` (pid 4711) is starting or stopping them: wait for it" in refused.err


def test_a_port_that_is_taken(tmp_path: Path, services_dir: Path) -> None:
    with a_taken_port() as port:
        refused = services(tmp_path, services_dir, "start", "--port", str(port))
    assert refused.code == 3
    assert f"port {port} cannot be used" in refused.err
    assert "another one with --port" in refused.err
    assert running(services_dir) == []


def test_data_of_another_version(tmp_path: Path, services_dir: Path) -> None:
    data = services_dir / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("9\n", encoding="ascii")
    Folder(services_dir).write({"secrets": {"postgres": "word"}})
    refused = services(tmp_path, services_dir, "start")
    assert refused.code == 3
    assert "was made by PostgreSQL 9, but PostgreSQL" in refused.err
    assert "`greenlight services clean` removes it" in refused.err


def test_neither_postgresql_nor_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("greenlight_gate.services.programs._POSTGRES_PLACES", ())
    with pytest.raises(Misconfigured, match=r"PostgreSQL was not found .*install it from the distribution's packages"):
        postgres_folder()
    monkeypatch.setattr("greenlight_gate.services.programs._REDIS", ("no-such-redis",))
    with pytest.raises(Misconfigured, match="neither Redis nor Valkey was found"):
        redis_program()


def test_docker_without_an_engine_or_no_docker(tmp_path: Path, services_dir: Path) -> None:
    env = {"PATH": str(tmp_path), "DOCKER_HOST": "unix:///nowhere"}
    refused = services(tmp_path, services_dir, "start", "--runtime", "docker", env=env)
    assert refused.code == 3
    assert "docker was not found: install Docker Engine 20.10 or newer, or use --runtime processes" in refused.err
    fake = tmp_path / "docker"
    fake.write_text('#!/bin/sh\n[ "$1" = compose ] && exit 0\nexit 1\n', encoding="ascii")
    fake.chmod(0o755)
    refused = services(tmp_path, services_dir, "start", "--runtime", "docker", env={**env, "PATH": f"{tmp_path}:/bin"})
    assert refused.code == 3
    assert "its engine does not answer: start it" in refused.err


def test_unknown_services_and_targets_without_any(tmp_path: Path, services_dir: Path) -> None:
    unknown = services(tmp_path, services_dir, "restart", "postgress")
    assert (unknown.code, "expected any of postgres, redis" in unknown.err) == (3, True)
    nothing = services(tmp_path, services_dir, "restart")
    assert (nothing.code, "none are running" in nothing.err) == (3, True)
    embedded = services(tmp_path, services_dir, "start", "--environment", "embedded")
    assert (embedded.code, "embedded has none that could be started" in embedded.err) == (3, True)


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="ascii")
    refused = services(tmp_path, tmp_path / "file", "start")
    assert refused.code == 3
    assert f"another one in {FOLDER_VARIABLE}" in refused.err
    assert said(tmp_path)[1].count("\n") == 1


def test_a_command_of_ones_own_gets_the_same_verbs(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    target = tmp_path / "mine.toml"
    target.write_text(
        f'name = "mine"\nstart = "command"\ncommand = ["{sys.executable}", "-m", "http.server", "{port}", "--bind", '
        f'"127.0.0.1"]\nurl = "ws://127.0.0.1:{port}/"\nhealth = "/"\n[prompts.with_tool]\nask = "What is 1+1?"\n'
        'tools = ["calculator"]\n[auth]\nobtain = "none"\nsend = "none"\n',
        encoding="utf-8",
    )
    mine = ("--environment", str(target))
    assert services(tmp_path, tmp_path / "state", "start", *mine, fresh=True).code == 0
    status = services(tmp_path, tmp_path / "state", "status", *mine, fresh=True)
    assert (status.code, "healthy" in status.out) == (0, True)
    assert services(tmp_path, tmp_path / "state", "restart", *mine).code == 0
    assert "stopped: command" in services(tmp_path, tmp_path / "state", "stop", *mine).out
    assert services(tmp_path, tmp_path / "state", "status", *mine).code == 1
    assert services(tmp_path, tmp_path / "state", "clean", "--yes", *mine).code == 0


def test_docker_accepts_the_compose_file() -> None:
    command = ["docker", "compose", "-f", str(COMPOSE), "config", "--quiet"]
    if (
        shutil.which("docker") is None
        or subprocess.run([*command[:2], "version"], capture_output=True, check=False).returncode
    ):
        skip_without_program("Docker", "docker or its compose plugin is not here, so the compose file was not tried")
    words = {f"GREENLIGHT_{name}": "word" for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "USERS")}
    done = subprocess.run(command, env={**os.environ, **words}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_compose_file_has_the_services_of_the_stack() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    named = re.findall(r"^  ([a-z-]+):", text.partition("\nservices:\n")[2].partition("\nvolumes:")[0], re.MULTILINE)
    assert sorted(named) == sorted(SERVICES)
    assert re.findall(r"^\s+image: \S+:latest|^\s+image: [^:\s]+$", text, re.MULTILINE) == []
