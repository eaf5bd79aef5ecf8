"""greenlight history: its options."""

from typing import Any

from support.options.common import command_of, output, positive


def add(commands: Any) -> None:
    """Adds the command."""
    history = command_of(
        commands, "history", "past sessions, their trend, and what is new, fixed and still there",
        "greenlight history --environment staging --last 10",
    )  # fmt: skip
    history.add_argument(
        "--environment", metavar="NAME", help="one target only, by its name (example: --environment embedded)"
    )
    history.add_argument(
        "--last", type=positive(int), default=20, metavar="N", help="so many sessions (default: 20; example: --last 5)"
    )
    output(history)
