"""How the package is cut: a class name stands for one thing, no imports run in a circle, and nobody patches another."""

import ast
from collections import defaultdict
from pathlib import Path

import greenlight_gate
import grimp
import pytest

PACKAGE = Path(greenlight_gate.__file__).parent
# behave takes this option from the class alone, where it reads no configuration file.
_OPTION = "ScenarioOutline.annotation_schema = '{name}'"
# What Python has there to be set.
_HOOK = ("sys.excepthook = ", "sys.unraisablehook = ", "sys.stdout = ", "sys.stderr = ")


def _imports() -> grimp.ImportGraph:
    """All imports, of whatever kind: at the top, in a function, and under TYPE_CHECKING, where cycles hide."""
    return grimp.build_graph("greenlight_gate", exclude_type_checking_imports=False, cache_dir=None)


def _cycle(graph: grimp.ImportGraph, importer: str, imported: str) -> tuple[str, ...]:
    """The modules that lead from the importing one back to itself; none if nothing does."""
    back = graph.find_shortest_chain(importer=imported, imported=importer)
    return (importer, *back) if back is not None else ()


def _patches(module: ast.Module) -> list[str]:
    """What changes an attribute or an item of something that the module has imported."""
    nodes = list(ast.walk(module))
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names
    }  # fmt: skip
    return [
        ast.unparse(node) for node in nodes for target in _changed_by(node)
        if _root(target) in imported and not isinstance(target, ast.Name)
    ]  # fmt: skip


def _changed_by(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.Assign(targets=targets) | ast.Delete(targets=targets):
            return [each for target in targets for each in (target.elts if isinstance(target, ast.Tuple) else [target])]
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            return [target]
        case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[of, name, *_]):
            return [ast.Subscript(of, name)]
    return []


def _root(target: ast.expr) -> str:
    while isinstance(target, ast.Attribute | ast.Subscript):
        target = target.value
    return target.id if isinstance(target, ast.Name) else ""


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
    edges = [(module, other) for module in graph.modules for other in graph.find_modules_directly_imported_by(module)]
    assert len(edges) > 1000, "the package was not read"
    cycles = {frozenset(cycle): " -> ".join(cycle) for edge in edges if (cycle := _cycle(graph, *edge))}
    assert sorted(cycles.values()) == []


@pytest.mark.parametrize(
    "patch",
    [
        "FindingSink.report = report_others", "del RULES['CONTENT-1']", "sinks.FindingSink.report, x = (f, 1)",
        "setattr(FindingSink, 'report', f)", "sinks.LIMIT += 1", "sinks.LIMIT: int = 1",
    ],
)  # fmt: skip
def test_a_patch_is_noticed(patch: str) -> None:
    imports = "from engine import finding_sink as sinks\nfrom engine.finding_sink import FindingSink, RULES\n"
    assert _patches(ast.parse(f"{imports}{patch}")) == [patch]
    assert _patches(ast.parse(f"{imports}RULES = {{}}\nreport = FindingSink.report\nself.report = report")) == []


def test_nothing_is_changed_from_outside_its_module() -> None:
    patches = {
        str(path.relative_to(PACKAGE)): found
        for path in sorted(PACKAGE.rglob("*.py"))
        if (
            found := [
                each
                for each in _patches(ast.parse(path.read_text(encoding="utf-8")))
                if each != _OPTION and not each.startswith(_HOOK)
            ]
        )
    }
    assert patches == {}
