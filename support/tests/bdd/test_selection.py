"""Which scenarios run: shards that are together the whole, and what failed in a session before."""
# mypy: allow-untyped-calls

from pathlib import Path

import pytest
from behave.configuration import Configuration
from greenlight_gate.bdd.runner.selection import EVERYTHING, Selection, failed_in, listed, newest_of
from greenlight_gate.targets.sections import SuiteSection
from greenlight_gate.targets.settings import suite_root

from support.tests.cli.process import judged, mistaken
from support.tests.evidence.folders import ENDED, FINISHED, SELECTED, write
from support.tests.team import repository

FEW = ("--categories", "functional", "--tags", "not @alone", "--shard", "2/9")


def test_shards_together_are_the_whole_and_share_no_scenario() -> None:
    configuration = Configuration([str(suite_root() / "features" / "security")], load_config=False)
    whole = listed(configuration, EVERYTHING, SuiteSection())

    parts = [listed(configuration, Selection((number, 3)), SuiteSection()) for number in (1, 2, 3)]

    assert sorted(each for part in parts for each in part) == sorted(whole)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_scenarios_of_the_team_are_listed_by_the_key_that_a_session_gives_them(tmp_path: Path) -> None:
    """Otherwise --last-failed and --shard would list others than they run. A link in the folder belongs to it."""
    repository(tmp_path)
    elsewhere = tmp_path / "elsewhere" / "security" / "more.feature"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_text("Feature: More\n  Example: Linked\n    Given Ada is in a conversation\n", encoding="utf-8")
    (tmp_path / "features" / "linked.feature").symlink_to(elsewhere)
    folder = (tmp_path / "features").resolve()
    configuration = Configuration([str(folder)], load_config=False)
    failed = Selection(
        failed=frozenset({("own/orders.feature", "The number is right"), ("own/linked.feature", "Linked")})
    )

    assert listed(configuration, failed, SuiteSection(features=str(folder))) == [
        ("own/linked.feature:2", "Linked"), ("own/orders.feature:5", "The number is right")
    ]  # fmt: skip


def test_what_failed_is_what_did_not_pass_or_has_findings_or_has_no_end(tmp_path: Path) -> None:
    given = {
        "passed": {},
        "failed": {},
        "broken": {},
        "not_exercised": {},
        "found": {"outcome": "passed", "findings": 2},
    }
    keys = {name: f"functional/answers.feature:{line}" for line, name in enumerate([*given, "unfinished"], 1)}
    selected = [{**SELECTED, "key": key, "name": name} for name, key in keys.items()]
    finished = [{**FINISHED, "outcome": name, **more, "key": keys[name]} for name, more in given.items()]
    folder = write(tmp_path / "validation_session_5", *selected, *finished, ENDED)

    assert {name for _, name in failed_in(folder)} == {"failed", "broken", "found", "unfinished"}
    assert {file for file, _ in failed_in(folder)} == {"functional/answers.feature"}


def test_the_newest_session_is_that_of_the_same_target(tmp_path: Path) -> None:
    for number, environment in ((9, "mine"), (10, "mine"), (11, "other")):
        write(tmp_path / f"validation_session_{number}", session={"environment": environment})
    (tmp_path / "validation_session_12").mkdir()

    assert newest_of(tmp_path, "mine") == tmp_path / "validation_session_10"
    assert newest_of(tmp_path, "nobody") is None


def test_a_shard_is_judged_and_its_failures_run_again(tmp_path: Path) -> None:
    first = judged(tmp_path, *FEW, "--defect", "tool_name_missing")
    failed = failed_in(first.session)
    again = mistaken(tmp_path, "run", "--output-dir", "reports", "--environment", "embedded", "--last-failed", "--list")

    assert (first.code, first.verdict, len(failed) > 0) == (1, "BLOCKED", True), first.out
    assert "Took " in first.out
    assert " functional scenarios were selected." in first.report["deployment_decision"]["reason"]
    *listed_again, last = again.out.splitlines()
    assert (again.code, last) == (0, f"{len(failed)} scenario{'s' * (len(failed) != 1)} would run."), again.err
    assert {line.partition("  ")[2] for line in listed_again} == {name for _, name in failed}


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("--shard", "4/3"), "argument --shard: expected a part of several, such as 1/3, got '4/3'"),
        (("--shard", "1"), "argument --shard: expected a part of several, such as 1/3, got '1'"),
        (("--list", "--ci-mode"), "--list: runs and judges nothing"),
        (("--last-failed", "--list"), "--last-failed: reports has no session of embedded; run without it first"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: tuple[str, ...], wrong: str) -> None:
    ran = mistaken(tmp_path, "run", "--output-dir", "reports", *arguments)

    assert (ran.code, ran.err.count("\n"), wrong in ran.err) == (3, 1, True), ran.err


def test_after_a_session_without_failures_nothing_runs_again(tmp_path: Path) -> None:
    write(tmp_path / "reports" / "validation_session_5", session={"environment": "embedded"})

    ran = mistaken(tmp_path, "run", "--output-dir", "reports", "--last-failed")

    assert (ran.code, "no scenario of reports/validation_session_5 failed; run without it" in ran.err) == (3, True)
