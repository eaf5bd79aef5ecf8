"""The small apps: targets and profiles fit, and doctor finds what it has to where their packages are installed."""

import os
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from greenlight_gate.session.compatibility import check_profile_and_target
from greenlight_gate.targets.settings import load_target, profile_text
from greenlight_gate.wire.profile import Profile

from support.tests.cli.process import greenlight
from support.tests.live.apps import APPS, ENVIRON, start
from support.tests.live.servers import HERE, running
from support.tests.needs import skip_without_program

# After a stop, the next request goes on with what was stopped: that of doctor which has to fail is answered so.
PROBLEMS = {"langgraph": ["failure"]}


@pytest.mark.parametrize("name", APPS)
def test_the_target_and_the_profile_of_an_app_fit(name: str) -> None:
    target = load_target(str(HERE / name / "target.toml"), ENVIRON)
    _, text = profile_text(target.profile, HERE / name)

    check_profile_and_target(Profile.from_toml(text), target)
    assert target.url.endswith(f":{APPS[name].port}")
    assert target.limits.allow_stress


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, app in APPS.items() if not app.model])
def test_what_doctor_finds(name: str, tmp_path: Path) -> None:
    programs = Path(os.environ.get("LIVE_ENVIRONMENTS", "/nonexistent")) / f"{name}-environment" / "bin"
    if not programs.exists():
        why = f"LIVE_ENVIRONMENTS holds no packages of {name}, which python -m support.tests.live.apps installs"
        skip_without_program("live server", why)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with ExitStack() as stack:
        stack.enter_context(running(*start(name, programs, tmp_path / name, port)))
        scheme = load_target(str(HERE / name / "target.toml"), ENVIRON).url.partition(":")[0]
        environ = {**ENVIRON, "WEBSOCKET_TEST_URL": f"{scheme}://127.0.0.1:{port}"}
        ran = greenlight(tmp_path, "doctor", "--environment", str(HERE / name / "target.toml"), env=environ)

    said = [line.split()[:2] for line in ran.out.splitlines() if line.startswith(("ok ", "no "))]
    assert ["ok", "handshake"] in said
    assert [step for found, step in said if found == "no"] == PROBLEMS.get(name, [])
