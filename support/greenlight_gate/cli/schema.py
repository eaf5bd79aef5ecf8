"""greenlight schema: the JSON schemas of the files of a session."""

import argparse
import json
from typing import Any

from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import command_of
from greenlight_gate.report.schemas import schemas
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.targets.suggestions import nearest_first


def add(commands: Any) -> None:
    """Adds the command."""
    schema = command_of(
        commands, "schema", SUMMARIES["schema"],
        "greenlight schema comprehensive_validation_report.json",
        "exit codes: 0 printed, 3 misconfigured",
    )  # fmt: skip
    schema.add_argument(
        "file", nargs="?", default="", metavar="FILE",
        help="a file of the session folder (default: all; example: greenlight schema monitoring/failure_patterns.json)",
    )  # fmt: skip


def schema(options: argparse.Namespace) -> int:
    """Prints one schema, or all of them by the names of their files. Raises Misconfigured for an unknown file."""
    known = schemas()
    if options.file and options.file not in known:
        names = ", ".join(nearest_first(options.file, list(known)))
        raise Misconfigured(f"there is no schema of {options.file!r}: expected one of {names}")
    print(json.dumps(known[options.file] if options.file else known, indent=2))
    return 0
