"""How the package is cut: a class name stands for one thing, and no imports run in a circle."""

import ast
from collections import defaultdict
from pathlib import Path

import greenlight_gate
import grimp
import pytest

PACKAGE = Path(greenlight_gate.__file__).parent
# Cycles that are still to be cut: (importing module, imported module).
_NOT_YET = [
    ("client.handshake_steps", "client.session"),
    ("client.refused_session", "client.session"),
    ("load.shard_counts", "load.shard"),
    ("load.user_connection", "load.shard"),
    ("load.virtual_user", "load.shard"),
    ("rules.engine.other_messages", "rules.engine.connection_checker"),
    ("rules.engine.requests", "rules.engine.run_state"),
    ("rules.engine.run_state", "rules.engine.open_requests"),
    ("rules.engine.timeouts", "rules.engine.connection_checker"),
]


def _imports() -> grimp.ImportGraph:
    """All imports, of whatever kind: at the top, in a function, and under TYPE_CHECKING, where cycles hide."""
    return grimp.build_graph("greenlight_gate", exclude_type_checking_imports=False, cache_dir=None)


def _cycle(graph: grimp.ImportGraph, importer: str, imported: str) -> tuple[str, ...]:
    """The modules that lead from the importing one back to itself; none if nothing does."""
    back = graph.find_shortest_chain(importer=imported, imported=importer)
    return (importer, *back) if back is not None else ()


def test_a_class_name_exists_once() -> None:
    places = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert len(places) > 300, "the package was not found"
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_no_module_imports_what_leads_back_to_it() -> None:
    graph = _imports()
    for importer, imported in _NOT_YET:
        graph.remove_import(importer=f"greenlight_gate.{importer}", imported=f"greenlight_gate.{imported}")
    edges = [(module, other) for module in graph.modules for other in graph.find_modules_directly_imported_by(module)]
    assert len(edges) > 1000, "the package was not read"
    cycles = {frozenset(cycle): " -> ".join(cycle) for edge in edges if (cycle := _cycle(graph, *edge))}
    assert sorted(cycles.values()) == []


@pytest.mark.parametrize(("importer", "imported"), _NOT_YET)
def test_a_cycle_that_is_left_is_still_one(importer: str, imported: str) -> None:
    graph, edge = _imports(), (f"greenlight_gate.{importer}", f"greenlight_gate.{imported}")
    assert set(edge) <= graph.modules, "it is gone: strike it from the list"
    assert graph.direct_import_exists(importer=edge[0], imported=edge[1]), "it is cut: strike it from the list"
    assert _cycle(graph, *edge), "it leads back no more: strike it from the list"
