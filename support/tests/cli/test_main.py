"""The command line itself: what it accepts, what it says of mistakes, and that its help shows how."""

import argparse
import json
from importlib.metadata import version
from pathlib import Path

import pytest
from greenlight_gate.categories import CATEGORIES
from greenlight_gate.cli.command_line import parser
from greenlight_gate.cli.main import main

from support.tests.cli.process import mistaken

JUDGED = "0 approved, 1 blocked, 2 inconclusive, 3 misconfigured, 130 interrupted"
EXIT_CODES = {
    "completion": "0 printed, 3 misconfigured",
    "doctor": "0 no problems, 1 a problem, 3 misconfigured, 130 interrupted",
    "history": "0 listed, 3 misconfigured",
    "history compare": "0 nothing passed less often, 1 a regression, 2 a difference that may be noise, 3 misconfigured",
    "init": "0 written, and doctor reports no problems; 1 written, and there is a problem; 3 misconfigured, nothing "
    "written; 130 interrupted, nothing written",
    "model": "0 stopped, 3 misconfigured",
    "monitor": "0 ended by SIGTERM, 3 misconfigured, 130 interrupted; with --rounds: 0 all rounds passed, 1 a round "
    "failed, 2 a round was unreachable, skipped or broken, 3 misconfigured, 130 interrupted",
    "profile check": "0 no problems, 1 a problem, 3 misconfigured",
    "profile draft": "0 drafted, 3 misconfigured",
    "schema": "0 printed, 3 misconfigured",
    "steps": "0 listed, 3 misconfigured",
    "serve": "0 stopped, 3 misconfigured",
    "services": "0 done, 1 a service is not up, 3 misconfigured, 130 interrupted",
}


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(argv)
    out, err = capsys.readouterr()
    assert (end.value.code, out, err.count("\n")) == (3, "", 1)
    return str(err)


def commands() -> dict[str, argparse.ArgumentParser]:
    """Every command by its words; of one that has actions, each action."""
    found: dict[str, argparse.ArgumentParser] = {}
    for name, command in _choices(parser()).items():
        actions = _choices(command)
        found |= {f"{name} {action}": inner for action, inner in actions.items()}
        # `history` does something without an action as well.
        found |= {name: command} if not actions or name == "history" else {}
    return found


def _choices(command: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = [action.choices for action in command._actions if isinstance(action.choices, dict)]
    return dict(found[0]) if found else {}


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["run", "--enviroment", "x"], "unrecognized arguments: --enviroment x; expected one of --environment, "),
        (["run", "--tmeout=9"], "unrecognized arguments: --tmeout=9; expected one of --timeout, "),
        (["run", "--env", "x"], "unrecognized arguments: --env x; expected one of --"),
        (["verdict", "--outputdir", "x"], "expected one of --output-dir, "),
        (["vredict"], "unknown command 'vredict', expected one of verdict, "),
        (["profile", "chek"], "unknown command 'chek', expected one of check, capture, draft"),
        (["profile"], "the following arguments are required: ACTION"),
        (["it's"], 'unknown command "it\'s", expected one of '),
        (["run", "--categories", "functinal"], "unknown category 'functinal', expected one of functional, "),
        (["run", "--categories"], "argument --categories: expected at least one argument"),
        (["run", "--timeout", "0"], "expected a number greater than 0, got '0'"),
        (["run", "--timeout", "nan"], "expected a number greater than 0, got 'nan'"),
        (["run", "--timeout", "soon"], "expected a number greater than 0, got 'soon'"),
        (["run", "--performance-threshold", "inf"], "expected a number greater than 0, got 'inf'"),
    ],
)
def test_a_mistake_is_one_line_with_the_nearest_name_first(
    capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    assert said in refused(capsys, *argv)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["run", "--ci-mode", "--tmeout=9"], "unrecognized arguments: --tmeout=9; expected one of --timeout, "),
        (["run", "--ci-mode", "--environment", "no.toml"], "no.toml"),
        (["verdict", "--ci-mode", "--output-dir", "no-reports"], "no-reports: has no validation session"),
        (["verdict", "--ci-mode", "--timeout", "0"], "expected a number greater than 0, got '0'"),
    ],
)
def test_a_mistake_in_ci_mode_is_four_lines_as_well(tmp_path: Path, argv: list[str], said: str) -> None:
    ran = mistaken(tmp_path, *argv)

    first, reason, *others = ran.out.splitlines()
    assert (ran.code, first, others) == (3, "VALIDATION_RESULT=MISCONFIGURED", ["REPORT=", "SCOPE=none"])
    assert reason.startswith("FAILURE_REASON=")
    assert said in reason
    assert ran.err.splitlines()[-1] == f"greenlight: {reason.partition('=')[2]}"


def test_no_command_shows_the_help_and_what_to_do_next_and_approves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 3
    out, err = capsys.readouterr()
    assert (out.startswith("usage: greenlight"), err) == (True, "")
    assert "next:\n  greenlight run  " in out


@pytest.mark.parametrize(
    "argv",
    [
        ["run", "--format", "json-lines", "--environment", "no.toml"],
        ["run", "--tmeout", "9", "--format=json-lines"],
        ["verdict", "--format", "json-lines", "--output-dir", "no-reports"],
    ],
)
def test_a_mistake_is_an_object_where_json_lines_are_asked_for(tmp_path: Path, argv: list[str]) -> None:
    ran = mistaken(tmp_path, *argv)
    said = json.loads(ran.out)

    assert (ran.code, said["kind"], said["verdict"]) == (3, "verdict", "MISCONFIGURED")
    assert said["reason"] in ran.err


def test_four_lines_and_json_lines_at_once_are_a_mistake(tmp_path: Path) -> None:
    ran = mistaken(tmp_path, "run", "--ci-mode", "--format", "json-lines")

    assert (ran.code, "not allowed with argument" in ran.err) == (3, True)


def test_categories_are_repeated_or_listed() -> None:
    options = parser().parse_args(["run", "--categories", "stress", "security", "--categories", "functional"])

    assert options.categories == ["stress", "security", "functional"]
    assert set(options.categories) < set(CATEGORIES)


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_option_has_an_example_or_a_default(name: str) -> None:
    options = [action for action in commands()[name]._actions if action.dest != "help"]

    assert [action.dest for action in options if "example: " not in str(action.help)] == (
        ["session"] if name == "verdict" else []
    )
    assert "\nexample: greenlight " in f"\n{commands()[name].epilog}"


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])

    assert (end.value.code, *capsys.readouterr()) == (0, f"greenlight {version('greenlight-gate')}\n", "")


@pytest.mark.parametrize("name", sorted(commands()))
def test_help_says_what_the_exit_codes_mean_in_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        main([*name.split(), "--help"])

    assert end.value.code == 0
    help_ = capsys.readouterr().out
    assert f"exit codes: {EXIT_CODES.get(name, JUDGED)}" in " ".join(help_.split()).split(" example: ")[-1]
    assert [line for line in help_.splitlines() if len(line) > 80] == []
    # What is to be copied stands on one line.
    assert f"\n{str(commands()[name].epilog).partition(chr(10))[0]}\n" in help_
