"""What a monitoring session around a load costs: CPU of a checked event with one, against the same without.

    python -m support.benchmarks.monitored_load [PAIRS]

50 users in closed loop on the fast server, each load in a process of its own, alternating. Monitored or not, a load
tells once a second what it has counted; what the monitor makes of it is in this process. At most 1.03 is wanted.
"""

import statistics
import subprocess
import sys

from greenlight_gate.monitor import create_monitoring_session

from support.benchmarks.fast import PEERS, loaded, pin, serving, target_file

USERS, SECONDS = 50, 6.0
_MOST = 1.03


def once(environment: str, *, monitored: bool) -> float:
    """Microseconds of CPU for each checked event, in this process."""
    pin(0, 1)
    if not monitored:
        summary = loaded(environment, USERS, duration_s=SECONDS)
        return summary.cpu_seconds / summary.events * 1e6
    with create_monitoring_session("benchmark") as monitor:
        summary = loaded(environment, USERS, duration_s=SECONDS)
    seen = monitor.summary()
    if seen.events != summary.events:
        raise SystemExit(f"the monitor has seen {seen.events} of {summary.events} events")
    return summary.cpu_seconds / summary.events * 1e6


def _elsewhere(environment: str, how: str) -> float:
    command = [sys.executable, "-m", "support.benchmarks.monitored_load", how, environment]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(pairs: int) -> None:
    """Prints each pair, and the median of their ratios."""
    ratios = []
    with serving(PEERS / "fast_server.py", "3", core=0) as port:
        environment = str(target_file(port))
        for number in range(pairs):
            order = ("alone", "monitored") if number % 2 == 0 else ("monitored", "alone")
            us = {how: _elsewhere(environment, how) for how in order}
            ratios.append(us["monitored"] / us["alone"])
            print(f"alone {us['alone']:.3f} us, monitored {us['monitored']:.3f} us, {ratios[-1]:.3f} times", flush=True)
    median = statistics.median(ratios)
    print(f"median {median:.3f} times (at most {_MOST}: {'met' if median <= _MOST else 'NOT MET'})")


if __name__ == "__main__":
    if sys.argv[2:]:
        print(once(sys.argv[2], monitored=sys.argv[1] == "monitored"))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
