"""greenlight verdict: judges an evidence folder again, offline."""

import argparse
from pathlib import Path

from support.commands.own_fault import OwnFaults
from support.commands.show import conclude, ended
from support.commands.terminal import Terminal
from support.settings import Misconfigured


def verdict(options: argparse.Namespace) -> int:
    """Judges the given session, or the newest one. Raises Misconfigured if there is none."""
    folder, console = options.session or newest(options.output_dir), Terminal(stderr=options.ci_mode)
    faults = OwnFaults(folder, console)
    return ended(conclude(folder, console, options, faults), folder, options, faults)


def newest(output_dir: Path) -> Path:
    """The session folder that was begun last. Raises Misconfigured if there is none."""
    sessions = [path for path in output_dir.glob("validation_session_*") if path.is_dir()]
    if not sessions:
        raise Misconfigured(f"{output_dir}: holds no validation session; run `behave` or `greenlight run` first")
    return max(sessions, key=_order)


def _order(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in path.name.removeprefix("validation_session_").split("-") if part.isdecimal())
