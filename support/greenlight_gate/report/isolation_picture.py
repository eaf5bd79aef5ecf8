"""Who could see whom, as a picture: a matrix for each scenario that watched the privacy of people."""

from collections.abc import Sequence
from pathlib import Path

from greenlight_gate.evidence.session_folder import write_whole
from greenlight_gate.report.matrix_picture import Mark, MatrixGrid, Sheet, draw
from greenlight_gate.report.monitoring_files import VISUALIZATIONS
from greenlight_gate.rules.isolation import IsolationPair

_LEGEND = {
    Mark.OWN: "saw their own secret",
    Mark.GOOD: "saw nothing of the other's",
    Mark.BAD: "saw something of the other's",
    Mark.UNKNOWN: "cannot be told: the own secret was never seen",
}
_LONGEST_TITLE = 38


def isolation_sheet(relations: Sequence[IsolationPair]) -> Sheet:
    """The sheet of these scenarios; at least one."""
    return Sheet(
        "Who could see whom", in_words(relations), _LEGEND, "who looked", "at whom",
        [_grid(relation) for relation in relations],
    )  # fmt: skip


def in_words(relations: Sequence[IsolationPair]) -> str:
    """What these scenarios have shown, in one line that does not claim more than was seen."""
    saw = sum(len(relation.saw) for relation in relations)
    watched, unproven = sum(r.pairs for r in relations), sum(len(r.unproven) for r in relations)
    if not saw and not watched:
        return "nothing can be said: nobody was seen to see their own secret"
    people = max(len(relation.people) for relation in relations)
    said = f"{saw:,} times somebody saw something of somebody else" if saw else "nobody saw anything of anybody else"
    beyond = f"; {unproven} times nothing can be said, since the own secret was never seen" if unproven else ""
    return f"{said}, in {watched:,} pairs of {people} people and fewer{beyond}"


def draw_isolation(relations: Sequence[IsolationPair], folder: Path) -> Path:
    """Draws the matrices of a session into its folder, whole or not at all. Raises OSError."""
    path = folder / VISUALIZATIONS / "isolation_matrix.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, draw(isolation_sheet(relations)))
    return path


def _grid(relation: IsolationPair) -> MatrixGrid:
    people, saw = relation.people, set(relation.saw)
    cells = {(one, other): _mark(relation, saw, one, other) for one in people for other in people}
    title = relation.name if len(relation.name) <= _LONGEST_TITLE else f"{relation.name[: _LONGEST_TITLE - 1]}…"
    return MatrixGrid(title, people, people, cells)


def _mark(relation: IsolationPair, saw: set[tuple[str, str]], one: str, other: str) -> Mark:
    if (one, other) in saw:
        return Mark.BAD
    proven = one in relation.own_seen and other in relation.own_seen
    if not proven:
        return Mark.UNKNOWN
    return Mark.OWN if one == other else Mark.GOOD
