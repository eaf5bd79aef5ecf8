"""The page and the list of all steps."""

import html
from pathlib import Path

import pytest
from greenlight_gate.bdd.parameters import SAMPLES, TYPES
from greenlight_gate.bdd.step_catalogue import CatalogueStep, catalogue
from greenlight_gate.bdd.steps_page import render_steps
from greenlight_gate.targets.sections import SuiteSection

from support.tests.cli.process import greenlight
from support.tests.empty_registry import empty_registry
from support.tests.team import repository


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> list[CatalogueStep]:
    """All steps, with those of a team's own; behave's registry is left as it was."""
    folder = tmp_path_factory.mktemp("team")
    repository(folder)
    with empty_registry():
        return catalogue(SuiteSection(features=str(folder / "features"), steps=str(folder / "steps")))


def test_each_step_is_there_with_a_sentence_that_uses_it(steps: list[CatalogueStep]) -> None:
    assert len(steps) > 150
    assert not [step.wording for step in steps if "defect" in step.wording]  # they judge the suite
    (asks,) = [step for step in steps if step.wording == "{user:User} asks {prompt:Question}"]
    assert (asks.keyword, asks.topic) == ("When", "What users ask, and whether they receive the answer.")
    assert asks.place.startswith("conversation_steps.py:")
    assert asks.uses > len(asks.examples) == 3
    (table,) = [step for step in steps if step.wording == "{user:User} asks at the same moment:"]
    assert table.examples[0].splitlines()[1] == "  | question |"


def test_those_of_a_team_s_own_come_first(steps: list[CatalogueStep]) -> None:
    own = [step for step in steps if step.is_own]

    assert own == steps[:2]
    assert [(step.keyword, step.examples, step.uses) for step in own] == [
        ("Then", ("the answer to Ada names a number",), 1),
        ("Then", ("the answer to Bashir names the number 7777777",), 1),
    ]


def test_they_are_found_by_words(steps: list[CatalogueStep]) -> None:
    found = [step for step in steps if step.has(["THEN", "names", "answer"])]

    assert {step.wording for step in steps[:2]} <= {step.wording for step in found}
    assert len(found) < 40


def test_the_page_has_all_steps_and_what_parameters_accept(steps: list[CatalogueStep]) -> None:
    page = render_steps([*steps, steps[0]._replace(wording="<script>alert(1)</script>")])

    assert page.count('<li class="step">') == len(steps) + 1
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert all(f"<code>{text}</code>" in html.unescape(page) for kind in TYPES.values() for text in kind.texts)
    assert "[prompts.with_tool]" in page


def test_every_parameter_type_has_a_text_that_it_accepts() -> None:
    assert SAMPLES.keys() == TYPES.keys()


def test_the_command_lists_and_writes(tmp_path: Path) -> None:
    repository(tmp_path)
    listed = greenlight(tmp_path, "steps", "names", "number", "--environment", "greenlight.toml", fresh=True)
    written = greenlight(tmp_path, "steps", "--page", "steps.html", fresh=True)

    assert listed.code == 0, listed.err
    assert "  Then  the answer to {user:User} names a number\n          the answer to Ada names" in listed.out
    assert "an editor finds them in " in listed.out
    assert written.code == 0, written.err
    assert "names a number" in (tmp_path / "steps.html").read_text(encoding="utf-8")


def test_words_that_no_step_has_are_told_with_the_nearest(tmp_path: Path) -> None:
    ran = greenlight(tmp_path, "steps", "recieves", fresh=True)

    assert (ran.code, ran.err) == (3, "greenlight: no step has recieves; the nearest is 'receives'\n")
