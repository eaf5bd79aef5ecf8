"""The fast server of `peers/`, a target for it, and loads on it: what the benchmarks of the load engine share."""

import contextlib
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from greenlight_gate.load.director import Director
from greenlight_gate.load.executors import here
from greenlight_gate.load.plan import LoadPlan
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.session.load_users import plan_of, planned_users
from greenlight_gate.session.validation_session import SessionPlan, ValidationSession

PEERS = Path(__file__).parent / "peers"
_TARGET = """
name = "fast"
url = "ws://127.0.0.1:{port}/ws"
health = ""
clock = "same-host"
[limits]
max_connections = 100000
allow_stress = true
[prompts.with_tool]
ask = "How did costs develop?"
contains = [["storage", "disk"]]
tools = ["search"]
"""
_BY_HTTP = """profile = "agent-events-sse"
[auth]
obtain = "mint"
send = "bearer"
secret_env = "BENCH_SECRET"
audience = "bench"
"""
# What signs the tokens of the target by HTTP, which name the users there.
SECRET = {"BENCH_SECRET": "no secret, only long enough to sign tokens with"}
_START_S = 10.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(script: Path, *arguments: str, core: int | None = None, processes: int = 1) -> Iterator[int]:
    """A server script as a process of its own, on a core of its own where there are two; the port it listens on.

    With more `processes` they share the port, and each is given a name as its last argument.
    """
    port = free_port()
    names: list[tuple[str, ...]] = [()] if processes == 1 else [(f"s{number}-",) for number in range(processes)]
    servers = [psutil.Popen([sys.executable, str(script), str(port), *arguments, *name]) for name in names]
    try:
        deadline = time.monotonic() + _START_S
        for server in servers:
            pin(server.pid, core)
            while not _listens(server):
                if time.monotonic() > deadline or server.poll() is not None:
                    raise SystemExit(f"{script.name} does not listen")
                time.sleep(0.02)
        yield port
    finally:
        for server in servers:
            server.kill()
            server.wait()


def _listens(server: psutil.Popen) -> bool:
    return any(each.status == psutil.CONN_LISTEN for each in server.net_connections("tcp"))


def pin(pid: int, core: int | None) -> None:
    """Keeps a process on one core, where the system can do that and has more than one."""
    if core is not None and hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > core:
        os.sched_setaffinity(pid, {core})


def target_file(port: int, *, by_http: bool = False) -> Path:
    """A target file for the fast server, or the one by HTTP, whose secret is in `SECRET`."""
    path = Path(tempfile.mkdtemp()) / "fast.toml"
    text = _TARGET.format(port=port)
    if by_http:
        text = text.replace("ws://", "http://").replace("/ws", "").replace("[limits]", f"{_BY_HTTP}[limits]")
    path.write_text(text, encoding="utf-8")
    return path


def plan_for(environment: str, users: int, **values: Any) -> tuple[ValidationSession, LoadPlan]:
    """A plan for a target; whoever asks for it stops the suite."""
    suite = ValidationSession(SessionPlan(environment=environment))
    suite.prepare()
    planned = suite.loop.call(planned_users(suite, users, ("with_tool",)), 600.0)
    return suite, plan_of(suite, planned, own_process=True, **values)


def loaded(environment: str, users: int, **values: Any) -> LoadResult:
    """Runs a load in this process and returns what came of it."""
    suite, plan = plan_for(environment, users, **values)
    try:
        with here() as (executors, desk):
            return Director(plan, executors, desk).run()
    finally:
        suite.stop()
