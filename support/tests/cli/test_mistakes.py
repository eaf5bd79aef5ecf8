"""The user's mistakes and a disk that says no: one line and exit code 3, before anything is judged."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.tests.cli.process import (
    REASONS,
    SECRET,
    environ,
    greenlight,
    judged,
    mistaken,
    said,
    started,
    target,
    wait_for,
)
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer

_PROMPT = '[prompts.with_tool]\nask = "x"\ntools = ["t"]\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "x"\nurl = \n', "mine.toml: line 2, column 7: expected TOML, but it cannot be read"),
        (f'name = "x"\nurl = "http://h/"\n{_PROMPT}', "mine.toml: url: expected a WebSocket URL"),
        (f'name = "x"\nurl = "ws:///"\n{_PROMPT}', "mine.toml: url: expected a WebSocket URL"),
        (f'name = "x"\nurl = "ws://h/"\nulr = "y"\n{_PROMPT}', "mine.toml: "),
        pytest.param(
            f'name = "x"\nurl = "ws://no-such-host.invalid/"\n{_PROMPT}',
            "but no host has this name",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["broken", "http", "no-host", "unknown-key", "unknown-host"],
)
def test_a_wrong_target_file(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")

    ran = mistaken(tmp_path, "run", "--environment", "mine.toml", "--output-dir", "reports")

    assert (ran.code, ran.err.count("\n"), said in ran.err) == (3, 1, True), ran.err
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--environment", "stagin"), "environment 'stagin' is unknown: expected one of staging, "),
        (("--categories", "stress", "--scale", "50000"), "--scale 50000: embedded allows 20000 connections"),
        (("--tags", "@a and"), "--tags '@a and': expected an expression like '@a and not @b'"),
        (("--defect", "no_such_defect"), "there is no defect called 'no_such_defect'"),
        (("--environment", "staging", "--defect", "thinking_missing"), "works only where the suite starts the backend"),
        (("--environment", "staging"), "CHAT_JWT_SECRET (auth.secret_env): expected the secret"),
    ],
)
def test_a_wrong_option(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    ran = mistaken(tmp_path, "run", *arguments, env={"CHAT_JWT_SECRET": "" if "staging" in arguments else SECRET})

    assert (ran.code, ran.err.count("\n"), said in ran.err) == (3, 1, True), ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--defect", "thinking_mising"), "there is no defect called 'thinking_mising': did you mean thinking_missing"),
        (("--defect", "zzz"), "there is no defect called 'zzz': `greenlight serve --list-defects` shows them all\n"),
        (("--port", "99999"), "argument --port: '99999' is not a number from 0 to 65535\n"),
        (("--vary", "often"), "CHAT_VARY"),
    ],
)
def test_a_mistake_of_serve_is_said_by_serve(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    # No secret is set: none is made for a backend that does not start.
    ran = mistaken(tmp_path, "serve", *arguments, env={"CHAT_JWT_SECRET": ""})

    assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1), ran.err
    assert ran.err.startswith(f"greenlight serve: {said}")


def test_serve_says_which_secret_it_has_made(tmp_path: Path) -> None:
    with started(tmp_path, "serve", "--port", "0", env={"CHAT_JWT_SECRET": ""}) as process:
        wait_for(lambda: "ready" in said(tmp_path)[0], "the backend")
        process.send_signal(signal.SIGTERM)
        process.wait(60)

    assert "CHAT_JWT_SECRET is not set" in said(tmp_path)[1]
    assert "\n  export CHAT_JWT_SECRET=" in said(tmp_path)[1]


def test_a_short_secret_is_refused_by_both_sides(tmp_path: Path) -> None:
    env = {"CHAT_JWT_SECRET": "x" * 31}
    serves, runs = mistaken(tmp_path, "serve", "--port", "0", env=env), mistaken(tmp_path, "run", env=env)

    assert (serves.code, "must have 32 characters or more, not 31" in serves.err) == (3, True), serves.err
    assert (runs.code, "a secret of at least 32 bytes" in runs.err) == (3, True), runs.err


def test_all_mistakes_of_a_target_file_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'nmae = "x"\nurl = "http://h/"\n[auth]\nobtain = "mnit"\n[budgets]\nstart_s = -1\n' + _PROMPT, encoding="utf-8"
    )

    ran = mistaken(tmp_path, "run", "--environment", "mine.toml")

    first, *mistakes = ran.err.splitlines()
    assert (ran.code, first) == (3, "greenlight: mine.toml: 5 mistakes:")
    assert {line.split()[0] for line in mistakes} == {"nmae:", "url:", "auth.obtain:", "budgets.start_s:", "name:"}


@pytest.mark.parametrize("command", ["schema", "serve --list-defects", "run --help", "profile check agno"])
def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path, command: str) -> None:
    ran = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m greenlight_gate.cli.main {command} | head -1; exit ${{PIPESTATUS[0]}}"],
        cwd=tmp_path, env=environ(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert (ran.returncode, ran.stdout.count("\n"), ran.stderr) == (0, 1, "")


@pytest.mark.parametrize("output", ["a-file", "a-file/below", "/proc/nowhere"])
def test_an_output_folder_that_cannot_be_written(tmp_path: Path, output: str) -> None:
    (tmp_path / "a-file").touch()
    with HostileServer(does.conversation(does.rightly), does.health()) as server:
        target(tmp_path, server.url)
        run = ("run", "--environment", "hostile.toml", "--output-dir", output)
        ran = greenlight(tmp_path, *run, fresh=output == "a-file")

    assert (ran.code, ran.err.count("\n"), f"greenlight: --output-dir {output}: " in ran.err) == (3, 1, True), ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--output-dir", "x" * 300), "argument --output-dir: expected a folder, or a name for a new one: "),
        (("load", "--users", "1", "--output-dir", "x" * 300), "argument --output-dir: expected a folder"),
        (("load", "--users", "1", "--json", "nowhere/load.json"), "argument --json: expected a file in a folder that"),
        (("load", "--users", "1", "--json", "/proc/load.json"), "argument --json: expected a file that can be written"),
        (("doctor", "--record", "/proc/c.jsonl"), "argument --record: expected a file that can be written"),
        (("load", "--users", "1", "--json", "."), "argument --json: expected a file in a folder that exists, got '.'"),
    ],
)
def test_a_path_that_can_never_be_written_is_refused_at_once(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    ran = mistaken(tmp_path, *arguments)

    assert (ran.code, ran.err.count("\n"), said in ran.err) == (3, 1, True), ran.err


@pytest.mark.parametrize(("kilobytes", "said"), [(2, "the evidence cannot be written"), (8, "cannot be written")])
def test_a_disk_that_is_full_never_approves(tmp_path: Path, kilobytes: int, said: str) -> None:
    # Any file beyond this size is refused to the command, as on a full disk; the server is not concerned.
    run = f"{sys.executable} -m greenlight_gate.cli.main run --output-dir reports --environment hostile.toml"
    command = f"ulimit -f {kilobytes}; exec {run} --categories functional"
    # What counts the lines that are run would want to write a file as well.
    uncounted = {name: value for name, value in environ().items() if not name.startswith("COVERAGE_")}
    with HostileServer(does.conversation(does.rightly), does.health()) as server:
        target(tmp_path, server.url)
        ran = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=uncounted,
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    assert (ran.returncode in (2, 3), "Traceback" in ran.stdout + ran.stderr) == (True, False), ran.stderr
    assert said in ran.stderr
    assert "APPROVED" not in ran.stdout
    assert not list(tmp_path.rglob("comprehensive_validation_report.json"))


def test_nothing_that_has_the_tag_is_inconclusive(tmp_path: Path) -> None:
    ran = judged(tmp_path, "--tags", "@nothing_has_this")

    assert (ran.code, ran.verdict) == (2, "INCONCLUSIVE")
    assert "no scenario was selected" in ran.report["deployment_decision"]["reason"]


def test_ci_mode_prints_four_lines_and_no_more(tmp_path: Path) -> None:
    with HostileServer(does.conversation(does.rightly), does.health()) as server:
        target(tmp_path, server.url, more=REASONS)
        ran = judged(tmp_path, "--environment", "hostile.toml", "--categories", "functional", "--ci-mode")
    again = greenlight(tmp_path, "verdict", "--output-dir", "reports", "--ci-mode")
    report = ran.session.relative_to(tmp_path) / "comprehensive_validation_report.json"
    lines = f"VALIDATION_RESULT=APPROVED\nFAILURE_REASON=\nREPORT={report}\nSCOPE=partial: functional\n"

    assert (ran.code, ran.out) == (0, lines)
    assert (again.code, again.out) == (0, lines)
    assert "Testing hostile" in ran.err


def test_ci_mode_keeps_to_its_lines_whatever_the_backend_says(tmp_path: Path) -> None:
    with HostileServer(does.conversation(does.escapes), does.health()) as server:
        target(tmp_path, server.url)
        ran = judged(tmp_path, "--environment", "hostile.toml", "--categories", "functional", "--ci-mode")

    assert [line.partition("=")[0] for line in ran.out.splitlines()] == [
        "VALIDATION_RESULT",
        "FAILURE_REASON",
        "REPORT",
        "SCOPE",
    ]
    assert ran.out.startswith("VALIDATION_RESULT=BLOCKED\nFAILURE_REASON=CONTENT-")


@pytest.mark.slow
def test_an_unreachable_backend_is_a_mistake(tmp_path: Path) -> None:
    with HostileServer(does.forever, does.health()) as server:
        url = server.url
    target(tmp_path, url)

    ran = judged(tmp_path, "--environment", "hostile.toml")

    assert (ran.code, ran.err.count("\n")) == (3, 1)
    assert "expected a server that accepts connections, but connection refused" in ran.err
