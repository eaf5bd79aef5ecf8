"""Ten thousand users at once from one process: what each costs the client, and how fast they come in.

    python -m support.benchmarks.load_crowd [USERS]

On the embedded backend all are connected before the first one asks, and each asks once, 400 of them a second: no
finding, and at most 20 KB a user in the client over its idle size. On the fast server all ask at the same moment; at
least 1,500 connections a second. Each in a process of its own.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from support.benchmarks.fast import PEERS, serving, target_file

_IN_TURN = ("--arrival", "open", "--rate", "400")
MOST_KB, LEAST_PER_SECOND = 20.0, 1_500.0


def _load(users: int, *arguments: str) -> dict[str, Any]:
    result = Path(tempfile.mkdtemp()) / "load.json"
    command = [sys.executable, "-m", "greenlight_gate.cli.main", "load", "--users", str(users), "--runs-per-user", "1"]
    done = subprocess.run([*command, "--json", str(result), *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout, done.stderr)
    said: dict[str, Any] = json.loads(result.read_bytes())
    return said


def main(users: int) -> bool:
    """Prints both loads, and whether the bars are met."""
    met = True
    with serving(PEERS / "fast_server.py", "3") as port:
        targets = {"embedded": ("--environment", "embedded", "--prompt", "with_tool", *_IN_TURN),
                   "fast server": ("--environment", str(target_file(port)))}  # fmt: skip
        for name, arguments in targets.items():
            said = _load(users, *arguments)
            kb = (said["peak_rss_mb"] - said["generator"]["idle_rss_mb"]) * 1e3 / users
            idle_kb = (said["generator"]["connected_rss_mb"] - said["generator"]["idle_rss_mb"]) * 1e3 / users
            print(
                f"{name}: {said['connections_made']} of {users} connected, {said['connections_per_second']:,.0f}/s; "
                f"{said['runs']} runs, {said['checked_events']} events, {said['findings']} findings {said['rules']}; "
                f"{idle_kb:.1f} KB a person connected, {kb:.1f} KB at most"
            )
            met = met and said["runs"] == users and not said["findings"] and kb <= MOST_KB
            met = met and (name == "embedded" or said["connections_per_second"] >= LEAST_PER_SECOND)
    return met


if __name__ == "__main__":
    sys.exit(0 if main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000) else 1)
