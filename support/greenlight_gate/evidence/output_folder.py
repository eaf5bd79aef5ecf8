"""Where the reports of sessions go: a folder for each session, and its log."""

import contextlib
import logging
import time
from pathlib import Path

from greenlight_gate.evidence.session_folder import VALIDATION_FOLDER, order_of, session_folders
from greenlight_gate.targets.errors import Misconfigured

log = logging.getLogger("greenlight")


def new_session_folder(output_dir: Path, kind: str = VALIDATION_FOLDER) -> Path:
    """Makes `<kind>_<epoch seconds>[-n]` in the output folder. Raises Misconfigured if that fails."""
    keep_out_of_git(output_dir)
    # Where the clock was set back, a new session still sorts behind those that are there.
    known = [order_of(path, kind) for path in session_folders(output_dir, kind)]
    latest, *_ = max((each for each in known if each), default=(0,))
    base = f"{kind}_{max(int(time.time()), latest)}"
    for number in range(1000):
        folder = output_dir / (f"{base}-{number}" if number else base)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if output_dir.exists() and not output_dir.is_dir():
                break
            continue
        except OSError as error:
            raise Misconfigured(f"--output-dir {output_dir}: cannot be written ({error.strerror})") from error
        return folder
    raise Misconfigured(f"--output-dir {output_dir}: expected a folder, or a name for a new one")


def keep_out_of_git(output_dir: Path) -> None:
    """Makes a folder of reports, where there is none yet, which git ignores."""
    if not output_dir.exists():
        with contextlib.suppress(OSError):  # creating the session folder will report the error
            output_dir.mkdir(parents=True)
            (output_dir / ".gitignore").write_text("*\n", encoding="utf-8")


def log_to(path: Path) -> logging.Handler:
    """The execution log of a session: what happened and when, without secrets."""
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    return handler
