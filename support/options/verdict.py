"""greenlight verdict: its options."""

from pathlib import Path
from typing import Any

from support.options.common import command_of, how_shown, output


def add(commands: Any) -> None:
    """Adds the command."""
    verdict = command_of(
        commands, "verdict", "judge an evidence folder again, offline",
        "greenlight verdict websocket_validation_reports/validation_session_1694123456",
    )  # fmt: skip
    verdict.add_argument(
        "session", nargs="?", type=Path, metavar="SESSION",
        help="a session folder (default: the newest one in --output-dir)",
    )  # fmt: skip
    output(verdict)
    how_shown(verdict, "verdict")
