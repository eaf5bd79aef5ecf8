"""The four lines of `--ci-mode`, which are all that a command prints on stdout then, whatever came of it."""

from pathlib import Path

from greenlight_gate.findings import printable


def print_ci_lines(result: str, reason: str, report: Path | None = None, scope: str = "none") -> None:
    """Prints the lines. `result`: a verdict, or MISCONFIGURED; `report`: the JSON report, if there is one."""
    said = printable(" ".join(reason.split()))
    print(
        f"VALIDATION_RESULT={result}\nFAILURE_REASON={said}\nREPORT={report or ''}\nSCOPE={printable(scope)}",
        flush=True,
    )
