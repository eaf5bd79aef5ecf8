"""The folder for the Allure results of a run: two runs in one folder would destroy each other's results."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such lock: two runs in one folder are not detected there
    fcntl = None  # type: ignore[assignment]

_LOCK = ".lock"


@contextlib.contextmanager
def claimed(shared: Path, own: Path) -> Iterator[Path]:
    """The shared folder unless another run uses it, else one of the session. Raises OSError if neither can be made."""
    shared.mkdir(parents=True, exist_ok=True)
    with (shared / _LOCK).open("wb") as lock:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                own.mkdir(parents=True, exist_ok=True)
                yield own
                return
        yield shared
