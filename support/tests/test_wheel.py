"""The wheel in an environment of its own, without any extra, used from an empty folder outside the checkout."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from greenlight_gate.categories import CATEGORIES
from greenlight_gate.evidence.session_folder import order_of
from greenlight_gate.extras import MODULES, install_command

from support.tests.cli.process import ROOT, SECRET
from support.tests.team import WAIVERS, repository
from support.tests.test_extras import PROFILE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
FOLDER = "empty folder of Zoë"
EXTRA_NEEDED = {
    "cluster": ["greenlight", "load", "--users", "1", "--cluster", "tcp://127.0.0.1:9"],
    "metrics": ["greenlight", "monitor", "--metrics", "127.0.0.1:0"],
    "otel": ["greenlight", "monitor", "--otlp", "http://127.0.0.1:9"],
    "protobuf": ["greenlight", "profile", "check", "mine.toml"],
    "sign": ["greenlight", "verdict", "reports", "--verify-key", "mine.toml"],
    "stack": ["greenlight", "services", "start"],
}


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel and what it depends on. `folder`: an empty one to work in."""

    programs: Path
    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        unwanted = {"WEBSOCKET_TEST_URL", "PYTHONPATH", "VIRTUAL_ENV"}
        kept = {name: value for name, value in os.environ.items() if name not in unwanted}
        return {**kept, "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}", "CHAT_JWT_SECRET": SECRET}

    def __call__(self, *command: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """Runs one of its programs to the end. `more`: further variables."""
        return subprocess.run(
            [self.programs / command[0], *command[1:]], cwd=self.folder, env={**self.environ, **more}, check=False,
            capture_output=True, text=True, timeout=200,
        )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of the source distribution, as users who upload it do."""
    folder = tmp_path_factory.mktemp("dist")
    _done(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment that holds the wheel."""
    environment = tmp_path_factory.mktemp("environment")
    _done(sys.executable, "-m", "venv", environment)
    _done(environment / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet", "install", wheel)
    return environment / "bin"


@pytest.fixture
def installed(programs: Path, tmp_path: Path) -> Installed:
    folder = tmp_path / FOLDER
    folder.mkdir()
    return Installed(programs, folder)


def test_it_holds_the_whole_suite_and_nothing_of_its_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    inside = "greenlight_gate/_suite/"
    shipped = {name.removeprefix(inside) for name in names if name.startswith(inside)}
    sources = [
        path for folder in ("features", "steps") for path in (ROOT / folder).rglob("*.*") if path.suffix != ".pyc"
    ]
    assert shipped == {str(path.relative_to(ROOT)) for path in sources}
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"greenlight_gate"}
    assert "greenlight_gate/py.typed" in names
    assert set(CATEGORIES) >= {name.split("/")[1] for name in shipped if name.startswith("features/")} - {"assurance"}


def test_it_is_what_is_imported(installed: Installed) -> None:
    found = installed("python", "-c", "import greenlight_gate; print(greenlight_gate.__file__)")

    assert Path(found.stdout.strip()).is_relative_to(installed.programs.parent)


def test_a_session_is_run_judged_again_and_remembered(installed: Installed) -> None:
    ran = installed("greenlight", "run", "--categories", "functional", "--ci-mode")
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (0, "VALIDATION_RESULT=APPROVED"), ran.stdout + ran.stderr
    (session,) = (installed.folder / "websocket_validation_reports").glob("validation_session_*")

    judged = installed("greenlight", "verdict", str(session))
    assert (judged.returncode, "APPROVED" in judged.stdout) == (0, True), judged.stdout + judged.stderr
    page = (installed.folder / session / "verdict.html").read_text(encoding="utf-8")
    assert [part in page for part in ("class Timeline", "class Viewer", ".timeline {", 'class="packed"')] == [True] * 4

    remembered = installed("greenlight", "history")
    assert (remembered.returncode, "APPROVED" in remembered.stdout) == (0, True), remembered.stdout + remembered.stderr


def test_the_backend_is_served_and_examined(installed: Installed) -> None:
    with _served(installed) as serve:
        assert serve.stdout is not None
        ready = json.loads(serve.stdout.readline())
        examined = installed("greenlight", "doctor", "--environment", "staging", WEBSOCKET_TEST_URL=ready["url"])
        serve.terminate()
        assert serve.wait(20) == 0
    assert (examined.returncode, "one run" in examined.stdout) == (0, True), examined.stdout + examined.stderr


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["load", "--users", "5", "--duration", "1"], "APPROVED"),
        (["profile", "check", "ag-ui"], "the profile can be used"),
        (["schema"], '"$schema"'),
        (["steps", "tool", "thinking"], "receives these events in this order"),
        (["doctor"], "one run"),
        (["--help"], "services"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_works(installed: Installed, command: list[str], shown: str) -> None:
    ran = installed("greenlight", *command)

    assert (ran.returncode, shown in ran.stdout) == (0, True), ran.stdout + ran.stderr


@pytest.mark.parametrize("extra", MODULES)
def test_an_extra_that_is_not_there_is_one_line_and_exit_code_3(installed: Installed, extra: str) -> None:
    (installed.folder / "mine.toml").write_text(PROFILE, encoding="utf-8")
    ran = installed(*EXTRA_NEEDED[extra], GREENLIGHT_SERVICES_DIR=str(installed.folder / "services"))

    (line,) = ran.stderr.splitlines()
    assert ran.returncode == 3
    assert line.startswith("greenlight: ")
    assert line.endswith(f" of the extra [{extra}]: {install_command(extra)}")


def test_a_team_s_own_feature_and_rule_approve_and_block(installed: Installed) -> None:
    packages = str(repository(installed.folder))
    run = ("greenlight", "run", "--environment", "greenlight.toml", "--categories", "own", "--ci-mode")
    ran = installed(*run, "--tags", "not @wrong", PYTHONPATH=packages)
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (0, "VALIDATION_RESULT=APPROVED"), ran.stdout + ran.stderr

    failing = installed(*run, "--tags", "not @wrong", PYTHONPATH=packages, ACME_FAILS="1")
    named = "the rule ACME-1 (acme-rules 1.0, acme_rules:ShortAnswers) failed: KeyError: 'length'"
    assert (failing.returncode, named in failing.stdout) == (2, True), failing.stdout + failing.stderr

    blocked = installed(*run, PYTHONPATH=packages)
    assert blocked.returncode == 1, blocked.stdout + blocked.stderr
    assert "ACME-1 (1 finding): expected at most 400 characters" in blocked.stdout
    sessions = sorted((installed.folder / "websocket_validation_reports").glob("validation_session_*"), key=order_of)

    again = installed("greenlight", "verdict", str(sessions[-1]), PYTHONPATH=packages)
    assert (again.returncode, "ACME-1 (1 finding)" in again.stdout) == (1, True), again.stdout + again.stderr
    elsewhere = installed("greenlight", "verdict", str(sessions[0]))
    with (installed.folder / "greenlight.toml").open("a", encoding="utf-8") as target:
        target.write(WAIVERS)
    waived = installed(*run, "--strict-waivers", PYTHONPATH=packages)
    assert waived.returncode == 0, waived.stdout + waived.stderr
    shown = installed("greenlight", "verdict", PYTHONPATH=packages)
    said = "APPROVED 2 findings waived: OWN-STEP in 'Another number is expected' until 2099-12-31 (Ada"
    assert said in " ".join(shown.stdout.split()), shown.stdout

    missing = "the rule ACME-1 of the team's own is of acme-rules 1.0, acme_rules:ShortAnswers; it is not installed"
    told = " ".join(elsewhere.stdout.split())
    assert (elsewhere.returncode, missing in told) == (2, True), elsewhere.stdout + elsewhere.stderr


@contextmanager
def _served(installed: Installed) -> Iterator["subprocess.Popen[str]"]:
    command = [str(installed.programs / "greenlight"), "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=installed.folder, env=installed.environ, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _done(*command: str | Path) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
