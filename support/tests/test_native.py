"""What was compiled runs only in place of the very sources that it was made of."""

import re
import shutil
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from support import native
from support.compile import MODULES


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where builds are looked for; nothing of this stays with the interpreter."""
    monkeypatch.setattr(sys, "meta_path", [each for each in sys.meta_path if not isinstance(each, native._Compiled)])
    monkeypatch.setattr(native, "FOLDER", tmp_path / "_native")
    return tmp_path / "_native"


def built(folder: Path, of: str) -> Path:
    """A build with one module and what all share."""
    rules = folder / of / "support" / "rules"
    rules.mkdir(parents=True)
    for name in ("support/rules/state", "shared__mypyc"):
        (folder / of / (name + EXTENSION_SUFFIXES[0])).touch()
    return rules / f"state{EXTENSION_SUFFIXES[0]}"


def test_without_a_build_the_sources_run(folder: Path) -> None:
    before = list(sys.meta_path)
    native.find_native()
    assert sys.meta_path == before
    assert native.described() == "interpreted"


def test_a_build_of_these_sources_runs(folder: Path) -> None:
    path = built(folder, native.digest())
    native.find_native()
    found = sys.meta_path[0]
    assert isinstance(found, native._Compiled)
    spec = found.find_spec("support.rules.state", None)
    assert spec is not None
    assert spec.origin == str(path)
    assert found.find_spec("support.rules.book", None) is None
    assert native.described() == "compiled (1 modules)"


def test_a_build_of_other_sources_does_not_run(folder: Path) -> None:
    built(folder, "0123456789abcdef0123")
    before = list(sys.meta_path)
    native.find_native()
    assert sys.meta_path == before
    assert native.described() == "interpreted (what was compiled is of other sources)"


@pytest.mark.parametrize(
    "name", ["rules/state.py", "rules/engine/outcome.py", "events.py", "wire/reader.py", "rules/new.py"]
)
def test_any_change_of_a_source_makes_other_sources(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "support"
    shutil.copytree(native.SUPPORT, copy, ignore=shutil.ignore_patterns("tests", "_native", "__pycache__", "_suite"))
    monkeypatch.setattr(native, "SUPPORT", copy)
    before = native.digest()
    with (copy / name).open("a", encoding="utf-8") as source:
        source.write("# changed\n")
    assert native.digest() != before


@pytest.mark.parametrize("name", MODULES)
def test_no_struct_is_compiled(name: str) -> None:
    # The compiler forgets what a struct is declared with: `frozen=True`, and that it is none for the collector.
    assert not re.search(r"^class .*\(.*Struct", native.SUPPORT.joinpath(f"{name}.py").read_text("utf-8"), re.MULTILINE)
