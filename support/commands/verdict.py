"""greenlight verdict: judges an evidence folder again, offline."""

import argparse
from functools import partial
from pathlib import Path

from support.commands.own_fault import OwnFaults
from support.commands.show import conclude, ended, show_verdict
from support.commands.terminal import Terminal
from support.report.evidence import LOAD_FOLDER, VALIDATION_FOLDER
from support.settings import Misconfigured


def verdict(options: argparse.Namespace) -> int:
    """Judges the given session, or the newest one. Raises Misconfigured if there is none."""
    folder, console = options.session or newest(options.output_dir), Terminal(stderr=options.ci_mode)
    faults = OwnFaults(folder, console)
    judgement = conclude(
        folder, console, faults, partial(show_verdict, folder=folder, console=console, verbose=options.verbose)
    )
    return ended(judgement, folder, options, faults)


def newest(output_dir: Path) -> Path:
    """The validation session that was begun last; never a load, which approves no release.

    Raises Misconfigured if there is none.
    """
    sessions = [path for path in output_dir.glob(f"{VALIDATION_FOLDER}_*") if path.is_dir()]
    if not sessions:
        loads = any(output_dir.glob(f"{LOAD_FOLDER}_*"))
        more = f"; a load is judged again by its folder, {output_dir / LOAD_FOLDER}_..." if loads else ""
        raise Misconfigured(f"{output_dir}: holds no validation session; run `behave` or `greenlight run` first{more}")
    return max(sessions, key=_order)


def _order(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in path.name.removeprefix(f"{VALIDATION_FOLDER}_").split("-") if part.isdecimal())
