"""What a command prints on stdout for programs, and nothing else then, whatever came of it.

That is the four lines of `--ci-mode`, or the objects of `--format json-lines`.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

from greenlight_gate.cli.options import JSON_LINES
from greenlight_gate.findings import printable


def print_unjudged(options: argparse.Namespace, result: str, reason: str) -> None:
    """Prints that nothing was judged, and why, if stdout is for a program. `result`: a verdict, or MISCONFIGURED."""
    if getattr(options, "ci_mode", False):
        print_ci_lines(result, reason)
    elif getattr(options, "format", None) == JSON_LINES:
        from greenlight_gate.report.json_lines import unjudged  # noqa: PLC0415 -- most commands need not import it

        print_json_lines([unjudged(result, reason)])


def print_ci_lines(result: str, reason: str, report: Path | None = None, scope: str = "none") -> None:
    """Prints the lines. `result`: a verdict, or MISCONFIGURED; `report`: the JSON report, if there is one."""
    said = printable(" ".join(reason.split()))
    print(
        f"VALIDATION_RESULT={result}\nFAILURE_REASON={said}\nREPORT={report or ''}\nSCOPE={printable(scope)}",
        flush=True,
    )


def print_json_lines(lines: Iterable[str]) -> None:
    """Prints each object as a line."""
    for line in lines:
        print(line)
