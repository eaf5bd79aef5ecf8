"""The blocks of the README, pasted one after the other into one shell, do what it says of them."""

import contextlib
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from support.tests.cli.process import environ
from support.tests.needs import needs_extra, skip_without_services

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# The first words of what is typed; the other blocks show what is printed.
_TYPED = re.compile(r" {4}(?:pip|export|greenlight|python|kill|dask) ")
DEADLINE_S = 500.0
# In the order of the README: each command with its exit code. 1: the defect is found, by doctor and by both runs.
EXPECTED = [
    ("run", 0),
    ("doctor --environment staging --wait 30", 1),
    ("run --environment staging", 1),
    ("services start", 0),
    ("services status", 0),
    ("services stop", 0),
    ("run --environment local --tags @needs.replicas --defect fan_out_to_one_replica", 1),
    ("services stop", 0),
    ("load --users 500 --processes 2 --cluster tcp://127.0.0.1:8786", 0),
]
# Where nothing else narrows it, a part of one category is judged, to save time. `serve` ends by `kill`, without a code.
GREENLIGHT = """#!/bin/bash
more=()
[[ $1 == run && $* != *--tags* ]] && more=(--categories functional --shard 1/8)
"{python}" -m greenlight_gate.cli.main "$@" "${{more[@]}}"
code=$?
[[ $1 == serve ]] || echo "$code $*" >>"{folder}/ran.txt"
exit $code
"""
NOTED = """#!/bin/bash
echo "{name} $*" >>"{folder}/installed.txt"
"""


def blocks() -> list[str]:
    found = re.findall(r"(?:^ {4}.*\n)+", README, re.MULTILINE)
    return [textwrap.dedent(block) for block in found if _TYPED.match(block)]


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def shim(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(text.format(python=sys.executable, folder=folder, name=name), encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.slow
@pytest.mark.timeout(DEADLINE_S + 60)
@needs_extra("cluster")
def test_all_blocks_can_be_pasted_into_one_shell(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """pip and pytest are noted and not run: what is tested is installed already, and this is one of its tests."""
    skip_without_services()
    shim(tmp_path, "greenlight", GREENLIGHT)
    for name in ("pip", "pytest"):
        shim(tmp_path, name, NOTED)
    shim(tmp_path, "python", f'#!/bin/bash\nexec "{sys.executable}" "$@"\n')
    ports = {"8000": str(free_port()), "8786": str(free_port())}
    pasted = "\n".join(blocks())
    pasted = pasted.replace(
        "dask scheduler --host 127.0.0.1", "dask scheduler --host 127.0.0.1 --port 8786 --no-dashboard"
    )
    for usual, free in ports.items():
        pasted = pasted.replace(usual, free)
    env = environ({"PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"})
    # PostgreSQL runs as another user than root, who cannot enter the folders of pytest.
    services = Path(tempfile.mkdtemp(prefix="greenlight-services-"))
    services.chmod(0o755)
    request.addfinalizer(lambda: shutil.rmtree(services))
    env["GREENLIGHT_SERVICES_DIR"] = str(services / "data")

    with (tmp_path / "said.txt").open("wb") as said:
        # With job control, as a shell at a terminal has it.
        shell = subprocess.Popen(
            ["bash", "-m"], cwd=tmp_path, env=env, stdin=subprocess.PIPE, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
        try:
            shell.communicate((pasted + "\nkill $(jobs -p)\nwait\n").encode(), timeout=DEADLINE_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)

    output = (tmp_path / "said.txt").read_text(encoding="utf-8")
    ran = [line.partition(" ") for line in (tmp_path / "ran.txt").read_text(encoding="utf-8").splitlines()]
    port = ports["8786"]
    assert [(command.replace(port, "8786"), int(code)) for code, _, command in ran] == EXPECTED, output
    assert "command not found" not in output
    # The script, with the backend that has the defect.
    assert "['agent_started', 'tool_executing', 'tool_completed', 'agent_completed']" in output
    assert (tmp_path / "installed.txt").read_text(encoding="utf-8").splitlines() == [
        "pip install -e .", "pip install -e .[test]", "pytest ", "pip install -e .[stack]",
    ]  # fmt: skip
