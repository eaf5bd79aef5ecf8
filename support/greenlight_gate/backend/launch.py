"""Starts the backend as a process, and always ends it; needs only the standard library."""

import contextlib
import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

_ROOT = Path(__file__).resolve().parents[2]
_TAIL_BYTES = 4_000


def promises_before(defects: Sequence[str]) -> tuple[str, ...]:
    """What a profile has to promise before these defects (`NAME` or `NAME=VALUE`) break anything."""
    from greenlight_gate.backend.defects import REGISTRY  # noqa: PLC0415 -- it needs more than the standard library

    names = (each.partition("=")[0].strip() for each in defects)
    return tuple(REGISTRY[name].promise for name in names if name in REGISTRY and REGISTRY[name].promise)


class BackendFailed(Exception):
    """The backend did not start; one line says why.

    `exit_code` is that of the process (3: a mistake of the user), None if it had to be killed.
    """

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class BackendProcess:
    """A running backend: `url` of the WebSocket, `http_url` without a path, and the process id `pid`."""

    def __init__(self, process: "subprocess.Popen[bytes]", errors: IO[bytes], ready: Mapping[str, object]) -> None:
        self.url = str(ready["url"])
        self.http_url = str(ready["http"])
        self.pid = process.pid
        self._process = process
        self._errors = errors
        self._tail = ""

    @classmethod
    def start(
        cls,
        defects: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        timeout_s: float = 30,
        *,
        data: Path | None = None,
        admin_token_env: str = "",
    ) -> "BackendProcess":
        """Start a backend and wait until it is ready.

        `defects` are `NAME` or `NAME=VALUE`; `env` is added to this process's environment; without `data` the
        backend deletes everything at its end. `admin_token_env` names the variable with the token of the admin
        call, which is disabled without it. Raises BackendFailed when it is not ready within `timeout_s`.
        """
        command = [
            sys.executable,
            "-m",
            "greenlight_gate.backend",
            "--host",
            host,
            "--port",
            str(port),
            "--die-with-parent",
        ]
        command += [argument for defect in defects for argument in ("--defect", defect)]
        command += ["--data", str(data)] if data else []
        command += ["--admin-token-env", admin_token_env] if admin_token_env else []
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        try:
            # A session of its own: Ctrl-C on the terminal reaches only the suite, which then stops the backend.
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=_environment(env),
                start_new_session=True,
            )
        except OSError as error:
            errors.close()
            raise BackendFailed(f"the backend could not be started: {error}") from None
        try:
            return cls(process, errors, _ready_line(process, errors, timeout_s))
        except BaseException:
            _end(process, timeout_s=0)
            errors.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll()

    def stderr_tail(self) -> str:
        """Return the last part of the backend's standard error."""
        return self._tail if self._errors.closed else _read_tail(self._errors)

    def stop(self, timeout_s: float = 10) -> None:
        """Ask the backend to end, and kill it after `timeout_s`; may be called again."""
        _end(self._process, timeout_s)
        if not self._errors.closed:
            self._tail = _read_tail(self._errors)
            self._errors.close()

    def __enter__(self) -> "BackendProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    # The package is found from any working directory.
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path, **(extra or {})}


def _ready_line(process: "subprocess.Popen[bytes]", errors: IO[bytes], timeout_s: float) -> dict[str, object]:
    assert process.stdout is not None
    deadline_s = time.monotonic() + timeout_s
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, deadline_s - time.monotonic())):
                raise BackendFailed(f"the backend was not ready within {timeout_s:g} s{_said(errors)}")
            chunk = os.read(process.stdout.fileno(), 4_096)
            if not chunk:
                exit_code = process.wait()
                raise BackendFailed(f"the backend ended with exit code {exit_code}{_said(errors)}", exit_code)
            line += chunk
    ready: dict[str, object] = json.loads(line)
    return ready


def _said(errors: IO[bytes]) -> str:
    lines = _read_tail(errors).strip().splitlines()
    return f": {lines[-1]}" if lines else ""


def _read_tail(errors: IO[bytes]) -> str:
    size = os.fstat(errors.fileno()).st_size
    # Read at a position: the child writes through the same open file, whose position must not change.
    return os.pread(errors.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES)).decode(errors="replace")


def _end(process: "subprocess.Popen[bytes]", timeout_s: float) -> None:
    if process.poll() is None:
        if timeout_s > 0:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout_s)
        if process.poll() is None:
            process.kill()
            process.wait()
            # A killed process did not remove its files.
            for left in Path(tempfile.gettempdir()).glob(f"reference-chat-{process.pid}-*"):
                shutil.rmtree(left, ignore_errors=True)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
