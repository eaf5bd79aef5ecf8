"""Isolation as a picture: which user received data of which, a matrix for each scenario that checked it."""

from collections.abc import Sequence
from pathlib import Path

from greenlight_gate.evidence.session_folder import write_whole
from greenlight_gate.findings import numbered, shortened
from greenlight_gate.report.matrix_picture import Mark, MatrixGrid, Sheet, draw
from greenlight_gate.report.monitoring_files import VISUALIZATIONS
from greenlight_gate.rules.isolation import IsolationPair

_LEGEND = {
    Mark.OWN: "received their own secret",
    Mark.GOOD: "received no data of the other user",
    Mark.BAD: "received data of the other user",
    Mark.UNKNOWN: "unknown: own secret not received",
}
_LONGEST_TITLE = 38


def isolation_sheet(relations: Sequence[IsolationPair]) -> Sheet:
    """The sheet of these scenarios. Raises ValueError without any."""
    return Sheet(
        "Isolation: which user received data of which", in_words(relations), _LEGEND, "receiver", "owner of the data",
        [_grid(relation) for relation in relations],
    )  # fmt: skip


def in_words(relations: Sequence[IsolationPair]) -> str:
    """The result of these scenarios in one line, which claims no more than was observed."""
    saw = sum(len(relation.saw) for relation in relations)
    watched, unproven = sum(r.pairs for r in relations), sum(len(r.unproven) for r in relations)
    if not saw and not watched:
        return "isolation is unknown: no user received their own secret"
    users = max(len(relation.users) for relation in relations)
    said = (
        f"users received data of another user in {numbered(saw, 'pair')}"
        if saw
        else "no user received data of another user"
    )
    beyond = f"; unknown for {numbered(unproven, 'user')} who never received their own secret" if unproven else ""
    return f"{said}; {numbered(watched, 'pair')} checked, with up to {numbered(users, 'user')} in a scenario{beyond}"


def draw_isolation(relations: Sequence[IsolationPair], folder: Path) -> Path:
    """Draws the matrices of a session into its folder, atomically. Raises OSError."""
    path = folder / VISUALIZATIONS / "isolation_matrix.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, draw(isolation_sheet(relations)))
    return path


def _grid(relation: IsolationPair) -> MatrixGrid:
    users, saw = relation.users, set(relation.saw)
    cells = {(one, other): _mark(relation, saw, one, other) for one in users for other in users}
    return MatrixGrid(shortened(relation.name, _LONGEST_TITLE), users, users, cells)


def _mark(relation: IsolationPair, saw: set[tuple[str, str]], one: str, other: str) -> Mark:
    if (one, other) in saw:
        return Mark.BAD
    proven = one in relation.own_seen and other in relation.own_seen
    if not proven:
        return Mark.UNKNOWN
    return Mark.OWN if one == other else Mark.GOOD
