"""greenlight verdict: judges an evidence folder again, offline."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import command_of, how_shown, output, positive
from greenlight_gate.cli.suite_faults import SuiteFaults
from greenlight_gate.cli.views.judgement import conclude, ended, show_verdict
from greenlight_gate.cli.views.terminal import Terminal
from greenlight_gate.evidence.session_folder import LOAD_FOLDER, VALIDATION_FOLDER
from greenlight_gate.targets.settings import Misconfigured


def add(commands: Any) -> None:
    """Adds the command."""
    verdict = command_of(
        commands, "verdict", SUMMARIES["verdict"],
        "greenlight verdict websocket_validation_reports/validation_session_1694123456",
    )  # fmt: skip
    verdict.add_argument(
        "session", nargs="?", type=Path, metavar="SESSION",
        help="a session folder (default: the newest one in --output-dir)",
    )  # fmt: skip
    verdict.add_argument(
        "--timeout", type=positive(float), default=900, metavar="SECONDS",
        help="time limit of judging; beyond it the verdict is INCONCLUSIVE (default: 900; example: --timeout 3600)",
    )  # fmt: skip
    output(verdict)
    how_shown(verdict, "verdict")


def verdict(options: argparse.Namespace) -> int:
    """Judges the given session, or the newest one. Raises Misconfigured if there is none."""
    folder, console = options.session or newest(options.output_dir), Terminal(stderr=options.ci_mode)
    faults = SuiteFaults(folder, console)
    judgement = conclude(
        folder, console, faults, partial(show_verdict, folder=folder, console=console, verbose=options.verbose),
        within_s=options.timeout,
    )  # fmt: skip
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
