"""Data of backends whose run was killed: the next run removes it."""

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such lock: there the system removes temporary files
    fcntl = None  # type: ignore[assignment]

PREFIX = "greenlight-backend-"
# Longer than any run in which a backend may be restarted.
_AGE_S = 24 * 3600.0


def data_folder() -> Path:
    """A new folder for a backend's data. Folders of runs that were killed a day ago or more are removed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # Another account's, or removed meanwhile.
        with contextlib.suppress(OSError):
            _remove_if_left(folder)
    return Path(tempfile.mkdtemp(prefix=PREFIX))


def _remove_if_left(folder: Path) -> None:
    path = folder / "lock"
    if fcntl is None or time.time() - path.stat().st_mtime < _AGE_S:
        return
    with path.open("r+") as lock:
        # A running backend holds the lock: then this raises.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
