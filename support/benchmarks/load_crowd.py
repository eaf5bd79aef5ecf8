"""Many users at once: what each costs the client, and how fast they come in.

    python -m support.benchmarks.load_crowd [USERS [PROCESSES]]
    python -m support.benchmarks.load_crowd --sse [USERS]

From one process (10,000 users): on the embedded backend all are connected before the first one asks, and each asks
once, 400 of them a second: no finding, and at most 12 KB a user in the client over its idle size. On the fast server
all ask at the same moment; at least 1,500 connections a second. Each in a process of its own.

From several processes (`50000 2`): only the fast server, in several processes as well; the users connect from several
addresses of loopback, at least 4,000 a second, and each asks once. A process needs a descriptor for each of its users:
`ulimit -Hn 30000` for 25,000.

With `--sse` (5,000 users) all ask at once by HTTP, and each has a stream open for 20 s, with an event every 3 s:
no finding, and at most 30 KB a user.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from support.benchmarks.fast import PEERS, SECRET, serving, target_file

_IN_TURN = ("--arrival", "open", "--rate", "400")
MOST_KB, LEAST_PER_SECOND, LEAST_FROM_SEVERAL = 12.0, 1_500.0, 4_000.0
MOST_KB_A_STREAM = 30.0
_THINKS, _PAUSE_S = "3", "3"
# So many connections to each process of the fast server: fewer than the descriptors that a process usually may have.
_OF_A_SERVER = 15_000


def _load(users: int, *arguments: str) -> dict[str, Any]:
    result = Path(tempfile.mkdtemp()) / "load.json"
    command = [sys.executable, "-m", "greenlight_gate.cli.main", "load", "--users", str(users), "--runs-per-user", "1"]
    done = subprocess.run(
        [*command, "--json", str(result), *arguments], check=False, capture_output=True, text=True,
        env={**os.environ, **SECRET},
    )  # fmt: skip
    if not result.exists():
        raise SystemExit(done.stdout + done.stderr)
    if done.returncode:
        print(done.stdout, done.stderr)
    said: dict[str, Any] = json.loads(result.read_bytes())
    return said


def _show(name: str, users: int, said: dict[str, Any]) -> float:
    """Prints what came of a load; returns the KB that each user took at most."""
    idle_mb = float(said["generator"]["idle_rss_mb"])
    connected_kb, kb = (
        (float(mb) - idle_mb) * 1e3 / users for mb in (said["generator"]["connected_rss_mb"], said["peak_rss_mb"])
    )
    print(
        f"{name}: {said['connections_made']} of {users} connected, {said['connections_per_second']:,.0f}/s; "
        f"{said['runs']} runs, {said['checked_events']} events, {said['findings']} findings {said['rules']}; "
        f"{connected_kb:.1f} KB a user connected, {kb:.1f} KB at most"
    )
    return kb


def from_one(users: int) -> bool:
    """Prints both loads, and whether the bars are met."""
    met = True
    with serving(PEERS / "fast_server.py", "3") as port:
        targets = {"embedded": ("--environment", "embedded", "--prompt", "with_tool", *_IN_TURN),
                   "fast server": ("--environment", str(target_file(port)))}  # fmt: skip
        for name, arguments in targets.items():
            said = _load(users, *arguments)
            kb = _show(name, users, said)
            met = met and said["runs"] == users and not said["findings"] and kb <= MOST_KB
            met = met and (name == "embedded" or said["connections_per_second"] >= LEAST_PER_SECOND)
    return met


def from_several(users: int, processes: int) -> bool:
    """Prints the load, and whether the bars are met."""
    with serving(PEERS / "fast_server.py", "3", processes=-(-users // _OF_A_SERVER)) as port:
        said = _load(users, "--environment", str(target_file(port)), "--processes", str(processes))
    _show(f"fast server, {processes} processes", users, said)
    return (
        said["runs"] == users and not said["findings"] and said["connections_per_second"] >= LEAST_FROM_SEVERAL
    )  # fmt: skip


def of_streams(users: int) -> bool:
    """Prints the load by server-sent events, and whether the bars are met."""
    with serving(PEERS / "fast_sse_server.py", _THINKS, _PAUSE_S) as port:
        said = _load(users, "--environment", str(target_file(port, by_http=True)))
    kb = _show("fast server by SSE", users, said)
    return said["runs"] == users and not said["findings"] and kb <= MOST_KB_A_STREAM


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m support.benchmarks.load_crowd")
    options.add_argument("users", type=int, nargs="?")
    options.add_argument("processes", type=int, nargs="?", default=1)
    options.add_argument("--sse", action="store_true", help="by server-sent events, from one process")
    given = options.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    crowd = given.users or (5_000 if given.sse else 10_000)
    if given.sse:
        sys.exit(0 if of_streams(crowd) else 1)
    sys.exit(0 if (from_one(crowd) if given.processes == 1 else from_several(crowd, given.processes)) else 1)
