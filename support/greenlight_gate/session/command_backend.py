"""A backend that a command of the target file starts: a process and its children."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from greenlight_gate.session.embedded_backend import BackendFailed

_TAIL_BYTES = 4_000


class CommandProcess:
    """A running command. It and its children are one process group, which is ended as a whole."""

    url = ""

    def __init__(self, process: "subprocess.Popen[bytes]", said: IO[bytes]) -> None:
        self.pid = process.pid
        self._process = process
        self._said = said
        self._tail = ""

    @classmethod
    def start(cls, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> "CommandProcess":
        """Starts a command in a folder. Raises BackendFailed if that fails."""
        said = tempfile.TemporaryFile()  # noqa: SIM115 -- it lives as long as the process
        try:
            process = subprocess.Popen(
                list(command), cwd=folder, env=dict(environ), stdin=subprocess.DEVNULL, stdout=said,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            said.close()
            raise BackendFailed(f"command {command[0]!r} cannot be started: {error.strerror}") from None
        return cls(process, said)

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def stderr_tail(self) -> str:
        """The end of its output."""
        if not self._said.closed:
            size = os.fstat(self._said.fileno()).st_size
            self._tail = os.pread(self._said.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES)).decode(errors="replace")
        return self._tail

    def stop(self, timeout_s: float = 10.0) -> None:
        """Asks the group to end, and kills it when the process has not after `timeout_s`."""
        if self.alive and timeout_s > 0:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
        # Its children may outlive it.
        self._signal(signal.SIGKILL)
        self._process.wait()
        self.stderr_tail()
        self._said.close()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)
