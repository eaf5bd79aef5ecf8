"""Who could see whom, as a picture: a matrix for each scenario that watched the privacy of people."""

from collections.abc import Sequence
from pathlib import Path

from support.report.evidence import write_whole
from support.report.matrix_picture import Grid, Mark, Sheet, draw
from support.rules.isolation import Relation

VISUALIZATIONS = Path("monitoring/visualizations")
_LEGEND = {
    Mark.OWN: "saw their own secret",
    Mark.GOOD: "saw nothing of the other's",
    Mark.BAD: "saw something of the other's",
    Mark.UNKNOWN: "cannot be told: the own secret was never seen",
}
_LONGEST_TITLE = 38


def isolation_sheet(relations: Sequence[Relation]) -> Sheet:
    """The sheet of these scenarios; at least one."""
    saw = sum(len(relation.saw) for relation in relations)
    watched = sum(relation.pairs for relation in relations)
    said = f"{saw} times somebody saw something of somebody else" if saw else "nobody saw anything of anybody else"
    people = max(len(relation.people) for relation in relations)
    return Sheet(
        "Who could see whom", f"{said}, in {watched:,} pairs of {people} people and fewer", _LEGEND,
        "who looked", "at whom", [_grid(relation) for relation in relations],
    )  # fmt: skip


def draw_isolation(relations: Sequence[Relation], folder: Path) -> Path:
    """Draws the matrices of a session into its folder, whole or not at all. Raises OSError."""
    path = folder / VISUALIZATIONS / "isolation_matrix.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, draw(isolation_sheet(relations)))
    return path


def _grid(relation: Relation) -> Grid:
    people, saw = relation.people, set(relation.saw)
    cells = {(one, other): _mark(relation, saw, one, other) for one in people for other in people}
    title = relation.name if len(relation.name) <= _LONGEST_TITLE else f"{relation.name[: _LONGEST_TITLE - 1]}…"
    return Grid(title, people, people, cells)


def _mark(relation: Relation, saw: set[tuple[str, str]], one: str, other: str) -> Mark:
    if (one, other) in saw:
        return Mark.BAD
    proven = one in relation.own_seen and other in relation.own_seen
    if not proven:
        return Mark.UNKNOWN
    return Mark.OWN if one == other else Mark.GOOD
