"""The assertions of the steps, and the steps without one of them."""

import ast
import hashlib
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from behave.model import Step
from behave.step_registry import StepRegistry

from greenlight_gate.bdd.runner.step_registry import Run, WrappedStepRegistry

# The steps of the assurance features are tested by the matrix itself.
_NOT_THESE = {"release_steps"}


class Assertion(NamedTuple):
    """One `demand` or `assert_that` of a step. `digest` changes with its text, not with its position."""

    id: str
    module: str
    first_line: int
    last_line: int
    digest: str


class TracingStepRegistry(WrappedStepRegistry):
    """Records which steps run and which assertions fail.

    `functions` are those of the steps that ran, `objections` the places (module, line) of their exceptions.
    """

    def __init__(self, registry: StepRegistry) -> None:
        super().__init__(registry)
        self.functions: list[str] = []
        self.objections: list[tuple[str, int]] = []

    def run_step(self, context: Any, step: Step, function: Callable[..., None], plain_run: Run) -> None:
        """Runs a step as behave does."""
        del step
        self.functions.append(f"{Path(function.__code__.co_filename).stem}.{function.__name__}")
        try:
            plain_run(context)
        except AssertionError as error:
            place = _place(error)
            self.objections.extend([place] if place is not None else [])
            raise


def assertions(steps: Path) -> dict[str, Assertion]:
    """All assertions below steps/ by id: "event_steps.tool_before_result.2" is the second one of that function."""
    found = {}
    for path in sorted(steps.glob("*_steps.py")):
        if path.stem in _NOT_THESE:
            continue
        for function in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(function, ast.FunctionDef):
                for number, node in enumerate(_assertions_in(function), 1):
                    id_ = f"{path.stem}.{function.name}.{number}"
                    digest = hashlib.sha256(ast.unparse(node).encode()).hexdigest()[:12]
                    found[id_] = Assertion(id_, path.stem, node.lineno, node.end_lineno or node.lineno, digest)
    return found


def without(assertion: Assertion, steps: Path, folder: Path) -> Path:
    """A copy of steps/ without that assertion; line numbers stay the same."""
    copy = folder / assertion.id / "steps"
    shutil.copytree(steps, copy, ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / f"{assertion.module}.py"
    lines = path.read_text(encoding="utf-8").splitlines()
    first = lines[assertion.first_line - 1]
    indent = first[: len(first) - len(first.lstrip())]
    gone = [f"{indent}pass", *[""] * (assertion.last_line - assertion.first_line)]
    lines[assertion.first_line - 1 : assertion.last_line] = gone
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return copy


def ids_at(places: list[tuple[str, int]], known: dict[str, Assertion]) -> tuple[str, ...]:
    """The assertions at these places; exceptions from other places are ignored."""
    found = [
        each.id for module, line in places for each in known.values()
        if each.module == module and each.first_line <= line <= each.last_line
    ]  # fmt: skip
    return tuple(dict.fromkeys(found))


def _assertions_in(function: ast.FunctionDef) -> list[ast.Expr]:
    found = [
        node for node in ast.walk(function)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name) and node.value.func.id in ("demand", "assert_that")
    ]  # fmt: skip
    return sorted(found, key=lambda node: node.lineno)


def _place(error: BaseException) -> tuple[str, int] | None:
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent.name == "steps"
    ]
    return (Path(frames[-1].filename).stem, frames[-1].lineno or 0) if frames else None
