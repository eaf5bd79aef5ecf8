"""The matrix as lines of text, at 80 columns."""

import statistics
from collections.abc import Sequence

from greenlight_gate.assurance.proofs import PROOFS
from greenlight_gate.assurance.runner import MatrixRow

_MARKS = {"passed": "caught", "skipped": "not run"}


def line(row: MatrixRow) -> str:
    """One scenario of the matrix in one line, with the reason if it did not pass."""
    if row.defect:
        rule = PROOFS[row.defect].rule
        mark = _MARKS.get(row.status, "UNSEEN")
        shown = f"{mark:<8}{row.defect:<42}{rule:<14}{row.took_s:6.1f} s"
    else:
        mark = "ok" if row.status == "passed" else "FAILED"
        shown = f"{mark:<8}{row.name:<56.56}{row.took_s:6.1f} s"
    if row.status == "passed" or not row.said:
        return shown
    return "\n".join([shown, *(f"        {text.strip()}" for text in row.said.splitlines() if text.strip())])


def total(rows: Sequence[MatrixRow], seconds: float) -> str:
    """The number of defects activated and detected, and the time that took."""
    planted = [row for row in rows if row.defect and row.status != "skipped"]
    caught = [row for row in planted if row.status == "passed"]
    spared = sum(row.status == "skipped" for row in rows)
    took = sorted(row.took_s for row in caught)
    times = ""
    if took:
        times = f"; each in {took[0]:.1f} to {took[-1]:.1f} s, half of them within {statistics.median(took):.1f} s"
    others = [row for row in rows if not row.defect]
    sound = f"; {sum(row.status == 'passed' for row in others)} of {len(others)} sound verdicts" if others else ""
    return (
        f"{len(planted)} defects activated, {len(caught)} detected by the right rule, in {seconds:.0f} s"
        f"{times}{sound}{f'; {spared} not run here' if spared else ''}"
    )
