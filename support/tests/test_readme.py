"""The README says what is so: its tables, its numbers and its commands are held against the code."""

import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from greenlight_gate.backend.defects import REGISTRY
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.cli.command_line import parser
from greenlight_gate.cli.options import take_target_here
from greenlight_gate.events import FIVE
from greenlight_gate.rules.lifecycle import diagram
from greenlight_gate.rules.registry import as_markdown
from greenlight_gate.targets.settings import environments

from support.tests.cli.process import SECRET, environ

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RULES = (ROOT / "support/greenlight_gate/rules/README.md").read_text(encoding="utf-8")
MOST_LINES = 150

_READ_FROM_ENVIRONMENT = re.compile(r'environ(?:ment)?(?:, |\.get\(|\[)"([A-Z][A-Z0-9_]+)"')
_NAMED_VARIABLE = re.compile(r'_VARIABLE = "([A-Z][A-Z0-9_]+)"')
_NAMED_BY_A_TARGET = re.compile(r'^[^#\n]*?\b\w+_env = "([A-Z][A-Z0-9_]+)"', re.MULTILINE)
# What a CI service says of itself, for the report, and what is only handed on.
_NOT_OURS = re.compile(r"GITHUB_|GITLAB_|CI_|PYTHONPATH$|XDG_STATE_HOME$")


def commands() -> list[str]:
    """Every `greenlight ...` of the README, from the indented blocks and from the text."""
    blocks = re.findall(r"^ {4}(?:.*&& )?(greenlight .*?)(?: &)?$", README, re.MULTILINE)
    return sorted({*blocks, *re.findall(r"`(greenlight [^`]+)`", README)})


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= MOST_LINES


def test_two_commands_set_everything_up_and_ci_runs_them_as_they_stand() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    (reads,) = re.findall(r"^readme_commands\(\) \{\n.*?^\}\n", script, re.DOTALL | re.MULTILINE)
    ran = subprocess.run(
        ["bash", "-c", f"{reads}readme_commands"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert ran.stdout.splitlines() == ["pip install -e . && greenlight run", "pip install -e '.[test]' && pytest"]
    assert all(f"    {command}\n" in README for command in ran.stdout.splitlines())
    # What stands before && is run for all Pythons side by side, what stands behind it one by one.
    (parts,) = re.findall(r"^install=.*$", script, re.MULTILINE)
    split = subprocess.run(
        ["bash", "-c", f'mapfile -t commands\n{parts}\nprintf "%s\\n" "${{install[@]}}" "${{rest[@]}}"'],
        input=ran.stdout, capture_output=True, text=True, check=True,
    )  # fmt: skip
    installs, rest = split.stdout.splitlines()[:2], split.stdout.splitlines()[2:]
    assert installs == ["pip install -e .", "pip install -e '.[test]'"]
    assert rest == ["greenlight run", "pytest"]
    assert script.count('alone "$python" first "${install[0]}"') == 1
    assert script.count('in_own "$python" first "${rest[0]}"') == 1
    assert script.count('alone "$python" second "${install[1]}"') == 1
    assert script.count('tested "$options" "$python" second "${rest[1]}"') == 1


@pytest.mark.parametrize(
    ("part", "current"), [("rules", as_markdown()), ("lifecycle", f"```mermaid\n{diagram()}\n```")]
)
def test_what_is_generated_of_the_rules_is_current(part: str, current: str) -> None:
    table = re.search(rf"<!-- {part}: begin.*? -->\n(.*)\n<!-- {part}: end -->", RULES, re.DOTALL)

    assert table is not None
    assert table[1] == current, "put in what the command in the comment prints"


def test_the_table_of_variables_is_complete_and_holds_nothing_else() -> None:
    sources = list((ROOT / "support" / "greenlight_gate").rglob("*.py"))
    texts = [path.read_text(encoding="utf-8") for path in sources]
    read = {name for text in texts for name in _READ_FROM_ENVIRONMENT.findall(text) + _NAMED_VARIABLE.findall(text)}
    for target in (ROOT / "support" / "greenlight_gate" / "targets").glob("*.toml"):
        read.update(_NAMED_BY_A_TARGET.findall(target.read_text(encoding="utf-8")))
    rows = re.search(r"^\| variable \|.*?\n\n", README, re.DOTALL | re.MULTILINE)

    assert rows is not None
    first_cells = [row.split("|")[1] for row in rows[0].strip().splitlines()]
    listed = {name for cell in first_cells for name in re.findall(r"`([A-Z_]+)`", cell)}
    assert listed == {name for name in read if not _NOT_OURS.match(name)}


def test_there_are_commands_to_try() -> None:
    assert len(commands()) >= 10


@pytest.mark.parametrize("command", commands())
def test_every_command_is_one_that_greenlight_knows(command: str) -> None:
    options = parser().parse_args(shlex.split(command)[1:])
    take_target_here(options)

    environment = getattr(options, "environment", None) or "embedded"
    assert environment in environments() or environment == "mine.toml"
    named = [name.partition("=")[0] for name in getattr(options, "defect", []) if name != "NAME"]
    assert all(name in REGISTRY for name in named)


def test_the_files_that_it_names_exist() -> None:
    named = re.findall(r"`((?:support|features|steps|\.ci)/[\w./-]*)`", README)

    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_script_works_as_it_stands(tmp_path: Path) -> None:
    (script,) = re.findall(r"^ {4}python - <<'END'\n((?: {4}.*\n)+?) {4}END$", README, re.MULTILINE)
    (tmp_path / "script.py").write_text(textwrap.dedent(script), encoding="utf-8")

    with BackendProcess.start(env={"CHAT_JWT_SECRET": SECRET}) as backend:
        ran = subprocess.run(
            [sys.executable, "script.py"], cwd=tmp_path, env=environ({"WEBSOCKET_TEST_URL": backend.url}),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert (ran.returncode, ran.stderr) == (0, "")
    kinds, summary = ran.stdout.splitlines()
    assert kinds == str([str(kind) for kind in (FIVE[0], FIVE[1], FIVE[2], FIVE[3], FIVE[1], FIVE[4])])
    assert "tried=1, made=1" in summary
    assert summary.endswith("success_rate_percent=100.0) ()")
