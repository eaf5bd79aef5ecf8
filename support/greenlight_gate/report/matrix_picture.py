"""Matrices as pictures, of isolation and of cuts. Readable in grey and for colour-blind eyes."""

import io
import math
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

_DPI = 100
_WIDTH_IN = 12.0
_HEADER_IN = 1.15
_ROW_IN = 0.26
_MANY = 12
# Of many names, only every fourth is shown.
_SPARSE = 4
_INK, _PAPER, _FAINT = "#1b1b1b", "#ffffff", "#6b6b6b"


class Mark(Enum):
    """The mark of a cell: its colour (Okabe and Ito's palette, safe for colour-blind eyes) and its symbol."""

    GOOD = ("#cfe8f5", "")
    OWN = ("#0072b2", "●")
    BAD = ("#d55e00", "✕")
    UNKNOWN = ("#e2e2e2", "?")


class MatrixGrid(NamedTuple):
    """One matrix: `cells` holds a mark for (row, column); cells without a mark are empty."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], Mark]


class Sheet(NamedTuple):
    """A picture of several matrices: its title, the meaning of the marks, and the names of rows and columns.

    `wordy`: the rows of its only matrix have long names, each of which is shown.
    """

    title: str
    subtitle: str
    legend: Mapping[Mark, str]
    row_axis: str
    column_axis: str
    grids: Sequence[MatrixGrid]
    wordy: bool = False


def draw(sheet: Sheet, kind: str = "png") -> bytes:
    """The sheet as a picture 1,200 pixels wide. `kind`: png or svg. Raises ValueError without any matrix."""
    if not sheet.grids:
        raise ValueError("a picture needs at least one matrix")
    across = min(4, len(sheet.grids)) if max(len(grid.columns) for grid in sheet.grids) <= _MANY else 3
    down = math.ceil(len(sheet.grids) / across)
    tiles_in = _ROW_IN * len(sheet.grids[0].rows) + 1.0 if sheet.wordy else down * _WIDTH_IN / max(across, 2) * 0.9
    figure = Figure(figsize=(_WIDTH_IN, _HEADER_IN + tiles_in), dpi=_DPI, facecolor=_PAPER)
    FigureCanvasAgg(figure)
    height = figure.get_figheight()
    _head(figure, sheet, height)
    axes = figure.subplots(down, across, squeeze=False)
    figure.subplots_adjust(
        left=0.24 if sheet.wordy else 0.08,
        right=0.985,
        top=1 - (_HEADER_IN + (0.1 if sheet.wordy else 0.45)) / height,
        bottom=0.62 / height,
        wspace=0.5,
        hspace=0.42,
    )
    for number, axis in enumerate(axes.flat):
        if number < len(sheet.grids):
            _tile(axis, sheet.grids[number], sheet, first=number == 0)
        else:
            axis.set_axis_off()
    out = io.BytesIO()
    figure.savefig(out, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return out.getvalue()


def _head(figure: Figure, sheet: Sheet, height: float) -> None:
    figure.text(0.02, 1 - 0.32 / height, sheet.title, fontsize=16, fontweight="bold", color=_INK, va="center")
    figure.text(0.02, 1 - 0.62 / height, sheet.subtitle, fontsize=10, color=_FAINT, va="center")
    handles = [
        Patch(facecolor=mark.value[0], edgecolor=_FAINT, label=_label(mark, text))
        for mark, text in sheet.legend.items()
    ]
    figure.legend(
        handles=handles, loc="center left", bbox_to_anchor=(0.012, 1 - 0.95 / height), ncols=len(handles),
        frameon=False, fontsize=10, handlelength=1.2, columnspacing=1.6,
    )  # fmt: skip


def _label(mark: Mark, text: str) -> str:
    sign = mark.value[1]
    return f"{sign} {text}" if sign else text


def _tile(axis: Any, grid: MatrixGrid, sheet: Sheet, *, first: bool) -> None:
    wide, high = len(grid.columns), len(grid.rows)
    size = 8 if sheet.wordy or max(wide, high) <= _MANY else 4
    axis.set_xlim(0, wide)
    axis.set_ylim(high, 0)
    axis.set_aspect("equal" if wide == high else "auto")
    axis.set_title(grid.title, fontsize=10, color=_INK, loc="left", pad=6, fontweight="bold", wrap=True)
    squares, colours = [], []
    for y, row in enumerate(grid.rows):
        for x, column in enumerate(grid.columns):
            mark = grid.cells.get((row, column))
            if mark is None:
                continue
            colour, sign = mark.value
            squares.append(Rectangle((x, y), 1, 1))
            colours.append(colour)
            if sign:
                ink = _PAPER if mark in (Mark.BAD, Mark.OWN) else _INK
                axis.text(x + 0.5, y + 0.54, sign, ha="center", va="center", fontsize=size, color=ink)
    # One collection: hundreds of patches, each on its own, take most of the time of a picture.
    axis.add_collection(PatchCollection(squares, facecolors=colours, edgecolors=_PAPER, linewidths=1), autolim=False)
    for axis_of, names in ((axis.xaxis, grid.columns), (axis.yaxis, grid.rows)):
        step = 1 if sheet.wordy or len(names) <= _MANY else _SPARSE
        axis_of.set_ticks([at + 0.5 for at in range(0, len(names), step)], names[::step], fontsize=8)
    axis.xaxis.set_tick_params(rotation=0 if sheet.wordy else 90)
    axis.tick_params(length=0, pad=2, colors=_INK)
    for spine in axis.spines.values():
        spine.set_visible(False)
    if first:
        axis.set_ylabel(sheet.row_axis, fontsize=9, color=_FAINT)
        axis.set_xlabel(sheet.column_axis, fontsize=9, color=_FAINT)
