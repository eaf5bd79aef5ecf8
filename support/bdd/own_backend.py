"""The backend that the suite starts itself: it can be restarted, or killed, and comes back at the same address."""

import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from support.backend.launch import BackendFailed, BackendProcess

_START_S = 15.0
log = logging.getLogger("greenlight")


class OwnBackend:
    """One backend with its data, as one process after the other. Call `put_away` at the end, whatever happened.

    `is_away`: from the moment when it is ended until it is ready again.
    """

    def __init__(self, defects: Sequence[str], environ: Mapping[str, str]) -> None:
        self.process: BackendProcess | None = None
        self.is_away = False
        self._defects = defects
        self._environ = environ
        self._data = Path(tempfile.mkdtemp(prefix="greenlight-backend-"))

    def start(self) -> BackendProcess:
        """Starts it, at the port that it had before. Raises BackendFailed, also where somebody took that port."""
        port = urlsplit(self.process.url).port or 0 if self.process is not None else 0
        self.process = BackendProcess.start(
            self._defects, env=self._environ, port=port, timeout_s=_START_S, data=self._data
        )
        self.is_away = False
        log.info("backend started: %s (pid %s)", self.process.url, self.process.pid)
        return self.process

    def stop(self, *, kill: bool) -> None:
        """Ends the process: asks it to (SIGTERM), or kills it (SIGKILL)."""
        if self.process is not None:
            self.is_away = True
            self.process.stop(0 if kill else 2)
            log.info("backend %s: pid %s", "killed" if kill else "stopped", self.process.pid)

    def put_away(self) -> None:
        """Ends the process and removes its data."""
        if self.process is not None:
            self.process.stop()
        shutil.rmtree(self._data, ignore_errors=True)


__all__ = ["BackendFailed", "OwnBackend"]
