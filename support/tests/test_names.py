"""Documents, messages and sources use the names that are ours.

The distribution is `greenlight-gate`: `greenlight` on PyPI belongs to somebody else. The import package is
`greenlight_gate`: `support` is its source root, and of it only `support.tests` and `support.benchmarks` are imported.
"""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (".ci", ".github", "features", "steps", "support")
SUFFIXES = {".feature", ".html", ".ini", ".json", ".lock", ".md", ".py", ".sh", ".toml", ".yaml", ".yml"}
SERVICES = ROOT / "support/greenlight_gate/services"

_OURS = r"(?!(?:tests|benchmarks)\b)"
_INSTALLS = r"(?:pip3? install|pipx install|pipx run(?! --spec)|uvx(?! --from)|uv (?:pip install|add|tool install))"
WRONG = {
    "an extra or a version of the distribution `greenlight`": re.compile(r"(?<![\w-])greenlight(?:\[|[=~<>!]=)"),
    "a command that installs `greenlight`": re.compile(rf"\b{_INSTALLS}\b[^\n`|&;]*?[ '\"]greenlight(?![\w-])"),
    "a module of an import package `support`": re.compile(rf"(?<![\w./-])support\.{_OURS}[a-z_]+\b(?!/)"),
    "an import of `support`": re.compile(r"^\s*(?:import support|from support import)\b(?!\.)", re.MULTILINE),
    "a path from before the package moved": re.compile(
        r"(?<![\w./-])support/(?!greenlight_gate|tests|benchmarks|README|requirements|action|gitlab|container/|kubernetes|skill)\w+"
    ),
}


def texts() -> dict[str, str]:
    """Every document and source by its path from the root, but for this file."""
    found = [path for path in ROOT.iterdir() if path.is_file() and path.suffix in SUFFIXES]
    found += [ROOT / ".pre-commit-hooks.yaml", ROOT / ".ci" / "run", SERVICES / "Dockerfile"]
    found += [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8", errors="replace")
        for path in sorted({*found} - {Path(__file__).resolve()})
    }


TEXTS = texts()


@pytest.mark.parametrize("wrong", WRONG)
def test_no_document_or_source_uses_a_name_that_is_not_ours(wrong: str) -> None:
    hits = [
        f"{name}:{text.count(chr(10), 0, found.start()) + 1}: {found[0].strip()}"
        for name, text in TEXTS.items()
        for found in WRONG[wrong].finditer(text)
    ]

    assert hits == []


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ("an extra or a version of the distribution `greenlight`", "pip install 'greenlight[stack]'"),
        ("an extra or a version of the distribution `greenlight`", "greenlight==0.1.0"),
        ("a command that installs `greenlight`", "python -m pip install greenlight"),
        ("a command that installs `greenlight`", "uvx greenlight run"),
        ("a module of an import package `support`", "python -m support.assurance.false_alarms 20"),
        ("a module of an import package `support`", "from support.client import session"),
        ("an import of `support`", "import support\n"),
        ("a path from before the package moved", "see support/wire/README.md"),
    ],
)
def test_each_wrong_name_is_found(wrong: str, text: str) -> None:
    assert WRONG[wrong].search(text)


@pytest.mark.parametrize(
    "text",
    [
        "pip install -e . && greenlight run", "pip install 'greenlight-gate[stack]'", "pipx install greenlight-gate",
        "uvx --from greenlight-gate greenlight run", "python -m support.tests.wire.make_notes",
        "from support.benchmarks.fast import serving", "support/greenlight_gate/wire/README.md", "support/README.md",
    ],
)  # fmt: skip
def test_no_right_name_is_taken_for_a_wrong_one(text: str) -> None:
    assert [wrong for wrong, pattern in WRONG.items() if pattern.search(text)] == []


def test_all_kinds_of_files_are_read() -> None:
    assert {
        "README.md", "CHANGELOG.md", "pyproject.toml", ".ci/run", "support/greenlight_gate/wire/README.md",
        "support/greenlight_gate/targets/staging.toml", "support/greenlight_gate/cli/main.py",
        "support/greenlight_gate/services/compose.yaml", "support/tests/test_packaging.py",
    } <= set(TEXTS)  # fmt: skip
    assert {"features", "steps", ".github"} <= {name.partition("/")[0] for name in TEXTS}


def test_the_image_is_built_of_files_that_exist() -> None:
    compose = yaml.safe_load((SERVICES / "compose.yaml").read_text(encoding="utf-8"))
    build = compose["x-backend"]["build"]
    context = (SERVICES / build["context"]).resolve()

    assert (context / build["dockerfile"]).resolve() == SERVICES / "Dockerfile"
    copied = re.findall(r"^COPY (.+) \S+$", (SERVICES / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    sources = [name for names in copied for name in names.split()]
    assert sources
    assert [name for name in sources if not (context / name).exists()] == []
