"""greenlight verdict: judges an evidence folder again, offline."""

import argparse
from pathlib import Path
from typing import Any

from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import command_of, how_shown, output
from greenlight_gate.cli.suite_faults import SuiteFaults
from greenlight_gate.cli.views.judgement import conclude, ended
from greenlight_gate.cli.views.terminal import Terminal
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
    output(verdict)
    how_shown(verdict, "verdict")


def verdict(options: argparse.Namespace) -> int:
    """Judges the given session, or the newest one. Raises Misconfigured if there is none."""
    folder, console = options.session or newest(options.output_dir), Terminal(stderr=options.ci_mode)
    faults = SuiteFaults(folder, console)
    return ended(conclude(folder, console, options, faults), folder, options, faults)


def newest(output_dir: Path) -> Path:
    """The session folder that was begun last. Raises Misconfigured if there is none."""
    sessions = [path for path in output_dir.glob("validation_session_*") if path.is_dir()]
    if not sessions:
        raise Misconfigured(f"{output_dir}: holds no validation session; run `behave` or `greenlight run` first")
    return max(sessions, key=_order)


def _order(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in path.name.removeprefix("validation_session_").split("-") if part.isdecimal())
