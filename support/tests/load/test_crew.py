"""Shards in processes and on a Dask cluster: the same result, and a killed one is named while the others finish."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.backend.launch import BackendProcess
from support.load import crew
from support.load.crew import NoCluster, cluster, processes
from support.load.engine import Conductor, State
from support.monitor import create_monitoring_session
from support.summary import merged
from support.tests.commands.process import ROOT
from support.tests.load.people import figures, plan
from support.tests.load.test_load import EVENTS

DEADLINE_S = 30.0


class Killer:
    """Kills the process of the second shard once all are asking."""

    def __init__(self) -> None:
        self.pid = 0

    def watch(self, state: State) -> None:
        asking = state.began_at is not None and time.monotonic() > state.began_at + 0.3
        if not self.pid and asking and len(state.shards) == 2:
            self.pid = int(state.shards[1].worker.split()[-1])
            os.kill(self.pid, signal.SIGKILL)


def test_processes_are_one_load(backend: BackendProcess) -> None:
    before = set(psutil.Process().children(recursive=True))
    with processes(2) as (executors, desk):
        came = Conductor(plan(backend.url, 6, own_process=True), executors, desk).run()

    assert (came.people, came.runs, came.events, came.counts, came.lost) == (6, 18, 18 * EVENTS, {}, ())
    assert figures(came.raw).samples == 18
    assert not [each for each in set(psutil.Process().children(recursive=True)) - before if "spawn_main" in
                " ".join(each.cmdline())]  # fmt: skip


def test_a_killed_process_is_named_and_the_others_finish(backend: BackendProcess) -> None:
    killer = Killer()
    made = plan(backend.url, 4, runs_each=None, duration_s=1.5, think_s=0.05)
    with processes(2) as (executors, desk):
        came = Conductor(made, executors, desk, killer.watch).run()

    assert killer.pid
    (lost,) = came.lost
    assert lost.startswith("shard 2 of 2 (")
    assert f"process {killer.pid}) died" in lost
    assert came.connections_made == 2
    assert came.runs > 10
    assert came.counts == {}


@contextlib.contextmanager
def dask(folder: Path, workers: int) -> Iterator[str]:
    """A scheduler and workers, each a process as a user would start it; they end with the test."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    file = folder / "scheduler.json"
    with contextlib.ExitStack() as stack:

        def start(*arguments: str) -> None:
            with (folder / f"{arguments[0]}-{time.monotonic_ns()}.log").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]],
                    env=environment, stdout=log, stderr=log, cwd=folder,
                )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(process.kill)

        start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
        deadline = time.monotonic() + DEADLINE_S
        while not file.exists() or not file.read_text():
            assert time.monotonic() < deadline, "no scheduler"
            time.sleep(0.05)
        for _ in range(workers):
            start("worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard")
        import json

        address: str = json.loads(file.read_text())["address"]
        _wait_for_workers(address, workers)
        yield address


def _wait_for_workers(address: str, workers: int) -> None:
    from distributed import Client

    with Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        client.wait_for_workers(workers, timeout=DEADLINE_S)


@pytest.mark.slow
def test_a_cluster_is_one_load_and_a_killed_worker_is_named(backend: BackendProcess, tmp_path: Path) -> None:
    with dask(tmp_path, 2) as address:
        with cluster(address, None) as (executors, desk):
            assert len(executors) == 2
            came = Conductor(plan(backend.url, 6, own_process=True), executors, desk).run()
        assert (came.people, came.runs, came.events, came.counts, came.lost) == (6, 18, 18 * EVENTS, {}, ())

        killer = Killer()
        made = plan(backend.url, 4, runs_each=None, duration_s=2.0, think_s=0.05, own_process=True)
        with cluster(address, None) as (executors, desk):
            came = Conductor(made, executors, desk, killer.watch).run()
        (lost,) = came.lost
        assert f"process {killer.pid}) died, and was started again elsewhere" in lost
        assert came.runs > 10


def test_no_cluster_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_CONNECT_S", 0.5)
    with pytest.raises(NoCluster, match="no Dask scheduler answers there"), cluster("tcp://127.0.0.1:9", None):
        pass


def test_merging_does_not_depend_on_the_order(backend: BackendProcess) -> None:
    from support.tests.load.people import run

    parts = [run(plan(backend.url, people)) for people in (1, 2, 3)]
    one, other = merged(parts), merged(parts[::-1])

    assert (one.runs, one.events, one.expected_events) == (other.runs, other.events, other.expected_events)
    assert figures(one.raw) == figures(other.raw)
    assert merged([merged(parts[:2]), parts[2]]).raw == one.raw


def test_a_load_whose_watch_fails_is_over_for_whoever_listens(backend: BackendProcess) -> None:
    def fails(state: State) -> None:
        raise ZeroDivisionError

    with create_monitoring_session("x") as monitor:
        with processes(1) as (executors, desk), pytest.raises(ZeroDivisionError):
            Conductor(plan(backend.url, 2), executors, desk, fails).run()
        assert not monitor._loads
