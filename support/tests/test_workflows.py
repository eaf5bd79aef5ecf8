"""The workflows: each is YAML of the form that GitHub reads, and calls nothing that does not exist."""

import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from greenlight_gate.cli.command_line import parser

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def steps(path: Path) -> list[dict[str, Any]]:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    # YAML 1.1 reads the word `on` as true.
    assert {"name", True, "permissions", "jobs"} <= set(workflow)
    jobs = workflow["jobs"].values()
    assert all(job["runs-on"] and job["timeout-minutes"] for job in jobs)
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_each_step_does_one_thing(path: Path) -> None:
    for step in steps(path):
        assert ("run" in step) != ("uses" in step), step
        own = step.get("uses", "").startswith("./") and (ROOT / step["uses"] / "action.yml").is_file()
        assert "uses" not in step or own or re.fullmatch(r"[\w./-]+@v\d+", step["uses"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_commands_exist(path: Path) -> None:
    lines = [line for step in steps(path) for line in re.split(r"\n| && ", step.get("run", "")) if line.strip()]
    assert lines
    for line in lines:
        command, *arguments = shlex.split(line)
        if command == "greenlight":
            parser().parse_args(arguments)
        elif command == "python":
            assert arguments[0] == "-m"
            assert importlib.util.find_spec(arguments[1]) is not None, line
        elif command == "pip":
            files = [ROOT / arguments[n + 1] for n, word in enumerate(arguments) if word == "-r"]
            assert all(file.is_file() for file in files), line
        else:
            assert (ROOT / command).is_file(), line


def test_the_weekly_one_watches_for_half_an_hour_and_keeps_the_history_also_of_a_bad_week() -> None:
    (soak,) = [path for path in WORKFLOWS if path.stem == "soak"]
    by_use = {step.get("uses", step.get("run", "")).partition("@")[0]: step for step in steps(soak)}
    options = parser().parse_args(shlex.split(next(run for run in by_use if run.startswith("greenlight run")))[1:])

    assert (options.soak, options.timeout, options.categories) == (1800, 4500, None)
    restored, saved = by_use["actions/cache/restore"], by_use["actions/cache/save"]
    assert restored["with"]["path"] == saved["with"]["path"] == f"{options.output_dir}/history.sqlite"
    assert saved["with"]["key"].startswith(restored["with"]["restore-keys"])
    assert (saved["if"], by_use["greenlight history"]["if"]) == ("always()", "always()")
