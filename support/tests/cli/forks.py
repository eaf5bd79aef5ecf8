"""A process that has imported all that the commands need, and of which each command of a test is a fork.

A fork is a process like any other: it has its own exit code, signals, memory, environment and folder. It only lacks the
second of importing that `python -m greenlight_gate.cli.main` spends before it does anything.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import io
import json
import os
import select
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

# What `greenlight run` and bare `behave` import sooner or later, and most of what the other commands do.
_MODULES = (
    "greenlight_gate.cli.load", "greenlight_gate.cli.run", "greenlight_gate.cli.verdict",
    "greenlight_gate.bdd.runner.progress", "greenlight_gate.bdd.runner.suite_runner",
    "greenlight_gate.report.html_page", "greenlight_gate.report.pictures", "matplotlib.backends.backend_svg",
    "behave.__main__", "behave.formatter.null", "behave.formatter.plain", "behave.formatter.progress", "hamcrest",
    "httpx2", "jwt", "greenlight_gate.bdd.matchers.complaints", "greenlight_gate.bdd.actions.load",
    "greenlight_gate.bdd.actions.network", "greenlight_gate.bdd.actions.isolation",
    "greenlight_gate.bdd.actions.replicas", "greenlight_gate.bdd.actions.backend_restarts", "uvloop",
)  # fmt: skip
_MOST_BYTES = 1 << 20
_STATUS = struct.Struct("!i")
_starting = threading.Lock()


class Fork:
    """A command that runs, with the methods of `subprocess.Popen` that tests use."""

    def __init__(self, args: Sequence[str], status: socket.socket) -> None:
        self.args = list(args)
        self.pid = _STATUS.unpack(status.recv(_STATUS.size))[0]
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0.0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the exit code: below 0 for the signal that ended it. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            self.returncode = os.waitstatus_to_exitcode(_STATUS.unpack(self._status.recv(_STATUS.size))[0])
            self._status.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Does nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it without a warning."""
        self.send_signal(signal.SIGKILL)


def fork(command: Sequence[str], folder: Path, env: Mapping[str, str], out: IO[bytes], err: IO[bytes]) -> Fork:
    """Starts `python -m COMMAND...` in a folder, nothing on stdin: of `greenlight_gate.cli.main` or behave."""
    request = json.dumps({"command": command, "folder": str(folder), "env": dict(env)}).encode()
    status, theirs = socket.socketpair()
    with theirs:
        socket.send_fds(_server(), [request], [out.fileno(), err.fileno(), theirs.fileno()])
    return Fork(command, status)


def _server() -> socket.socket:
    with _starting:
        return _started()


@functools.cache
def _started() -> socket.socket:
    """The socket that a process takes requests from, which lives as long as this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    # Threads of a library would be lost in each fork.
    root = str(Path(__file__).resolve().parents[3])
    env = {**os.environ, "PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with theirs:
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=env, pass_fds=[theirs.fileno()])

    def end() -> None:
        ours.close()
        process.communicate()

    atexit.register(end)
    return ours


# The other side ---------------------------------------------------------------------------------------------------


def _import_all() -> None:
    for name in _MODULES:
        importlib.import_module(name)
    _draw_once()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _draw_once() -> None:
    """Fills the caches of what each page needs: its template and the fonts."""
    from greenlight_gate.report import html_page
    from matplotlib.figure import Figure

    html_page.template()
    figure = Figure()
    figure.subplots().plot([0, 1], label="drawn")
    figure.legend()
    for kind in ("png", "svg"):
        figure.savefig(io.BytesIO(), format=kind)


def _serve(requests: socket.socket) -> dict[str, Any] | None:
    """Forks for each request. Returns the request in the fork, and None once the other side has gone."""
    running: dict[int, socket.socket] = {}
    ended, wake = socket.socketpair()
    ended.setblocking(False)
    wake.setblocking(False)
    # A handler, so that it is written to `wake`.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    with selectors.DefaultSelector() as selector:
        for each in (requests, ended, sys.stdin):
            selector.register(each, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if sys.stdin in ready:
                return None
            if ended in ready:
                ended.recv(_MOST_BYTES)
                _reap(running)
            if requests in ready:
                text, (out, err, status), _, _ = socket.recv_fds(requests, _MOST_BYTES, 3)
                channel = socket.socket(fileno=status)
                pid = os.fork()
                if pid == 0:
                    break
                os.close(out)
                os.close(err)
                channel.sendall(_STATUS.pack(pid))
                running[pid] = channel
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for each in (requests, ended, wake, channel, *running.values()):
        each.close()
    for fd, number in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)):
        os.dup2(fd, number)
        os.close(fd)
    request: dict[str, Any] = json.loads(text)
    return request


def _reap(running: dict[int, socket.socket]) -> None:
    for pid in list(running):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with running.pop(pid) as channel, contextlib.suppress(BrokenPipeError):
                channel.sendall(_STATUS.pack(status))


def _run(request: dict[str, Any]) -> int:
    """What `python -m command` does in a folder."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.path[0] = request["folder"]
    module, *arguments = request["command"]
    main = importlib.import_module({"behave": "behave.__main__"}.get(module, module)).main
    return int(main(arguments))


if __name__ == "__main__":
    _import_all()
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        wanted = _serve(requests)
    if wanted is not None:
        raise SystemExit(_run(wanted))
