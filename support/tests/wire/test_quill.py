"""A server whose protocol no profile ships for: the real commands, with a profile written from the README alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.tests.cli.process import mistaken
from support.tests.wire.quill.server import PASSWORD

HERE = Path(__file__).parent
TARGET = HERE / "quill" / "target.toml"


@pytest.fixture(scope="module")
def environ() -> Iterator[dict[str, str]]:
    """The variables with which a Quill that runs is found."""
    command = [sys.executable, "-m", "support.tests.wire.quill.server", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            yield {**os.environ, "QUILL_PASSWORD": PASSWORD, "WEBSOCKET_TEST_URL": f"ws://127.0.0.1:{port}"}
        finally:
            process.terminate()


def greenlight(environ: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "greenlight_gate.cli.main", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=100, check=False)


def test_doctor_shows_how_each_frame_was_read_and_records_them(environ: dict[str, str], tmp_path: Path) -> None:
    record = tmp_path / "frames.jsonl"
    ran = greenlight(environ, "doctor", "--environment", str(TARGET), "--record", str(record))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    steps = [line.split()[1] for line in ran.stdout.splitlines() if line.startswith("ok")]
    assert steps == ["rules", "DNS", "TCP", "TLS", "auth", "handshake", "one"]
    for line in ("1  event      agent_started", "1  ignored    ends a part and not the job", "1  lifecycle  keepalive"):
        assert line in ran.stdout
    assert "unmapped" not in ran.stdout
    assert PASSWORD not in record.read_text() + ran.stdout

    checked = greenlight(environ, "profile", "check", str(HERE / "quill" / "quill.toml"), str(record))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "7  more       agent_completed" in checked.stdout


def test_the_whole_verdict_and_the_same_one_offline(environ: dict[str, str], tmp_path: Path) -> None:
    wanted = ("--categories", "functional", "integration", "--output-dir", str(tmp_path))
    ran = greenlight(environ, "run", "--environment", str(TARGET), *wanted)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (report,) = tmp_path.glob("*/comprehensive_validation_report.json")
    said = json.loads(report.read_text())
    assert said["deployment_decision"]["verdict"] == "APPROVED"
    assert said["deployment_decision"]["reason"].startswith("Accepted gap: authentication")
    evidence = "".join(path.read_text() for path in report.parent.rglob("*.jsonl"))
    assert PASSWORD not in evidence + ran.stdout

    again = greenlight(environ, "verdict", str(report.parent))
    assert again.returncode == 0, again.stdout + again.stderr
    assert json.loads(report.read_text())["deployment_decision"] == said["deployment_decision"]


def test_a_value_that_the_target_does_not_give(environ: dict[str, str], tmp_path: Path) -> None:
    text = TARGET.read_text().replace('profile = "quill.toml"', f'profile = "{HERE / "quill" / "quill.toml"}"')
    for old, new, says in (
        ('password = "env:QUILL_PASSWORD"', "", "values.password: expected the password that everybody has"),
        ("password = ", "passwrd = ", "values.password: expected the password"),
        ("[values]\n", '[values]\nseat = "7"\n', "values.seat: expected a value that the profile quill knows"),
        (
            "env:QUILL_PASSWORD",
            "env:QUILL_PASSWORT",
            "QUILL_PASSWORT (values.password): expected the value of password",
        ),
        ("env:QUILL_PASSWORD", "file:none.json", "values.password: expected a file with JSON"),
        ("[accepted_gaps]\n", '[accepted_gaps]\nagent_thinking = "x"\n', "accepted_gaps.agent_thinking: expected"),
    ):
        assert old in text
        broken = tmp_path / "broken.toml"
        broken.write_text(text.replace(old, new, 1))
        ran = mistaken(tmp_path, "run", "--environment", str(broken), "--output-dir", "out", env=environ)
        assert ran.code == 3
        assert says in ran.err
        assert ran.err.count("\n") == 1


def test_who_is_not_let_in_is_told_where_it_stopped(environ: dict[str, str]) -> None:
    ran = greenlight({**environ, "QUILL_PASSWORD": "another-password"}, "doctor", "--environment", str(TARGET))
    assert ran.returncode == 1
    assert 'POST /login: HTTP 403: {"complaint":"who are you?"}' in ran.stdout
    assert "another-password" not in ran.stdout + ran.stderr
