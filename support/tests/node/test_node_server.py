"""A healthy server on another stack, Node's `ws` with its default settings, is approved by all categories."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.tests.cli.process import SECRET, judged
from support.tests.needs import skip_without_program

HERE = Path(__file__).parent
WS = "ws@8.23.0"
_INSTALL_S = 60.0
# They judge time, and have the machine for themselves in .ci/run.
SPEED = ("performance", "stress", "--soak", "5")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the server and with `ws`."""
    if not shutil.which("node") or not (npm := shutil.which("npm")):
        skip_without_program("Node.js", "neither node nor npm is installed")
    folder = tmp_path_factory.mktemp("node")
    shutil.copy(HERE / "server.js", folder)
    command = [npm, "install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", WS]
    try:
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        skip_without_program("Node.js", f"{WS} could not be installed within {_INSTALL_S:g} s")
    if ran.returncode:
        skip_without_program("Node.js", f"{WS} could not be installed")
    return folder


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The url of a server."""
    command, environ = ["node", "server.js"], {"CHAT_JWT_SECRET": SECRET, "PATH": os.environ["PATH"]}
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"ws://127.0.0.1:{int(process.stdout.readline())}/ws"
        finally:
            process.terminate()


@pytest.mark.parametrize("categories", [("functional", "integration", "resilience", "security"), SPEED], ids=" ".join)
def test_a_healthy_node_server_is_approved(modules: Path, tmp_path: Path, categories: tuple[str, ...]) -> None:
    arguments = ("--environment", str(HERE / "node.toml"), "--ci-mode", "--categories", *categories)
    with serving(modules) as url:
        ran = judged(tmp_path, *arguments, env={"WEBSOCKET_TEST_URL": url}, deadline_s=420)

    assert (ran.code, ran.verdict) == (0, "APPROVED"), ran.out
    assert ran.rules == set()
