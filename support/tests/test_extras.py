"""Each extra is whole: what a part imports is declared, and where an extra is missing, one line says what to do."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.extras import DISTRIBUTION, MODULES, install_command, missing
from greenlight_gate.services.stack_folder import FOLDER_VARIABLE
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.tests.cli.process import Ran, mistaken, target
from support.tests.needs import needs_extra

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL: dict[str, list[str]] = PROJECT["optional-dependencies"]

# The extra that a file or a folder of support/ belongs to; the longest path decides. All else has no extra.
PARTS = {
    "greenlight_gate/backend/stack": "stack",
    "greenlight_gate/evidence/attestation.py": "sign",
    "greenlight_gate/cli/signing.py": "sign",
    "greenlight_gate/monitor/metric_families.py": "metrics",
    "greenlight_gate/monitor/metrics.py": "metrics",
    "greenlight_gate/monitor/metrics_server.py": "metrics",
    "greenlight_gate/monitor/run_spans.py": "otel",
    "greenlight_gate/monitor/tracing.py": "otel",
    "greenlight_gate/services/stack.py": "stack",
    "greenlight_gate/load/executors.py": "cluster",
    "greenlight_gate/wire/codecs/protobuf.py": "protobuf",
    "tests": "test",
    "benchmarks": "bench",
    "benchmarks/load_cluster.py": "cluster",
    "benchmarks/metrics_scrape.py": "metrics",
}
# Distributions that are imported under another name than their own.
IMPORTED_AS = {
    "allure-python-commons": ("allure", "allure_commons"),
    "attrs": ("attr",),
    "hdrhistogram": ("hdrh",),
    "opentelemetry-exporter-otlp-proto-http": ("opentelemetry",),
    "opentelemetry-sdk": ("opentelemetry",),
    "protobuf": ("google",),
    "pyhamcrest": ("hamcrest",),
    "pyjwt": ("jwt",),
    "pytest-xdist": ("xdist",),
    "pyyaml": ("yaml",),
    "websocket-client": ("websocket",),
}
OWN = {"greenlight_gate", "support", "steps"}
PROFILE = """
name = "mine"
[frame]
codecs = ["protobuf:chat.Event"]
descriptor = "AAAA"
[every]
run = "id"
[[event]]
when = { type = "end" }
is = "agent_completed"
[send.start]
text = "{prompt}"
"""


def declared(texts: list[str]) -> set[str]:
    """The names of the distributions that these requirements bring, with those of the extras of our own."""
    found: set[str] = set()
    for requirement in map(Requirement, texts):
        if requirement.name == PROJECT["name"]:
            found |= {name for extra in requirement.extras for name in declared(OPTIONAL[extra])}
        else:
            found.add(str(canonicalize_name(requirement.name)))
    return found


def importable(distributions: set[str]) -> set[str]:
    """The top-level names under which distributions are imported."""
    return {module for name in distributions for module in IMPORTED_AS.get(name, (name.replace("-", "_"),))}


def extra_of(path: Path) -> str:
    """The extra that a file belongs to, "" for none."""
    relative = path.relative_to(ROOT / "support") if path.is_relative_to(ROOT / "support") else Path()
    parts = [part for part in PARTS if relative.is_relative_to(part)]
    return PARTS[max(parts, key=len)] if parts else ""


def has_own_environment(path: Path) -> bool:
    """Whether it belongs to one of the servers that live tests start, each with packages of its own."""
    live = ROOT / "support" / "tests" / "live"
    return path.is_relative_to(live) and path.parent != live


def imported(source: str) -> Iterator[tuple[int, str]]:
    """Line and top-level name of each import that is not relative, also of those inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.partition(".")[0]


def test_each_import_is_declared_where_its_part_belongs() -> None:
    undeclared, third_party = [], 0
    for path in [*(ROOT / "support").rglob("*.py"), *(ROOT / "steps").rglob("*.py")]:
        if has_own_environment(path):
            continue
        extra = extra_of(path)
        allowed = importable(declared([*PROJECT["dependencies"], *OPTIONAL.get(extra, [])]))
        for line, module in imported(path.read_text(encoding="utf-8")):
            if module in sys.stdlib_module_names or module in OWN:
                continue
            third_party += 1
            if module not in allowed:
                where = f"[{extra}]" if extra else "dependencies"
                undeclared.append(f"{path.relative_to(ROOT)}:{line}: {module} is not in {where}")
    assert undeclared == []
    assert third_party > 500


