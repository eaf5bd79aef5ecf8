"""Each row of the table of what allure-behave reports wrongly, run for real with the stock formatter and with ours."""

import json
import os
import subprocess
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.tests.cli.process import ROOT, Ran, ended, started

MENDED = "greenlight_gate.bdd.runner.allure_formatter:AllureFormatter"
STOCK = "allure_behave.formatter:AllureFormatter"
STEPS = """
import threading
import allure_commons._allure as allure
from allure_commons.types import AttachmentType
from behave import step

@step("it works")
def works(context): pass

@step("it fails")
def fails(context): raise AssertionError("LIFECYCLE-2: expected the end, got silence")

@step("it breaks")
def breaks(context): raise ValueError("no such thing")

@step("it is skipped")
def skipped(context): context.scenario.skip("the target cannot resume")

@step("it attaches")
def attaches(context): allure.attach("evidence", "note", AttachmentType.TEXT)

@step("it attaches from a thread")
def attaches_aside(context):
    thread = threading.Thread(target=allure.attach, args=("evidence", "aside", AttachmentType.TEXT))
    thread.start()
    thread.join()

@step("it says a surrogate")
def surrogate(context):
    allure.attach("body \\udc80", "name \\udc80", AttachmentType.TEXT)
    raise AssertionError("IDENTITY-1: got \\udc80")

@step("it names itself")
def names(context):
    allure.Dynamic.title("A better title")
    allure.Dynamic.severity("blocker")
    allure.Dynamic.label("owner", "ada")
    allure.Dynamic.parameter("people", 3)

@step("somebody stops it")
def stops(context): raise KeyboardInterrupt

@step("a cleanup is stopped")
def stopped_cleanup(context):
    def bad(): raise KeyboardInterrupt
    context.add_cleanup(bad)

@step("a cleanup will raise")
def cleanup(context):
    def bad(): raise OSError("still open")
    context.add_cleanup(bad)
"""


def build(folder: Path, feature: str, hooks: str = "") -> Path:
    (folder / "features/functional").mkdir(parents=True)
    (folder / "steps").mkdir()
    (folder / "steps/steps.py").write_text(STEPS, encoding="utf-8")
    (folder / "features/functional/answers.feature").write_text(textwrap.dedent(feature), encoding="utf-8")
    (folder / "environment.py").write_text(hooks, encoding="utf-8")
    return folder


def behave(folder: Path, formatter: str = MENDED, *options: str) -> Ran:
    arguments = ("-f", formatter, "-o", "allure-results", "--no-summary", *options, "features")
    with started(folder, *arguments, module="behave") as process:
        return ended(process, folder)


def results(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text("utf-8")) for path in (folder / "allure-results").glob("*-result.json")]
    return sorted(found, key=_line)


def _line(result: dict[str, Any]) -> int:
    line = result["fullName"].rpartition(":")[2]
    return int(line) if line.isdecimal() else 0


def statuses(folder: Path) -> list[tuple[str, str]]:
    return sorted((each["name"], each["status"]) for each in results(folder))


@dataclass(frozen=True)
class Row:
    name: str
    feature: str
    mended: list[tuple[str, str]]
    stock: list[tuple[str, str]]
    hooks: str = ""
    options: tuple[str, ...] = ()
    messages: dict[str, str] = field(default_factory=dict)


