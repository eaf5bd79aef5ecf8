"""A server whose protocol no profile ships for: the real commands, with a profile written from the README alone."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from support.tests.cli.process import greenlight, judged, mistaken
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
            yield {"QUILL_PASSWORD": PASSWORD, "WEBSOCKET_TEST_URL": f"ws://127.0.0.1:{port}"}
        finally:
            process.terminate()


def test_doctor_shows_how_each_frame_was_read_and_records_them(environ: dict[str, str], tmp_path: Path) -> None:
    record = tmp_path / "frames.jsonl"
    ran = greenlight(tmp_path, "doctor", "--environment", str(TARGET), "--record", str(record), env=environ)
    assert ran.code == 0, ran.out + ran.err
    steps = [line.split()[1] for line in ran.out.splitlines() if line.startswith("ok")]
    assert steps == ["DNS", "TCP", "TLS", "auth", "handshake", "one", "2nd", "reconnect", "2nd", "at"]
    for line in ("5  event      agent_started", "5  ignored    ends a part and not the job", "lifecycle  keepalive"):
        assert line in ran.out
    assert "unmapped" not in ran.out
    assert PASSWORD not in record.read_text() + ran.out

    checked = greenlight(tmp_path, "profile", "check", str(HERE / "quill" / "quill.toml"), str(record), env=environ)
    assert checked.code == 0, checked.out + checked.err
    assert "35  part       answer_part" in checked.out


@pytest.mark.slow
def test_the_whole_verdict_and_the_same_one_offline(environ: dict[str, str], tmp_path: Path) -> None:
    categories = ("--categories", "functional", "integration")
    ran = judged(tmp_path, "--environment", str(TARGET), *categories, env=environ)
    assert ran.code == 0, ran.out + ran.err
    said = ran.report
    assert said["deployment_decision"]["verdict"] == "APPROVED"
    assert said["deployment_decision"]["reason"].startswith("Accepted gap: authentication")
    evidence = "".join(path.read_text() for path in ran.session.rglob("*.jsonl"))
    assert PASSWORD not in evidence + ran.out

    again = greenlight(tmp_path, "verdict", str(ran.session), env=environ)
    assert again.code == 0, again.out + again.err
    assert ran.report["deployment_decision"] == said["deployment_decision"]


def test_a_load_whose_users_sign_in_and_shake_hands(environ: dict[str, str], tmp_path: Path) -> None:
    asked = ("--users", "4", "--runs-per-user", "2", "--output-dir", "out", "--json", str(tmp_path / "load.json"))
    ran = greenlight(tmp_path, "load", "--environment", str(TARGET), *asked, env=environ)
    assert ran.code == 0, ran.out + ran.err
    said = msgspec.json.decode((tmp_path / "load.json").read_bytes())
    assert "120 events of 8 runs were checked, without findings" in said["reason"]
    assert PASSWORD not in (tmp_path / "load.json").read_text() + ran.out


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
        ("[accepted_gaps]\n", '[accepted_gaps]\ntool_executed = "x"\n', "accepted_gaps.tool_executed: expected"),
    ):
        assert old in text
        broken = tmp_path / "broken.toml"
        broken.write_text(text.replace(old, new, 1))
        ran = mistaken(tmp_path, "run", "--environment", str(broken), "--output-dir", "out", env=environ)
        assert ran.code == 3
        assert says in ran.err
        assert ran.err.count("\n") == 1


def test_who_is_not_let_in_is_told_where_it_stopped(environ: dict[str, str], tmp_path: Path) -> None:
    other = {**environ, "QUILL_PASSWORD": "another-password"}
    ran = greenlight(tmp_path, "doctor", "--environment", str(TARGET), env=other)
    assert ran.code == 1
    assert 'POST /login: HTTP 403: {"complaint":"who are you?"}' in ran.out
    assert "another-password" not in ran.out + ran.err
