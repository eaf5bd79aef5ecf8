"""The cut-point matrix as data, as text and as a picture."""

import pytest
from greenlight_gate.evidence.cut_matrix import CutCell, CutGrid, CutResult, as_table, cut_cells
from greenlight_gate.report.cut_matrix_picture import cut_sheet
from greenlight_gate.report.matrix_picture import Mark, draw
from greenlight_gate.rules.engine.trace_checker import TraceChecker

from support.tests.rules.talk import EPOCH_S, PROFILE, Talk, asked

CELLS = [
    CutCell(1, False, "after event 1", "FIN", CutResult.WHOLE),
    CutCell(0, True, "inside event 1", "FIN", CutResult.BROKEN, ("CONTINUITY-1", "LIFECYCLE-2")),
    CutCell(0, False, "before event 1", "RST", CutResult.NO_RESUME),
]


def cells(talk: Talk, *, can_resume: bool = True) -> list[CutCell]:
    checker = TraceChecker(PROFILE, talk.budgets, EPOCH_S)
    for record in talk.records:
        checker.feed(record)
    checker.finish()
    return cut_cells(checker, can_resume=can_resume)


def test_a_trace_without_an_exact_cut_is_no_cell() -> None:
    assert cells(asked().answer()) == []
    assert cells(asked().started().cut("RST", "somewhere").close("nobody", None)) == []


def test_what_became_of_a_cut() -> None:
    cut = asked().answer().cut("FIN", "after event 5", after=5).close("nobody", None)
    assert cells(cut) == [CutCell(5, False, "after event 5", "FIN", CutResult.WHOLE)]
    assert cells(cut, can_resume=False) == [CutCell(5, False, "after event 5", "FIN", CutResult.NO_RESUME)]
    lost = asked().started().cut("RST", "inside event 2", after=1, inside=True).close("nobody", None)
    lost.open("Ada", "c2").restore("c2", 1)
    assert cells(lost) == [CutCell(1, True, "inside event 2", "RST", CutResult.BROKEN, ("CONTINUITY-1", "LIFECYCLE-2"))]


def test_the_table_as_a_whole() -> None:
    assert as_table(CELLS).splitlines() == [
        "the connection was cut  FIN     RST",
        "before event 1          -       no resume",
        "inside event 1          BROKEN  -",
        "after event 1           ok      -",
        "",
        "FIN inside event 1: CONTINUITY-1, LIFECYCLE-2",
    ]
    assert as_table([]) == "no connection was cut at an exact place"


def test_the_picture_shows_each_cut_once() -> None:
    sheet = cut_sheet(CELLS)
    (grid,) = sheet.grids
    assert grid.rows == ("before event 1", "inside event 1", "after event 1")
    assert grid.columns == ("FIN", "RST")
    assert grid.cells == {
        ("after event 1", "FIN"): Mark.GOOD,
        ("inside event 1", "FIN"): Mark.BAD,
        ("before event 1", "RST"): Mark.UNKNOWN,
    }
    assert sheet.subtitle == "1 of 3 cuts broke a promise"
    assert draw(sheet).startswith(b"\x89PNG")


@pytest.mark.parametrize("became", list(CutResult))
def test_one_way_and_one_place(became: CutResult) -> None:
    grid = CutGrid([CutCell(0, False, "before event 1", "RST", became)])
    assert grid.became((0, False), "RST") is became
    assert grid.became((0, False), "FIN") is None
