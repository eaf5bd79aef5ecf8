"""What is installed is what was tested: bounds, lock file, wheel, and the files that other tools read."""

import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import greenlight_gate
import pytest
from greenlight_gate.cli.command_line import parser
from greenlight_gate.extras import DISTRIBUTION
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "support" / "requirements.lock").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

RUNTIME = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
EXTRAS = {
    name: [requirement for requirement in map(Requirement, texts) if requirement.name != DISTRIBUTION]
    for name, texts in PROJECT["project"]["optional-dependencies"].items()
}
EVERY = [*RUNTIME, *(requirement for extra in EXTRAS.values() for requirement in extra)]
LOCKED = [*RUNTIME, *(requirement for name, extra in EXTRAS.items() if name != "bench" for requirement in extra)]
PINS = {
    str(canonicalize_name(name)): version
    for name, version in re.findall(r"^([\w.-]+)(?:\[.+\])?==(\S+)", LOCK, re.MULTILINE)
}


def name_of(requirement: Requirement) -> str:
    """The name under which registries know it."""
    return str(canonicalize_name(requirement.name))


@pytest.mark.parametrize("requirement", EVERY, ids=name_of)
def test_each_dependency_has_a_lower_and_an_upper_bound(requirement: Requirement) -> None:
    assert sorted(specifier.operator for specifier in requirement.specifier) == ["<", ">="]


def test_a_dependency_has_the_same_bounds_wherever_it_is_declared() -> None:
    bounds = {(name_of(requirement), str(requirement.specifier)) for requirement in EVERY}

    assert len(bounds) == len(set(map(name_of, EVERY)))


@pytest.mark.parametrize("requirement", LOCKED, ids=name_of)
def test_the_lock_holds_a_version_within_the_bounds(requirement: Requirement) -> None:
    assert requirement.specifier.contains(PINS[name_of(requirement)])


def test_each_pin_of_the_lock_has_hashes() -> None:
    blocks = re.split(r"^(?=\S+==)", LOCK, flags=re.MULTILINE)[1:]

    # A distribution may be pinned once for each of several Pythons.
    assert {re.split(r"==|\[", block)[0] for block in blocks} == set(PINS)
    assert [block.split("==")[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_lock_names_no_place() -> None:
    assert re.findall(r"://|^-|--(?:index|extra-index|find-links)| @ |\s/\w+/", LOCK, re.MULTILINE) == []


def test_the_lock_says_how_it_is_made() -> None:
    assert "uv pip compile pyproject.toml --extra test --universal" in LOCK.partition("\nallure")[0]


def test_each_dependency_is_explained_to_users_and_no_other() -> None:
    part = CHANGELOG.partition("### Dependencies")[2].partition("\n## ")[0]
    explained = [name.strip() for names in re.findall(r"^- ([^:]+):", part, re.MULTILINE) for name in names.split(",")]

    assert sorted(map(canonicalize_name, explained)) == sorted(set(map(name_of, EVERY)))


def test_there_is_one_version() -> None:
    assert greenlight_gate.__version__ == PROJECT["project"]["version"]
    assert f"[{greenlight_gate.__version__}]" in CHANGELOG or f"becomes {greenlight_gate.__version__}" in CHANGELOG


def test_the_hook_is_a_command_that_greenlight_knows() -> None:
    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    entries = re.findall(r"^  entry: greenlight (.+)$", hooks, re.MULTILINE)

    assert [parser().parse_args(entry.split()).categories for entry in entries] == [["functional"]]


def test_ci_runs_the_script_that_users_run() -> None:
    script = ROOT / ".ci" / "run"

    assert script.stat().st_mode & stat.S_IXUSR
    assert "run: .ci/run\n" in (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
