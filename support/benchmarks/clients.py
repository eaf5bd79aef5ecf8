"""The clients that the load engine is measured against, run one after the other, each with its CPU time."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path

from support.benchmarks.fast import PEERS, pin

USERS = 50
_CLIENT_CORE = 1
_EVENTS_OF_A_RUN = 7


def tool(name: str) -> str:
    """Where a tool is. Raises SystemExit if it is not installed."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not installed: pip install -e '.[bench]'")
    return found


def client(command: list[str], environment: Mapping[str, str]) -> tuple[str, float]:
    """What a client has printed, and the CPU seconds that it has used, from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment},
        preexec_fn=lambda: pin(0, _CLIENT_CORE),
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command[0]} ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout + done.stderr, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def engine(target: Path, seconds: float, environment: Mapping[str, str]) -> float:
    """Checked events per CPU-second of `greenlight load`, all rules on."""
    result = Path(tempfile.mkdtemp()) / "load.json"
    arguments = ["--environment", str(target), "--users", str(USERS), "--duration", str(seconds), "--json", str(result)]
    _, cpu_s = client([sys.executable, "-m", "greenlight_gate.cli.main", "load", *arguments], environment)
    said = json.loads(result.read_bytes())
    assert said["findings"] == 0, said["rules"]
    return float(said["checked_events"]) / cpu_s


def k6(port: int, seconds: float, script: str) -> float:
    """The same of k6, with one thread for its scripts."""
    command = [
        tool("k6"),
        "run",
        "-q",
        "-e",
        f"PORT={port}",
        "-e",
        f"C={USERS}",
        "-e",
        f"T={seconds}",
        "-e",
        f"RUN={uuid.uuid4()}",
    ]
    said, cpu_s = client([*command, str(PEERS / script)], {"GOMAXPROCS": "1"})
    found = re.search(r"\bevents\.*: (\d+)", said)
    assert found is not None, said
    assert re.search(r"\bbad\.*: [1-9]", said) is None, said
    return int(found[1]) / cpu_s


def locust(port: int, seconds: float, script: str) -> float:
    """The same of Locust."""
    command = [tool("locust"), "-f", str(PEERS / script), "--headless", "-u", str(USERS), "-r", str(USERS)]
    said, cpu_s = client([*command, "-t", f"{seconds + 1:g}s", "--only-summary"], {"PORT": str(port)})
    found = re.search(r"Aggregated +(\d+) +0\(0", said)
    assert found is not None, said
    return int(found[1]) * _EVENTS_OF_A_RUN / cpu_s
