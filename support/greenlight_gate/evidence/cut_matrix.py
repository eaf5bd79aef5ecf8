"""The cut-point matrix: where a run was cut, in which way, and with what result. Data and a text table."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from greenlight_gate.rules.engine.trace_checker import TraceChecker


class CutResult(StrEnum):
    """The result for a run whose connection was cut."""

    WHOLE = "whole"
    BROKEN = "broken"
    NO_RESUME = "no resume here"


_MARKS = {CutResult.WHOLE: "ok", CutResult.BROKEN: "BROKEN", CutResult.NO_RESUME: "no resume"}
_NOT_CUT = "-"


class CutCell(msgspec.Struct, frozen=True):
    """One cut: after so many events (`inside`: in the middle of the next), in which way, and which rules objected."""

    after: int
    inside: bool
    where: str
    way: str
    became: CutResult
    rules: tuple[str, ...] = ()


def cut_cells(checker: TraceChecker, *, can_resume: bool) -> list[CutCell]:
    """The cell of a trace in which an answer was cut at an exact place; none for any other trace."""
    rules = tuple(dict.fromkeys(finding.rule for finding in checker.findings))
    became = CutResult.BROKEN if rules else CutResult.WHOLE if can_resume else CutResult.NO_RESUME
    return [
        CutCell(cut.after, cut.inside, cut.where, cut.way, became, rules)
        for cut in checker.cuts
        if cut.after is not None
    ]


class CutGrid:
    """The cells by place (rows, in the order of the answer) and way (columns, in the order of appearance)."""

    def __init__(self, cells: Iterable[CutCell]) -> None:
        self.cells = {((cell.after, cell.inside), cell.way): cell for cell in cells}
        self.ways = list(dict.fromkeys(way for _, way in self.cells))
        places = {place: cell.where for (place, _), cell in self.cells.items()}
        self.rows: list[tuple[tuple[int, bool], str]] = sorted(places.items())

    def became(self, place: tuple[int, bool], way: str) -> CutResult | None:
        """What became of one cut; None where none was made."""
        cell = self.cells.get((place, way))
        return cell.became if cell is not None else None


def as_table(cells: Sequence[CutCell]) -> str:
    """The matrix as aligned text, 80 columns wide at most, with the rules that objected below it."""
    grid = CutGrid(cells)
    if not grid.rows:
        return "no connection was cut at an exact place"
    marks = [
        [where, *(_mark(grid.became(place, way)) for way in grid.ways)] for place, where in grid.rows
    ]  # fmt: skip
    table = [["the connection was cut", *grid.ways], *marks]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    broken = [cell for cell in grid.cells.values() if cell.rules]
    lines += ["", *(f"{cell.way} {cell.where}: {', '.join(cell.rules)}" for cell in broken)] if broken else []
    return "\n".join(lines)


def _mark(became: CutResult | None) -> str:
    return _NOT_CUT if became is None else _MARKS[became]
