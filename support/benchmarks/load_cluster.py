"""Two Dask workers against one: checked events per CPU-second, on the fast server.

    pip install -e '.[bench,cluster]'
    python -m support.benchmarks.load_cluster [PAIRS] [SECONDS]

A scheduler and two workers are started on this machine; a load of 50 users is given to one shard and to two, in turn.
The bar is 0.85: cores are shared with server and scheduler, so that wall time says nothing.
"""

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from support.benchmarks.fast import PEERS, serving, target_file

USERS, BAR = 50, 0.85
_START_S = 30.0


@contextlib.contextmanager
def dask(folder: Path, workers: int) -> Iterator[str]:
    """The address of a scheduler with workers, all processes of their own."""
    file = folder / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    module = [sys.executable, "-m", "distributed.cli.dask_"]
    common = ["--scheduler-file", str(file), "--no-dashboard"]
    with contextlib.ExitStack() as stack:

        def start(kind: str, *arguments: str) -> None:
            process = subprocess.Popen([*module[:2], module[2] + kind, *common, *arguments], **quiet)  # type: ignore[call-overload]
            stack.callback(process.wait)
            stack.callback(process.kill)

        start("scheduler", "--host", "127.0.0.1", "--port", "0")
        deadline = time.monotonic() + _START_S
        while not file.exists() or not file.read_text():
            if time.monotonic() > deadline:
                raise SystemExit("the scheduler did not start")
            time.sleep(0.1)
        for _ in range(workers):
            start("worker", "--nthreads", "1", "--no-nanny")
        address: str = json.loads(file.read_text())["address"]
        from distributed import Client  # noqa: PLC0415 -- an extra

        with Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(workers, timeout=_START_S)
        yield address


def _load(port: int, address: str, shards: int, seconds: float) -> float:
    result = Path(tempfile.mkdtemp()) / "load.json"
    command = [sys.executable, "-m", "greenlight_gate.cli.main", "load", "--environment", str(target_file(port))]
    command += ["--users", str(USERS), "--duration", str(seconds), "--json", str(result)]
    command += ["--cluster", address, "--processes", str(shards)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    said = json.loads(result.read_bytes())
    assert said["findings"] == 0, said["rules"]
    assert said["lost_shards"] == []
    return float(said["checked_events_per_cpu_second"])


def main(pairs: int, seconds: float) -> bool:
    """Prints the ratio, and whether it is met."""
    one, two = [], []
    with serving(PEERS / "fast_server.py", "3") as port, dask(Path(tempfile.mkdtemp()), 2) as address:
        for _ in range(pairs):
            one.append(_load(port, address, 1, seconds))
            two.append(_load(port, address, 2, seconds))
    ratio = statistics.median(b / a for a, b in zip(one, two, strict=True))
    print(f"one worker {statistics.median(one):,.0f}, two {statistics.median(two):,.0f} checked events per CPU-second")
    print(f"ratio {ratio:.2f} (bar: {BAR}), {pairs} pairs of {seconds:g} s")
    return ratio >= BAR


if __name__ == "__main__":
    arguments = [float(argument) for argument in sys.argv[1:]] or [5]
    sys.exit(0 if main(int(arguments[0]), arguments[1] if len(arguments) > 1 else 5.0) else 1)
