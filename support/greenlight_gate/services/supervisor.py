"""Starts programs that outlive the command, finds them again, and stops them."""

import contextlib
import os
import pwd
import random
import socket
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from greenlight_gate.services.stack_folder import Folder, process_of
from greenlight_gate.targets.errors import Misconfigured

_END_WITHIN_S = 5.0
_SERVICE_PORTS = range(10_000, 32_768)
_MOST_PORTS_TRIED = 200


@dataclass(frozen=True)
class Program:
    """A program to run. `stdin`: for secrets that must not appear in the list of processes."""

    name: str
    argv: Sequence[str]
    port: int
    env: Mapping[str, str]
    user: str | None = None
    stdin: str = ""
    end_signal: int = 15
    cwd: Path = Path("/")


@dataclass(frozen=True)
class ServiceStatus:
    """One line of the status table. `who`: "pid 12" or a container; `memory_mb`: 10^6 bytes."""

    service: str
    who: str = ""
    port: int | None = None
    health: str = "not running"
    memory_mb: float | None = None
    uptime_s: float | None = None

    @property
    def up(self) -> bool:
        """Whether it runs and is healthy."""
        return self.health == "healthy"


class Supervisor:
    """The programs of one folder. Each is in the folder's record before the supervisor waits for it."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def start(self, program: Program) -> None:
        """Starts a program in the background. Raises Misconfigured if that fails."""
        log = self.folder.log(program.name)
        options: dict[str, Any] = {}
        if program.user is not None:
            entry = pwd.getpwnam(program.user)
            options = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        try:
            with log.open("ab") as out:
                process = subprocess.Popen(
                    list(program.argv), stdin=subprocess.PIPE if program.stdin else subprocess.DEVNULL, stdout=out,
                    stderr=subprocess.STDOUT, env=dict(program.env), start_new_session=True, cwd=program.cwd, **options,
                )  # fmt: skip
        except OSError as error:
            raise Misconfigured(f"services: {program.name} could not be started: {error}") from error
        if program.stdin:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it has ended already; its log says why
                process.stdin.write(program.stdin.encode())
                process.stdin.close()
        # It outlives this object, and is found again by its pid.
        process.returncode = 0
        self._note(program, process.pid)

    def _note(self, program: Program, pid: int) -> None:
        try:
            created = psutil.Process(pid).create_time()
        except psutil.Error:
            created = time.time()
        record = self.folder.read()
        record.setdefault("programs", {})[program.name] = {
            "pid": pid, "created": created, "port": program.port, "signal": program.end_signal
        }  # fmt: skip
        self.folder.write(record)

    def process(self, name: str) -> psutil.Process | None:
        """The process of a service, if it runs."""
        return process_of(self.folder.read().get("programs", {}).get(name, {}))

    def running(self) -> list[str]:
        """The names of the services that run, in the order of their start."""
        return [name for name, record in self.folder.read().get("programs", {}).items() if process_of(record)]

    def end(self, name: str, *, kill: bool = False) -> bool:
        """Stops a service, and kills it after a timeout or if `kill`; returns whether it was running."""
        process = self.process(name)
        if process is None:
            return False
        family = [process, *_children(process)]
        with contextlib.suppress(psutil.NoSuchProcess):
            if kill:
                process.kill()
            else:
                process.send_signal(self.folder.read()["programs"][name]["signal"])
        _reap(process, 0.0 if kill else _END_WITHIN_S)
        for left in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                if left.is_running():
                    left.kill()
        _reap(process, _END_WITHIN_S)
        return True

    def said_last(self, name: str) -> str:
        """The last line of a service's log."""
        try:
            lines = self.folder.log(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][:300] if lines else ""


def free_port(besides: Collection[int] = ()) -> int:
    """A free port that is none of `besides`. Raises Misconfigured if none is found.

    It is below the ports that systems give to clients (32768 to 60999 on Linux, above 49152 elsewhere), so that no
    connection takes it before the service does.
    """
    for port in random.sample(_SERVICE_PORTS, _MOST_PORTS_TRIED):
        with contextlib.suppress(Misconfigured):
            if port not in besides:
                return usable_port(port)
    raise Misconfigured(f"services: no free port below {_SERVICE_PORTS.stop}: give one with --port")


def usable_port(port: int, host: str = "127.0.0.1") -> int:
    """The port. Raises Misconfigured if it is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Misconfigured(
                f"services: port {port} cannot be used ({error.strerror}): give another one with --port, or none"
            ) from error
    return port


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _reap(process: psutil.Process, timeout_s: float) -> None:
    """Waits for the end of a process, which need not be a child."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
        if _gone(process) or time.monotonic() >= deadline_s:
            return
        time.sleep(0.02)


def _gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
