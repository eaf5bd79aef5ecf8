"""What `greenlight doctor` says to do next."""

import socket
from pathlib import Path

import pytest

from support.tests.cli.process import greenlight, target
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer


def test_what_is_broken_is_named_in_the_next_step(tmp_path: Path) -> None:
    with HostileServer(does.conversation(does.binary), does.health()) as server:
        target(tmp_path, server.url)
        ran = greenlight(tmp_path, "doctor", "--environment", "hostile.toml")

    assert ran.code == 1
    assert "CONTENT-2: expected a text frame, got a binary frame" in ran.out
    assert ran.out.splitlines()[-1] == (
        "Next: correct CONTENT-2 (expected and got are listed above) in the backend, or in the profile agent-events if "
        "it reads a frame wrongly; then greenlight doctor --environment hostile.toml"
    )


@pytest.mark.parametrize(("replaced", "blamed"), [(True, "WEBSOCKET_TEST_URL"), (False, "url in the target file")])
def test_where_nothing_listens_it_names_what_holds_the_url(tmp_path: Path, replaced: bool, blamed: str) -> None:
    # A port that is taken and at which nobody listens.
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}/ws"
        target(tmp_path, "ws://127.0.0.1:9/ws" if replaced else url)
        env = {"WEBSOCKET_TEST_URL": url} if replaced else {}
        ran = greenlight(tmp_path, "doctor", "--environment", "hostile.toml", env=env)

    assert ran.code == 3
    assert ran.err.endswith(f"but connection refused; start the backend, or correct {blamed}\n")
