"""What is installed is what was tested: bounds, lock file, wheel, and the files that other tools read."""

import os
import re
import stat
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import support
from support.cli import parser
from support.options.common import CATEGORIES

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "support" / "requirements.lock").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

RUNTIME = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
EXTRAS = {
    name: [Requirement(text) for text in texts] for name, texts in PROJECT["project"]["optional-dependencies"].items()
}
EVERY = [*RUNTIME, *(requirement for extra in EXTRAS.values() for requirement in extra)]
PINS = {str(canonicalize_name(name)): version for name, version in re.findall(r"^(\S+?)==(\S+)", LOCK, re.MULTILINE)}

# Parts of a dependency's own interface that another distribution provides.
HANDED_ON = {"allure-python-commons", "attrs", "cucumber-tag-expressions", "h11"}


def name_of(requirement: Requirement) -> str:
    """The name under which registries know it."""
    return str(canonicalize_name(requirement.name))


@pytest.mark.parametrize("requirement", EVERY, ids=name_of)
def test_each_dependency_has_a_lower_and_an_upper_bound(requirement: Requirement) -> None:
    assert sorted(specifier.operator for specifier in requirement.specifier) == ["<", ">="]


@pytest.mark.parametrize("requirement", [*RUNTIME, *EXTRAS["stack"], *EXTRAS["test"]], ids=name_of)
def test_the_lock_holds_a_version_within_the_bounds(requirement: Requirement) -> None:
    assert requirement.specifier.contains(PINS[name_of(requirement)])


def test_each_pin_of_the_lock_has_hashes() -> None:
    blocks = re.split(r"^(?=\S+==)", LOCK, flags=re.MULTILINE)[1:]

    # A distribution may be pinned once for each of several Pythons.
    assert {block.split("==")[0] for block in blocks} == set(PINS)
    assert [block.split("==")[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_lock_names_no_place() -> None:
    assert re.findall(r"://|^-|--(?:index|extra-index|find-links)| @ |\s/\w+/", LOCK, re.MULTILINE) == []


def test_the_lock_says_how_it_is_made() -> None:
    assert "uv pip compile pyproject.toml --extra stack --extra test --universal" in LOCK.partition("\nallure")[0]


def test_each_dependency_is_explained_to_users_and_no_other() -> None:
    part = CHANGELOG.partition("### Dependencies")[2].partition("\n## ")[0]
    explained = [name.strip() for names in re.findall(r"^- ([^:]+):", part, re.MULTILINE) for name in names.split(",")]

    assert sorted(map(canonicalize_name, explained)) == sorted(set(map(name_of, EVERY)))


def test_what_is_imported_is_declared() -> None:
    providers = packages_distributions()
    # What an extra brings is imported where it is used, and its absence is said.
    extras = [*EXTRAS["cluster"], *EXTRAS["protobuf"], *EXTRAS["stack"]]
    declared = {name_of(requirement) for requirement in [*RUNTIME, *extras]} | HANDED_ON
    undeclared = set()
    for path in [*(ROOT / "support").rglob("*.py"), *(ROOT / "steps").rglob("*.py")]:
        if {"tests", "benchmarks"} & set(path.relative_to(ROOT).parts):
            continue
        for module in re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            provided_by = {str(canonicalize_name(name)) for name in providers.get(module, [])} - {"greenlight"}
            if provided_by and not provided_by & declared:
                undeclared.add(f"{path.relative_to(ROOT)}: {module}")
    assert undeclared == set()


def test_there_is_one_version() -> None:
    assert support.__version__ == PROJECT["project"]["version"]
    assert f"[{support.__version__}]" in CHANGELOG or f"becomes {support.__version__}" in CHANGELOG


def test_the_hook_is_a_command_that_greenlight_knows() -> None:
    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    entries = re.findall(r"^  entry: greenlight (.+)$", hooks, re.MULTILINE)

    assert [parser().parse_args(entry.split()).categories for entry in entries] == [["functional"]]


def test_ci_runs_the_script_that_people_run() -> None:
    script = ROOT / ".ci" / "run"

    assert script.stat().st_mode & stat.S_IXUSR
    assert "run: .ci/run\n" in (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_wheel_judges_from_any_folder(tmp_path: Path) -> None:
    wheels, site, elsewhere = tmp_path / "wheels", tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    _pip("wheel", "--no-deps", "--wheel-dir", wheels, ROOT)
    (wheel,) = wheels.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()

    shipped = {name.removeprefix("support/_suite/") for name in names if name.startswith("support/_suite/")}
    sources = [
        path for folder in ("features", "steps") for path in (ROOT / folder).rglob("*.*") if path.suffix != ".pyc"
    ]
    assert shipped == {str(path.relative_to(ROOT)) for path in sources}
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"support"}
    assert [name for name in names if name.startswith(("support/tests/", "support/benchmarks/"))] == []

    _pip("install", "--no-deps", "--target", site, wheel)
    command = [sys.executable, "-m", "support.cli", "run", "--categories", "functional", "--ci-mode"]
    environ = {name: value for name, value in os.environ.items() if name != "WEBSOCKET_TEST_URL"}
    environ["PYTHONPATH"] = str(site)
    done = subprocess.run(command, check=False, cwd=elsewhere, env=environ, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("VALIDATION_RESULT=APPROVED\n")
    assert set(CATEGORIES) >= {name.split("/")[1] for name in shipped if name.startswith("features/")} - {"assurance"}


def _pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
