"""The parts that need no process: planner, calculator, clock, frames, and who may import whom."""

import ast
import math
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from greenlight_gate.backend.clock import epoch_s, iso
from greenlight_gate.backend.frames import raw_frame
from greenlight_gate.backend.planner import make_plan
from greenlight_gate.backend.tools.calculator import SumError, evaluate, written
from hypothesis import given
from hypothesis import strategies as st

BACKEND = Path(__file__).resolve().parents[2] / "greenlight_gate" / "backend"
numbers = st.integers(-999, 999).map(str) | st.floats(-99, 99).map(lambda number: f"{number:.3f}")
operators = st.sampled_from(["+", "-", "*", "/", "**"])
sums = st.recursive(numbers, lambda inner: st.tuples(inner, operators, inner).map(lambda parts: f"({''.join(parts)})"))


@given(sums)
def test_the_calculator_agrees_with_python_or_refuses(expression: str) -> None:
    try:
        value = evaluate(expression)
    except SumError:
        return
    assert math.isclose(value, eval(expression), abs_tol=1e-9)
    assert "e" in written(value) or float(written(value)) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    "text", ["__import__('os')", "a", "'a'*9", "1<2", "True", "1j", "(1).real", "1;2", "[1]", "f()", ""]
)
def test_the_calculator_knows_sums_only(text: str) -> None:
    with pytest.raises(SumError):
        evaluate(text)


@given(st.text(max_size=300))
def test_the_planner_takes_any_text(text: str) -> None:
    plan = make_plan(text)
    assert plan.thoughts
    assert plan.stages or plan.reply or plan.task or plan.recalls or plan.gives_up


def test_only_a_question_without_a_plan_is_left_to_a_model() -> None:
    known = ("What is 17*23?", "Good morning!", "Please give up.", "Ask your helper to check 12*12.")
    assert [make_plan(text).unknown for text in known] == [False] * 4
    assert make_plan("Tell me what a dozen dozens are. (Request 1e2f3a.) My reference: xyz.").unknown


@given(st.integers(0, 4_000_000_000_000_000))
def test_times_have_six_digits_and_can_be_read_back(time_us: int) -> None:
    text = iso(time_us)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)
    read = datetime.fromisoformat(text)
    assert read.tzinfo == UTC
    assert (int(read.timestamp()), read.microsecond) == divmod(time_us, 1_000_000)
    assert epoch_s(text) == read.timestamp()


@pytest.mark.parametrize(
    ("length", "header"),
    [(3, b"\x81\x03"), (126, b"\x81\x7e\x00\x7e"), (70_000, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x11\x70")],
)
def test_raw_frames_have_the_header_of_their_length(length: int, header: bytes) -> None:
    assert raw_frame(b"x" * length).data == header + b"x" * length


def test_the_backend_imports_nothing_else_of_the_suite() -> None:
    for path in BACKEND.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            foreign = [name for name in names if re.match(r"(support|steps)\b(?!\.backend\b)", name)]
            assert not foreign, f"{path.name} imports {foreign}"
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path.name} imports relatively"


def test_the_files_stay_small() -> None:
    for path in BACKEND.rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 250, path.name
