"""The entry point: closed streams, odd interpreters and broken installations never end like a blocked target."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from greenlight_gate.cli.main import main

from support.tests.cli.process import ROOT, Ran, environ, greenlight, target
from support.tests.evidence.folders import write
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer
from support.tests.rules.talk import asked

DEADLINE_S = 100


def closing(*numbers: int) -> Callable[[], None]:
    """What a shell does with `0<&-` or `2>&-`, before the command begins."""

    def close() -> None:
        for number in numbers:
            os.close(number)

    return close


def test_what_a_command_imports_is_not_searched_for_garbage() -> None:
    script = "import gc; from greenlight_gate.interpreter import imported; imported('greenlight_gate.trace'); "
    said = subprocess.run(
        [sys.executable, "-c", f"{script}print(gc.get_freeze_count() > 10_000, gc.isenabled())"],
        capture_output=True, check=True, timeout=DEADLINE_S,
    )  # fmt: skip

    assert said.stdout.split() == [b"True", b"True"]


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_a_closed_stream_aborts_nothing(tmp_path: Path, closed: tuple[int, ...]) -> None:
    with HostileServer(does.conversation(does.rightly), does.health()) as server:
        target(tmp_path, server.url)
        command = [sys.executable, "-m", "greenlight_gate.cli.main", "doctor", "--environment", "hostile.toml"]
        ended = subprocess.run(
            command, cwd=tmp_path, env=environ(), timeout=DEADLINE_S, preexec_fn=closing(*closed), check=False
        )

    # Less than 0 is a signal: it was SIGABRT, which a shell calls 134.
    assert ended.returncode == 0


@pytest.mark.parametrize("level", ["1", "2"])
def test_a_python_that_drops_assertions_is_a_mistake(tmp_path: Path, level: str) -> None:
    blocked = write(tmp_path / "blocked", talk=asked().started().close("server", 1011))

    ran = greenlight(tmp_path, "verdict", str(blocked), env={"PYTHONOPTIMIZE": level}, fresh=True)

    assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1)
    assert ran.err.startswith("greenlight: PYTHONOPTIMIZE or `python -O`: expected a Python that keeps assertions")


def replaced(folder: Path, package: str, text: str, *command: str) -> Ran:
    """A command for which one package is another one."""
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text(text, encoding="utf-8")
    return greenlight(folder, *command, env={"PYTHONPATH": f"{folder}:{ROOT}"}, fresh=True)


def broken(folder: Path, package: str, text: str) -> Ran:
    """`greenlight verdict` of an approvable session, where one package is another one."""
    return replaced(folder, package, text, "verdict", str(write(folder / "session")))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise ImportError('half an installation')", "ImportError: half an installation"),
        ("raise SystemExit(1)", "SystemExit: 1"),
        ("raise SystemExit('no licence')", "SystemExit: no licence"),
        ("class Odd(BaseException): pass\nraise Odd('odd')", "Odd: odd"),
        ("", "ImportError: cannot import name"),
    ],
)
@pytest.mark.parametrize("package", ["argparse", "msgspec"])
def test_an_import_that_fails_is_the_suites_own_fault(tmp_path: Path, package: str, text: str, said: str) -> None:
    ran = broken(tmp_path, package, text)

    assert (ran.code, ran.out) == (2, "")
    last = ran.err.splitlines()[-1]
    assert last.startswith("greenlight: Suite fault: ")
    assert last.endswith("; the target was not judged")
    assert said in last or not text


@pytest.mark.parametrize(("command", "package"), [("run", "argparse"), ("run", "msgspec"), ("serve", "argparse")])
def test_a_signal_that_comes_while_the_command_is_imported_interrupts_it(
    tmp_path: Path, command: str, package: str
) -> None:
    text = "import signal\nsignal.raise_signal(signal.SIGTERM)\nwhile True:\n    pass\n"

    ran = replaced(tmp_path, package, text, command)

    assert (ran.code, ran.out, ran.err) == (130, "", "greenlight: interrupted\n")


@pytest.mark.parametrize("module", ["assurance", "assurance.false_alarms", "model", "rules.registry", "bdd.needs_page"])
def test_every_module_that_is_a_command_is_interrupted_in_one_line(tmp_path: Path, module: str) -> None:
    (tmp_path / "msgspec.py").write_text(
        "import signal\nsignal.signal(2, signal.default_int_handler)\nsignal.raise_signal(2)\n", encoding="utf-8"
    )

    ran = subprocess.run(
        [sys.executable, "-m", f"greenlight_gate.{module}"], cwd=tmp_path, check=False, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip

    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "greenlight: interrupted\n")


def test_a_foreign_package_called_support_changes_nothing(tmp_path: Path) -> None:
    ran = broken(tmp_path, "support", "raise RuntimeError('somebody else')")

    assert ran.code == 0, ran.out + ran.err


def test_a_blocked_session_ends_with_1_whatever_the_terminal_can_show(tmp_path: Path) -> None:
    talk = asked().started().thinking("für Björn ☃").close("server", 1011, reason="für ☃")
    blocked = write(tmp_path / "blocked für ☃", talk=talk)

    ran = greenlight(tmp_path, "verdict", str(blocked), env={"PYTHONIOENCODING": "ascii"}, fresh=True)

    assert ran.code == 1, ran.out + ran.err
    assert r"f\xfcr \u2603" in ran.out


def test_a_wrong_option_still_ends_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["verdict", "--nothing"])

    assert end.value.code == 3
    assert capsys.readouterr().err.count("\n") == 1
