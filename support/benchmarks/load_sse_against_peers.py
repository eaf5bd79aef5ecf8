"""Checked events per CPU-second by server-sent events: the load engine with all rules on, against k6 and Locust.

    pip install -e '.[bench]'
    python -m support.benchmarks.load_sse_against_peers [ROUNDS] [SECONDS]

All talk to the same server, which has core 0; clients have core 1, 50 users in closed loop, one after the other in each
round: first a fast server on httptools, then Starlette on uvicorn. Locust reads the stream with its FastHttpUser. k6
cannot read a response before it is whole, so it reads the whole body, which is less work than reading a stream. Both
check run id and sequence only. Counted is all CPU time that the process of a client has used, from its start to its
end. Bar: 3 times each. Last, the embedded backend over WebSocket and by SSE, side by side, without a bar; the suite
starts it, so that its own CPU time, which is most of it, counts as well.
"""

import argparse
import compileall
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import greenlight_gate

from support.benchmarks.clients import engine, k6, locust
from support.benchmarks.fast import PEERS, SECRET, serving, target_file
from support.benchmarks.speed_table import machine

BAR = 3.0
_SERVERS = {"httptools": "fast_sse_server.py", "Starlette on uvicorn": "starlette_sse_server.py"}
_EMBEDDED = {"WebSocket": Path("embedded"), "SSE": Path("embedded-sse")}
_CLIENTS: dict[str, Callable[[int, float], float]] = {
    "Greenlight": lambda port, seconds: engine(target_file(port, by_http=True), seconds, SECRET),
    "k6": lambda port, seconds: k6(port, seconds, "sse_k6_runs.js"),
    "Locust": lambda port, seconds: locust(port, seconds, "sse_locustfile.py"),
}
_SERVER_CORE = 0


def measured(script: str, rounds: int, seconds: float) -> dict[str, list[float]]:
    """All clients in turn, so many times."""
    rates: dict[str, list[float]] = {name: [] for name in _CLIENTS}
    with serving(PEERS / script, core=_SERVER_CORE) as port:
        for _ in range(rounds):
            for name, client in _CLIENTS.items():
                rates[name].append(client(port, seconds))
    return rates


def _shown(rates: dict[str, list[float]]) -> None:
    for name, found in rates.items():
        median, least, most = (f"{round(rate, -2):,.0f}" for rate in (statistics.median(found), min(found), max(found)))
        print(f"  {name:<12} {median} checked events per CPU-second ({least} to {most})", flush=True)


def main(rounds: int, seconds: float) -> bool:
    """Prints the figures; whether the bar is met."""
    compileall.compile_dir(Path(greenlight_gate.__file__).parent, quiet=1)
    print(f"{machine()}; {rounds} rounds of {seconds:g} s", flush=True)
    met = True
    for server, script in _SERVERS.items():
        print(f"server: {server}", flush=True)
        rates = measured(script, rounds, seconds)
        _shown(rates)
        for name in list(rates)[1:]:
            ratio = statistics.median(a / b for a, b in zip(rates["Greenlight"], rates[name], strict=True))
            is_met = ratio >= BAR
            print(f"  {ratio:.2f} times as fast as {name}, at least {BAR:g}: {'met' if is_met else 'NOT MET'}")
            met = met and is_met
    print("the embedded backend, with its own CPU time", flush=True)
    pairs = [[engine(target, seconds, {}) for target in _EMBEDDED.values()] for _ in range(rounds)]
    _shown({name: [pair[number] for pair in pairs] for number, name in enumerate(_EMBEDDED)})
    print(f"  over a WebSocket {statistics.median(a / b for a, b in pairs):.2f} times as many as by SSE")
    return met


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m support.benchmarks.load_sse_against_peers")
    options.add_argument("rounds", type=int, nargs="?", default=5)
    options.add_argument("seconds", type=float, nargs="?", default=8.0)
    given = options.parse_args()
    sys.exit(0 if main(given.rounds, given.seconds) else 1)
