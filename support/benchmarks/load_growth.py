"""Whether the engine itself grows or slows down: 100,000 runs against 1,000,000, on the fast server.

    python -m support.benchmarks.load_growth [FACTOR]

Each in a process of its own, 50 users in closed loop. Bars: within 10 MB of each other at the end, and within 10 % in
CPU time of an event. FACTOR shortens both (0.1 for a quick look: then the difference says less).
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from support.benchmarks.fast import PEERS, pin, serving, target_file

USERS = 50
RUNS = (100_000, 1_000_000)


def _load(port: int, runs: int) -> dict[str, float]:
    result = Path(tempfile.mkdtemp()) / "load.json"
    command = [
        sys.executable,
        "-m",
        "greenlight_gate.cli.main",
        "load",
        "--environment",
        str(target_file(port)),
        "--users",
    ]
    command += [str(USERS), "--runs-per-user", str(runs // USERS), "--json", str(result)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, preexec_fn=lambda: pin(0, 1))
    said = json.loads(result.read_bytes())
    assert said["findings"] == 0, said["rules"]
    return {"mb": said["peak_rss_mb"], "us": said["cpu_seconds"] / said["checked_events"] * 1e6, "runs": said["runs"]}


def main(factor: float) -> bool:
    """Prints both, and whether the bars are met."""
    with serving(PEERS / "fast_server.py", "3", core=0) as port:
        few, many = (_load(port, int(runs * factor)) for runs in RUNS)
    for each in (few, many):
        print(f"{each['runs']:>9,.0f} runs: {each['mb']:.1f} MB at most, {each['us']:.2f} us of CPU for an event")
    print(f"{many['mb'] - few['mb']:+.1f} MB (bar: 10), {many['us'] / few['us'] - 1:+.1%} of time (bar: 10 %)")
    return many["mb"] - few["mb"] <= 10.0 and many["us"] <= 1.1 * few["us"]


if __name__ == "__main__":
    sys.exit(0 if main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0) else 1)
