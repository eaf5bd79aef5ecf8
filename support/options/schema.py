"""greenlight schema: its options."""

from typing import Any

from support.options.common import command_of


def add(commands: Any) -> None:
    """Adds the command."""
    schema = command_of(
        commands, "schema", "print the JSON schemas of the report and the monitoring files",
        "greenlight schema comprehensive_validation_report.json",
    )  # fmt: skip
    schema.add_argument(
        "file", nargs="?", default="", metavar="FILE",
        help="a file of the session folder (default: all; example: greenlight schema monitoring/failure_patterns.json)",
    )  # fmt: skip