def test_each_part_is_there_and_has_an_extra() -> None:
    assert [part for part in PARTS if not (ROOT / "support" / part).exists()] == []
    assert set(PARTS.values()) == set(OPTIONAL)


def test_an_import_is_seen_wherever_it_stands() -> None:
    source = "import os.path, a.b\nif x:\n    from c.d import e\ndef f():\n    import g as h\n    from . import i\n"

    assert list(imported(source)) == [(1, "os"), (1, "a"), (3, "c"), (5, "g")]


def test_the_test_extra_holds_every_extra_that_a_command_may_need() -> None:
    (own,) = [each for each in map(Requirement, OPTIONAL["test"]) if each.name == DISTRIBUTION]

    assert own.extras == set(MODULES)
    assert PROJECT["name"] == DISTRIBUTION


@pytest.mark.parametrize("extra", MODULES)
def test_an_extra_is_looked_for_by_what_it_installs(extra: str) -> None:
    by_name = {module.partition(".")[0] for module in MODULES[extra]}

    # greenlet comes with SQLAlchemy[asyncio], and only so.
    assert by_name - {"greenlet"} == importable(declared(OPTIONAL[extra])) - {"mypy"}


class Absent(MetaPathFinder):
    """Finds nothing of some modules, as if they were not installed."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self.modules = modules

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname in self.modules:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


@pytest.fixture(params=MODULES)
def absent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an extra, no package of which can be imported."""
    modules = MODULES[request.param]
    for name in [name for name in sys.modules if any(f"{name}.".startswith(f"{module}.") for module in modules)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(modules), *sys.meta_path])
    return str(request.param)


def attempts(extra: str, folder: Path) -> Iterator[Ran]:
    """Each command that needs an extra."""
    if extra == "cluster":
        yield mistaken(folder, "load", "--users", "1", "--cluster", "tcp://127.0.0.1:9")
    elif extra == "sign":
        yield mistaken(folder, "run", "--sign-key", "KEY")
        yield mistaken(folder, "load", "--users", "1", "--sign-key", "KEY")
        yield mistaken(folder, "verdict", "--sign-key", "KEY")
        yield mistaken(folder, "verdict", "--verify-key", "release.pub")
    elif extra == "metrics":
        yield mistaken(folder, "run", "--metrics-push", "greenlight.prom")
        yield mistaken(folder, "load", "--users", "1", "--metrics-push", "greenlight.prom")
    elif extra == "otel":
        yield mistaken(folder, "run", "--otlp", "http://127.0.0.1:9")
    elif extra == "protobuf":
        (folder / "mine.toml").write_text(PROFILE, encoding="utf-8")
        yield mistaken(folder, "profile", "check", "mine.toml")
        file = target(folder, "ws://127.0.0.1:9/ws")
        file.write_text('profile = "mine.toml"\n' + file.read_text(encoding="utf-8"), encoding="utf-8")
        for command in ("doctor", "run"):
            yield mistaken(folder, command, "--environment", "hostile.toml")
    else:
        env = {FOLDER_VARIABLE: str(folder / "services")}
        for command in ("run", "doctor"):
            yield mistaken(folder, command, "--environment", "local", env=env)
        yield mistaken(folder, "services", "start", env=env)
        for runtime in ("docker", "processes"):
            yield mistaken(folder, "services", "start", "--runtime", runtime, env=env)
        for variable in ("CHAT_DATABASE_URL", "CHAT_REDIS_URL"):
            yield mistaken(folder, "serve", env={variable: "x"})


def test_a_missing_extra_is_one_line_with_the_command_and_exit_code_3(absent: str, tmp_path: Path) -> None:
    for ran in attempts(absent, tmp_path):
        assert ran.code == 3
        (line,) = ran.err.splitlines()
        assert line.endswith(f"needs {', '.join(MODULES[absent])} of the extra [{absent}]: {install_command(absent)}")


def test_the_command_is_the_one_that_installs_it() -> None:
    assert install_command("stack") == f"pip install '{PROJECT['name']}[stack]'"


@pytest.mark.parametrize("extra", [pytest.param(extra, marks=needs_extra(extra)) for extra in MODULES])
def test_an_extra_that_is_there_is_not_asked_for(extra: str) -> None:
    assert missing(extra) == ""
