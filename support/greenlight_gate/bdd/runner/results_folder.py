"""Which folder a run may write Allure's results to: two runs in one would destroy each other's."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such lock, and there two runs in one folder are not told apart
    fcntl = None  # type: ignore[assignment]

_LOCK = ".lock"


@contextlib.contextmanager
def claimed(shared: Path, own: Path) -> Iterator[Path]:
    """The shared folder while no other run uses it, else the session's own. Raises OSError if neither can be made."""
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
