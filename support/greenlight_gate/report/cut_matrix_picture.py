"""The cut-point matrix as a picture: where the connection was cut, how, and whether the answer was complete."""

from collections.abc import Sequence
from pathlib import Path

from greenlight_gate.evidence.cut_matrix import CutCell, CutGrid, CutResult
from greenlight_gate.evidence.session_folder import write_whole
from greenlight_gate.report.matrix_picture import Mark, Sheet, draw
from greenlight_gate.report.matrix_picture import MatrixGrid as PictureGrid
from greenlight_gate.report.monitoring_files import VISUALIZATIONS

_MARKS = {CutResult.WHOLE: Mark.GOOD, CutResult.BROKEN: Mark.BAD, CutResult.NO_RESUME: Mark.UNKNOWN}
_LEGEND = {
    Mark.GOOD: "the answer was complete in the end",
    Mark.BAD: "a promise was broken",
    Mark.UNKNOWN: "the target cannot resume",
}


def cut_sheet(cells: Sequence[CutCell]) -> Sheet:
    """The sheet of these cuts. Raises ValueError without any."""
    grid = CutGrid(cells)
    broken = sum(cell.became is CutResult.BROKEN for cell in grid.cells.values())
    said = f"{broken or 'none'} of {len(grid.cells)} cuts broke a promise"
    marks = {
        (where, way): _MARKS[became]
        for place, where in grid.rows
        for way in grid.ways
        if (became := grid.became(place, way)) is not None
    }
    picture = PictureGrid("", tuple(where for _, where in grid.rows), tuple(grid.ways), marks)
    return Sheet(
        "Where the connection was cut, and the result",
        said,
        _LEGEND,
        "",
        "how it was cut",
        [picture],
        wordy=True,
    )


def draw_cuts(cells: Sequence[CutCell], folder: Path) -> Path:
    """Draws the matrix of a session into its folder, atomically. Raises OSError."""
    path = folder / VISUALIZATIONS / "cut_matrix.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, draw(cut_sheet(cells)))
    return path
