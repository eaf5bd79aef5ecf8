"""The folder of a stack: its data, its logs, and the record of the processes that were started."""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from greenlight_gate.targets.errors import Misconfigured

FOLDER_VARIABLE = "GREENLIGHT_SERVICES_DIR"
_RECORD = "started.json"


def default_folder(environ: "os._Environ[str] | dict[str, str]") -> Path:
    """The folder of the services: GREENLIGHT_SERVICES_DIR, else one of this user.

    For root it is /var/lib/greenlight, since PostgreSQL runs as another user, who cannot read root's home.
    """
    if named := environ.get(FOLDER_VARIABLE, ""):
        return Path(named).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/greenlight")
    state = environ.get("XDG_STATE_HOME", "") or str(Path.home() / ".local" / "state")
    return Path(state) / "greenlight"


class Folder:
    """The folder of one stack. The record holds passwords: only its owner may read it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def log(self, name: str) -> Path:
        """The log of a service."""
        return self.path / "logs" / f"{name}.log"

    def make(self) -> None:
        """Makes the folder. Raises Misconfigured if that fails."""
        try:
            self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
            (self.path / "logs").mkdir(exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Locks the folder against other commands. Raises Misconfigured if another one holds the lock."""
        self.make()
        try:
            lock = (self.path / "lock").open("a+", encoding="ascii")
        except OSError as error:
            raise self._unusable(error) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise Misconfigured(
                    f"services in {self.path}: another `greenlight` (pid {lock.read().strip() or 'unknown'}) is "
                    f"starting or stopping them: wait for it, or name another folder in {FOLDER_VARIABLE}"
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def read(self) -> dict[str, Any]:
        """The record; empty if nothing was started. Raises Misconfigured for one that cannot be read."""
        try:
            record = json.loads((self.path / _RECORD).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except NotADirectoryError as error:
            raise self._unusable(error) from error
        except (OSError, ValueError) as error:
            raise Misconfigured(
                f"{self.path / _RECORD}: expected a readable record of the services, but {error}; "
                f"`greenlight services clean` removes it"
            ) from error
        if not isinstance(record, dict):
            return {}
        kept = record.get("secrets")
        if isinstance(kept, dict) and "people" in kept:  # as a stack of before the release calls it
            kept["users"] = kept.pop("people")
        return record

    def write(self, record: dict[str, Any]) -> None:
        """Writes the record, atomically. Raises Misconfigured if the disk is full."""
        fresh = self.path / f"{_RECORD}.new"
        try:
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
                json.dump(record, file)
            fresh.replace(self.path / _RECORD)
        except OSError as error:
            raise self._unusable(error) from error

    def forget(self) -> None:
        """Removes the record."""
        (self.path / _RECORD).unlink(missing_ok=True)

    def remove(self) -> None:
        """Removes everything. Raises Misconfigured if that fails."""
        try:
            shutil.rmtree(self.path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> Misconfigured:
        return Misconfigured(
            f"services in {self.path}: expected a writable folder, but {error.strerror}; "
            f"name another one in {FOLDER_VARIABLE}"
        )


def process_of(record: dict[str, Any]) -> psutil.Process | None:
    """The process that the record names, if it still runs; the same pid may belong to another process by now."""
    try:
        process = psutil.Process(int(record["pid"]))
        same = abs(process.create_time() - float(record["created"])) < 1.0
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, KeyError, ValueError):
        return None
