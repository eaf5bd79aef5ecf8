"""A fork of the process that has imported all is what a new interpreter would be: folder, environment, output, end."""

import signal
from pathlib import Path

import pytest

from support.tests.cli.process import environ, greenlight, said, started, wait_for


@pytest.mark.parametrize("arguments", [("history", "--output-dir", "no reports"), ("verdict", "no session"), ("runn",)])
def test_it_says_and_returns_the_same(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ours, theirs = (greenlight(tmp_path, *arguments, fresh=fresh) for fresh in (False, True))

    assert (ours.code, ours.out, ours.err) == (theirs.code, theirs.out, theirs.err)
    assert (ours.code, ours.err.count("\n")) == (3, 1)


def test_it_has_an_environment_of_its_own(tmp_path: Path) -> None:
    ran = greenlight(tmp_path, "doctor", env={"WEBSOCKET_TEST_URL": "http://h/"})

    assert "WEBSOCKET_TEST_URL: expected a WebSocket URL" in ran.err + ran.out
    assert "WEBSOCKET_TEST_URL" not in environ()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_signals_reach_it_alone(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path, "serve", "--port", "0") as process:
        wait_for(lambda: "ready" in said(tmp_path)[0], "the backend")
        process.send_signal(number)
        if number == signal.SIGSTOP:
            assert process.poll() is None
            process.kill()
        assert process.wait(10) == process.poll() == -signal.SIGKILL

    assert greenlight(tmp_path, "verdict", "no session").code == 3
