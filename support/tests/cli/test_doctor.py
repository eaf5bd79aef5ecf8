"""What `greenlight doctor` says to do next."""

from pathlib import Path

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