TWO = """
    Feature: Answers
      Rule: The first promise
        Example: One
          When it works
      Rule: The second promise
        Example: Two
          When it works
"""
ONE = """
    Feature: Answers
      Example: One
        When it works
"""
BOOM = "def {}(context, *_): raise RuntimeError('boom')\n"
ROWS = [
    Row("under a Rule", TWO, [("One", "passed"), ("Two", "passed")], []),
    Row(
        "before_scenario raises",
        ONE,
        [("One", "broken")],
        [("One", "skipped")],
        BOOM.format("before_scenario"),
        ("--show-skipped",),
        {"One": "Suite fault: HOOK-ERROR in before_scenario: RuntimeError: boom"},
    ),
    Row(
        "after_scenario raises",
        ONE,
        [("One", "broken")],
        [("One", "passed")],
        BOOM.format("after_scenario"),
        (),
        {"One": "Suite fault: HOOK-ERROR in after_scenario: RuntimeError: boom"},
    ),
    Row(
        "before_feature raises",
        ONE,
        [("One", "broken")],
        [],
        BOOM.format("before_feature"),
        (),
        {"One": "Suite fault: HOOK-ERROR in before_feature: RuntimeError: boom"},
    ),
    Row(
        "before_rule raises",
        TWO,
        [("One", "passed"), ("Two", "broken")],
        [],
        "def before_rule(context, rule):\n    if 'second' in rule.name: raise RuntimeError('boom')\n",
        (),
        {"Two": "Suite fault: HOOK-ERROR in before_rule: RuntimeError: boom"},
    ),
    Row(
        "a step hook raises",
        ONE,
        [("One", "broken")],
        [("One", "failed")],
        "def before_step(context, step): raise AssertionError('boom')\n",
        (),
        {"One": "Suite fault: HOOK-ERROR at this step: boom"},
    ),
    Row(
        "a cleanup raises",
        """
        Feature: Answers
          Example: One
            Given a cleanup will raise
        """,
        [("One", "broken")],
        [("One", "passed")],
    ),
    Row(
        "skipped in a step, and the show_skipped of behave.ini",
        """
        Feature: Answers
          Example: One
            Given it is skipped
            Then it attaches
          Example: Two
            When it works
        """,
        [("One", "skipped"), ("Two", "passed")],
        [("Two", "passed")],
        "",
        ("--no-skipped",),
        {"One": "the target cannot resume"},
    ),
    Row(
        "skipped by a hook",
        TWO.replace("Rule: The first promise", "").replace("Rule: The second promise", ""),
        [("One", "skipped"), ("Two", "skipped")],
        [],
        "def before_feature(context, feature): feature.skip('the target has no clock')\n",
        ("--no-skipped",),
        {"One": "the target has no clock", "Two": "the target has no clock"},
    ),
    Row(
        "stopped by hand in a cleanup",
        """
        Feature: Answers
          Example: One
            Given a cleanup is stopped
          Example: Two
            When it works
        """,
        [("One", "broken")],
        [("One", "passed")],
        "",
        (),
        {"One": "Suite fault: KeyboardInterrupt"},
    ),
    Row(
        "deselected by tag leaves none",
        """
        Feature: Answers
          @wanted
          Example: One
            When it works
          Example: Two
            When it works
        """,
        [("One", "passed")],
        [("One", "passed"), ("Two", "skipped")],
        "",
        ("--tags=wanted", "--show-skipped"),
    ),
    Row(
        "stopped by hand in a step",
        """
        Feature: Answers
          Example: One
            When somebody stops it
            Then it works
          Example: Two
            When it works
        """,
        [("One", "broken")],
        [("One", "broken")],
        "",
        (),
        {"One": "KeyboardInterrupt"},
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_selected_scenario_is_shown_as_what_it_was(row: Row, tmp_path: Path) -> None:
    project = build(tmp_path, row.feature, row.hooks)

    run = behave(project, MENDED, *row.options)

    assert statuses(project) == row.mended, run.out + run.err
    told = {each["name"]: each.get("statusDetails", {}).get("message") for each in results(project)}
    assert {name: told[name] for name in row.messages} == row.messages


@pytest.mark.parametrize("row", [row for row in ROWS if row.stock != row.mended], ids=lambda row: row.name)
def test_the_stock_formatter_still_needs_the_mend(row: Row, tmp_path: Path) -> None:
    project = build(tmp_path, row.feature, row.hooks)

    behave(project, STOCK, *row.options)

    assert statuses(project) == row.stock


SKIPS = """
    Feature: Answers
      Example: One
        Given it is skipped
        Then it attaches
      Example: Two
        When it works
"""


@pytest.mark.parametrize(("formatter", "leaks"), [(MENDED, False), (STOCK, True)])
def test_a_skipped_scenario_leaks_no_step_into_the_next(formatter: str, leaks: bool, tmp_path: Path) -> None:
    project = build(tmp_path, SKIPS)

    behave(project, formatter, "--no-skipped")

    [two] = [each for each in results(project) if each["name"] == "Two"]
    assert ([step["name"] for step in two["steps"]] != ["When it works"]) is leaks


SURROGATE = """
    Feature: Answers
      Example: One
        When it says a surrogate
      Example: Two
        When it works
"""


def test_a_lone_surrogate_is_told_readably_and_ends_nothing(tmp_path: Path) -> None:
    project = build(tmp_path, SURROGATE)

    run = behave(project)

    one, two = results(project)
    assert (one["status"], two["status"]) == ("failed", "passed"), run.err
    assert one["statusDetails"]["message"] == "IDENTITY-1: got \\udc80"
    [attached] = one["steps"][0]["attachments"]
    assert attached["name"] == "name \\udc80"
    assert (project / "allure-results" / attached["source"]).read_text("utf-8") == "body \\udc80"
    assert all(path.read_bytes().isascii() for path in (project / "allure-results").glob("*.json"))


def test_a_lone_surrogate_ends_a_stock_run(tmp_path: Path) -> None:
    project = build(tmp_path, SURROGATE)

    behave(project, STOCK)

    assert len(results(project)) < 2


TWINS = """
    Feature: Answers
      Example: Twin
        When it works
      Example: Twin
        When it works
      Scenario Outline: Row
        When it works
        Examples:
          | n |
          | 1 |
          | 1 |
"""


@pytest.mark.parametrize(("formatter", "distinct"), [(MENDED, 4), (STOCK, 2)])
def test_scenarios_of_one_name_are_told_apart(formatter: str, distinct: int, tmp_path: Path) -> None:
    project = build(tmp_path, TWINS)

    behave(project, formatter)

    assert len({each["testCaseId"] for each in results(project)}) == distinct


def test_the_history_of_a_scenario_survives_an_edit_above_it(tmp_path: Path) -> None:
    projects = build(tmp_path / "a", TWINS), build(tmp_path / "b", "\n\n" + TWINS)
    for project in projects:
        behave(project)

    before, after = ([each["historyId"] for each in results(project)] for project in projects)

    assert before == after


def test_a_whole_result_under_a_rule(tmp_path: Path) -> None:
    project = build(
        tmp_path,
        """
        @severity.minor @allure.label.owner:ada
        Feature: Answers
          Rule: People see progress
            @severity.critical @smoke
            Example: Ada asks
              When it attaches
              Then it fails
        """,
    )

    behave(project)

    [result] = results(project)
    labels = [(label["name"], label["value"]) for label in result.pop("labels")]
    [step, failed] = result.pop("steps")
    details = result.pop("statusDetails")
    for volatile in ("uuid", "start", "stop", "historyId", "testCaseId"):
        assert result.pop(volatile)
    assert result == {
        "name": "Ada asks",
        "fullName": "functional/answers.feature:6",
        "status": "failed",
        "titlePath": ["functional", "Answers", "People see progress"],
    }
    assert [label for label in labels if label[0] != "language"] == [
        ("epic", "Functional"),
        ("feature", "Answers"),
        ("framework", "behave"),
        ("owner", "ada"),
        ("severity", "critical"),
        ("story", "People see progress"),
        ("tag", "smoke"),
    ]
    assert details["message"] == "LIFECYCLE-2: expected the end, got silence"
    assert "in fails" in details["trace"]
    assert (step["name"], step["status"], step["attachments"][0]["name"]) == ("When it attaches", "passed", "note")
    assert (failed["name"], failed["status"]) == ("Then it fails", "failed")


def test_tags_replace_the_default_labels(tmp_path: Path) -> None:
    project = build(
        tmp_path,
        """
        @allure.label.epic:Trust
        Feature: Answers
          @allure.label.story:Ada
          Example: One
            When it works
        """,
    )

    behave(project)

    labels = Counter((label["name"], label["value"]) for label in results(project)[0]["labels"])
    shown = {each: count for each, count in labels.items() if each[0] in {"epic", "feature", "story"}}
    assert shown == {("epic", "Trust"): 1, ("feature", "Answers"): 1, ("story", "Ada"): 1}


def test_what_a_step_says_about_its_scenario_is_received(tmp_path: Path) -> None:
    project = build(tmp_path, ONE.replace("it works", "it names itself"))

    behave(project)

    [result] = results(project)
    labels = [(label["name"], label["value"]) for label in result["labels"]]
    assert result["name"] == "A better title"
    assert [label for label in labels if label[0] == "severity"] == [("severity", "blocker")]
    assert ("owner", "ada") in labels
    assert result["parameters"] == [{"name": "people", "value": "3"}]


def test_an_attachment_from_another_thread_lands_in_the_step_that_runs(tmp_path: Path) -> None:
    project = build(tmp_path, ONE.replace("it works", "it attaches from a thread"))

    behave(project)

    [step] = results(project)[0]["steps"]
    assert [each["name"] for each in step["attachments"]] == ["aside"]


def test_what_hooks_say_outside_a_scenario_belongs_to_the_session(tmp_path: Path) -> None:
    hooks = (
        "import allure_commons._allure as allure\n"
        "def before_feature(context, feature): allure.attach('a', 'of the feature')\n"
        "def after_feature(context, feature): raise RuntimeError('boom')\n"
    )
    project = build(tmp_path, ONE, hooks)

    behave(project)

    files = (project / "allure-results").glob("*-globals.json")
    said = [json.loads(path.read_text("utf-8")) for path in files]
    names = [each["name"] for part in said for each in part.get("attachments", [])]
    errors = [each["message"] for part in said for each in part.get("errors", [])]
    assert statuses(project) == [("One", "passed")]
    assert names == ["of the feature"]
    assert errors == ["Suite fault: HOOK-ERROR in after_feature: RuntimeError: boom"]


def test_a_failed_step_stays_failed_when_a_hook_raises_too(tmp_path: Path) -> None:
    project = build(tmp_path, ONE.replace("it works", "it fails"), BOOM.format("after_scenario"))

    behave(project)

    [result] = results(project)
    assert result["status"] == "failed"
    assert result["statusDetails"]["message"] == (
        "LIFECYCLE-2: expected the end, got silence\nSuite fault: HOOK-ERROR in after_scenario: RuntimeError: boom"
    )


def test_plain_behave_takes_it_from_the_ini_beside_a_console(tmp_path: Path) -> None:
    project = build(tmp_path, TWO)
    ini = f"[behave]\npaths = features\nformat = {MENDED}\n  plain\noutfiles = allure-results\n  plain.txt\n"
    (project / "behave.ini").write_text(ini, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    run = subprocess.run(
        [sys.executable, "-m", "behave"], cwd=project, env=environment, capture_output=True, check=False, timeout=60
    )

    assert run.returncode == 0, run.stderr
    assert statuses(project) == [("One", "passed"), ("Two", "passed")]


def test_what_fail_fast_never_reached_leaves_no_result(tmp_path: Path) -> None:
    project = build(tmp_path, TWO.replace("it works", "it fails", 1))

    behave(project, MENDED, "--stop")

    assert statuses(project) == [("One", "failed")]


def test_a_dry_run_shows_each_step_once(tmp_path: Path) -> None:
    project = build(tmp_path, ONE.replace("When it works", "Given nobody wrote this\n        When it works"))

    behave(project, MENDED, "--dry-run")

    [result] = results(project)
    assert [(step["name"], step["status"]) for step in result["steps"]] == [
        ("Given nobody wrote this", "broken"),
        ("When it works", "skipped"),
    ]


IN_PROCESS = """
import json, sys
from behave.configuration import Configuration
from behave.formatter.base import StreamOpener
from behave.runner import Runner
from greenlight_gate.bdd.runner.allure_formatter import AllureFormatter
from greenlight_gate.bdd.runner.allure_outcome import scenario_key
from greenlight_gate.report.allure_results import clear_results

class Session(Runner):
    def run_model(self, features=None):
        clear_results(sys.argv[2])
        self.formatters = [AllureFormatter(StreamOpener(filename=sys.argv[2]), self.config)]
        self.results = self.formatters[0].results
        self.results.hold()
        return super().run_model(features)

told = []
for _ in range(2):
    runner = Session(Configuration([sys.argv[1], "--no-summary", "-f", "null"], load_config=False))
    def after_scenario(context, scenario, runner=runner):
        before = runner.results.files_written[:]
        if scenario.name == "Two":
            one = "functional/answers.feature:4"
            told.append([runner.results.fail(one, "CONTINUITY-1: a late event"), runner.results.release(one)])
            told.append([runner.results.fail(one, "too late"), len(before), len(runner.results.files_written)])
    runner.load_hooks = lambda runner=runner, hook=after_scenario: runner.hooks.update(after_scenario=hook)
    failed = runner.run()
    keys = [scenario_key(s) for f in runner.features for s in f.walk_scenarios()]
    told.append([runner.results.holds(keys[1]), runner.results.release(keys[1]), len(runner.results.files_written)])
    told.append([failed, sorted(runner.formatters[0].files_written), keys])
print(json.dumps(told))
"""


def test_a_held_result_takes_a_late_finding_and_two_runs_share_a_process(tmp_path: Path) -> None:
    project = build(tmp_path, TWO)
    command = [sys.executable, "-c", IN_PROCESS, str(project / "features"), str(project / "allure-results")]

    run = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, timeout=60)

    assert run.returncode == 0, run.stderr
    first, late, held, _, *second = told = json.loads(run.stdout.splitlines()[-1])
    assert first == [True, True]
    assert late == [False, 0, 1]
    assert held == [True, True, 2]
    assert second[:3] == told[:3]
    assert [each[2] for each in told[3::4]] == [["functional/answers.feature:4", "functional/answers.feature:7"]] * 2
    on_disk = sorted(path.name for path in (project / "allure-results").glob("*-result.json"))
    assert on_disk == told[-1][1]
    one, two = results(project)
    assert (one["status"], one["statusDetails"]) == ("failed", {"message": "CONTINUITY-1: a late event"})
    assert two["status"] == "passed"
