"""Features, steps and rules of a team's own, beside those that ship."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from behave.model import Step
from behave.parser import parse_file
from behave.runner import the_step_registry
from behave.runner_util import load_step_modules
from behave.step_registry import StepRegistry
from greenlight_gate.bdd import parameters
from greenlight_gate.bdd.runner import suite_runner
from greenlight_gate.bdd.runner.own_suite import load_own_steps, scenarios_of
from greenlight_gate.bdd.runner.step_registry import CheckedStepRegistry
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.targets.sections import SuiteSection
from greenlight_gate.targets.settings import Misconfigured, suite_root

from support.tests.cli.process import ROOT, greenlight, judged, mistaken
from support.tests.empty_registry import empty_registry
from support.tests.team import repository


def test_they_run_with_the_shipped_steps_and_each_is_seen_to_fail(tmp_path: Path) -> None:
    packages = repository(tmp_path)
    env = {"PYTHONPATH": f"{ROOT}:{packages}"}
    ran = judged(tmp_path, "--environment", "greenlight.toml", "--categories", "own", env=env, fresh=True)
    report = ran.report

    assert ran.code == 1, ran.out + ran.err
    assert {each["name"]: (each["category"], each["outcome"], each["rule"]) for each in report["execution_results"][
        "scenarios"
    ]} == {
        "The number is right": ("own", "passed", ""),
        "Another number is expected": ("own", "failed", "OWN-STEP"),
        "The answer is longer than the team allows": ("own", "failed", ""),
    }  # fmt: skip
    (finding,) = report["findings"]
    assert (finding["rule"], finding["expected"]) == ("ACME-1", "at most 400 characters")
    (rule,) = report["validation_session"]["own_rules"]
    assert rule["source"] == "acme-rules 1.0, acme_rules:ShortAnswers"
    assert report["validation_session"]["scope"] == "partial"
    (key,) = {each["key"].rpartition(":")[0] for each in report["execution_results"]["scenarios"]}
    assert key == "own/orders.feature"


MISTAKES = [
    ('features = "featurs/"', "suite.features: expected a folder, but featurs does not exist"),
    ('features = "steps/"', "suite.features: expected a folder with features, but steps has none"),
    ('features = "features/"\nsteps = "greenlight.toml"', "suite.steps: expected a folder, but greenlight.toml is a"),
    ('steps = "steps/"', "suite.features: expected the folder of the features that use these steps, but it is missing"),
    ('feature = "features/"', "suite.feature: expected one of the known keys, but there is no 'feature'; the nearest"),
]


@pytest.mark.parametrize(("section", "says"), MISTAKES)
def test_a_mistake_in_the_section_is_one_line(tmp_path: Path, section: str, says: str) -> None:
    repository(tmp_path)
    path = tmp_path / "greenlight.toml"
    path.write_text(path.read_text("utf-8").partition("[suite]")[0] + f"[suite]\n{section}\n", encoding="utf-8")
    ran = mistaken(tmp_path, "run", "--environment", "greenlight.toml")

    assert (ran.code, ran.err.count("\n")) == (3, 1), ran.err
    assert f"greenlight: greenlight.toml: {says}" in ran.err


def test_the_category_needs_a_folder(tmp_path: Path) -> None:
    ran = mistaken(tmp_path, "run", "--categories", "own")

    assert (ran.code, ran.err) == (
        3, "greenlight: --categories own: the target file has no [suite] with features of its own\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("feature", "says"),
    [
        (
            "Feature: E\n  Exmple: Ends\n    Given the end\n",
            "expected a scenario (`Example:` or `Scenario:`), but there",
        ),
        ("", "expected a scenario (`Example:` or `Scenario:`), but there is none"),
        ("Feature: E\n  Example: E\n    Given a:\n      | a |\n      | a | b |\n", "a feature cannot be read: Failed"),
    ],
)
def test_a_feature_that_would_run_nothing_is_refused(tmp_path: Path, feature: str, says: str) -> None:
    repository(tmp_path)
    (tmp_path / "features/more.feature").write_text(feature, encoding="utf-8")
    with pytest.raises(Misconfigured) as wrong:
        scenarios_of(SuiteSection(features=str(tmp_path / "features")))
    assert says in str(wrong.value)
    assert "more.feature" in str(wrong.value)


def test_the_command_says_so_in_one_line(tmp_path: Path) -> None:
    repository(tmp_path, "Feature: Orders\n  Exmple: The number is right\n")
    ran = greenlight(tmp_path, "run", "--environment", "greenlight.toml", "--categories", "own")

    assert (ran.code, ran.err.count("orders.feature: expected a scenario")) == (3, 1), ran.err


def test_no_two_scenarios_have_one_name(tmp_path: Path) -> None:
    """Not in two files either: a waiver names a scenario by its name alone, and would hide findings of both."""
    for file in ("one.feature", "two.feature"):
        (tmp_path / file).write_text("Feature: F\n  Example: Right\n    Given the end\n", encoding="utf-8")
    scenarios = [each for path in ("one", "two") for each in parse_file(f"{tmp_path}/{path}.feature").walk_scenarios()]  # type: ignore[no-untyped-call]

    suite_runner._assert_unique(scenarios[:1])
    with pytest.raises(Misconfigured, match=r"two\.feature: 2 scenarios are named 'Right'; give"):
        suite_runner._assert_unique(scenarios)


@pytest.fixture(scope="module")
def shipped() -> Iterator[StepRegistry]:
    """behave's registry with all steps that ship; what a test adds is taken out again."""
    with empty_registry():
        parameters.register()
        load_step_modules([str(suite_root() / "steps")])  # type: ignore[no-untyped-call]
        yield the_step_registry


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (
            '@given("{user:User} is in a conversation")',
            "has already been defined in existing step @given('{user:User} is",
        ),
        ('@then("{anything}")', "which ships (access_steps.py); give yours a wording of its own"),
        ('@step("{who:User} has two tabs open")', "collides with '{user:User} has two tabs open', which ships"),
        ("raise SystemExit(0)", "a file of steps cannot be loaded: SystemExit: 0"),
        ("nonsense", "a file of steps cannot be loaded: NameError: name 'nonsense' is not defined"),
    ],
)
def test_steps_that_collide_or_fail_are_refused(shipped: StepRegistry, tmp_path: Path, step: str, says: str) -> None:
    function = "def one(context, **_): pass\n" if step.startswith("@") else ""
    (tmp_path / "own_steps.py").write_text(
        f"from behave import given, step, then\n{step}\n{function}", encoding="utf-8"
    )
    before = {kind: list(steps) for kind, steps in shipped.steps.items()}
    try:
        with pytest.raises(Misconfigured) as wrong:
            load_own_steps(shipped, tmp_path)
    finally:
        for kind, steps in before.items():
            shipped.steps[kind][:] = steps
    assert says in str(wrong.value)


def test_a_step_that_ends_the_process_is_a_fault_of_the_suite() -> None:
    registry = StepRegistry()
    registry.add_step_definition("given", "the end", lambda context: sys.exit(0))
    step = Step("x.feature", 1, "Given", "given", "the end")  # type: ignore[no-untyped-call]
    run = CheckedStepRegistry(registry).run_of(step)

    assert run is not None
    with pytest.raises(SuiteFault, match="the step 'the end' ended the process: SystemExit: 0"):
        run(SimpleNamespace(world=None, use_with_user_mode=nullcontext, scenario=SimpleNamespace(all_steps=[None])))
