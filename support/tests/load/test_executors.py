"""Shards in processes and on a Dask cluster: the same result, and a killed one is named while the others finish."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import psutil
import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.load import executors
from greenlight_gate.load.director import Director, State
from greenlight_gate.load.executors import NoCluster, cluster, processes
from greenlight_gate.measure.latency_summary import Encoded
from greenlight_gate.measure.load_result import merged
from greenlight_gate.monitor import create_monitoring_session
from hdrh.histogram import HdrHistogram

from support.tests.cli.process import ROOT
from support.tests.load.test_load import EVENTS
from support.tests.load.users import figures, plan
from support.tests.needs import needs_extra

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
    with processes(2) as (executors, channels):
        came = Director(plan(backend.url, 6, own_process=True), executors, channels).run()

    assert (came.users, came.runs, came.events, came.counts, came.lost) == (6, 18, 18 * EVENTS, {}, ())
    assert figures(came.raw).samples == 18
    assert not [each for each in set(psutil.Process().children(recursive=True)) - before if "spawn_main" in
                " ".join(each.cmdline())]  # fmt: skip


def test_a_killed_process_is_named_and_the_others_finish(backend: BackendProcess) -> None:
    killer = Killer()
    made = plan(backend.url, 4, runs_each=30, think_s=0.05)
    with processes(2) as (executors, channels):
        came = Director(made, executors, channels, killer.watch).run()

    assert killer.pid
    (lost,) = came.lost
    assert lost.startswith("shard 2 of 2 (")
    assert f"process {killer.pid}) died" in lost
    assert (came.connections_made, came.runs) == (2, 60)
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
        yield address


class Keeping(Executor):
    """Gives work on, and keeps what comes of it."""

    def __init__(self, executor: Executor, kept: "list[Future[Any]]") -> None:
        self.executor = executor
        self.kept = kept

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self.kept.append(self.executor.submit(fn, *args, **kwargs))
        return self.kept[-1]


def recorded(encoded: Encoded | None) -> Counter[int]:
    """How often each value was recorded, read without the suite's own histogram."""
    assert encoded is not None
    values = HdrHistogram.decode(encoded.hdr).get_recorded_iterator()  # type: ignore[no-untyped-call]
    return Counter({item.value_iterated_to: item.count_at_value_iterated_to for item in values})


@pytest.mark.slow
@needs_extra("cluster")
def test_a_cluster_is_one_load_and_a_killed_worker_is_named(backend: BackendProcess, tmp_path: Path) -> None:
    with dask(tmp_path, 2) as address:
        parts: list[Future[Any]] = []
        # The workers are still starting: they are waited for.
        with cluster(address, 2) as (executors, channels):
            assert len(executors) == 2
            keeping = [Keeping(executor, parts) for executor in executors]
            came = Director(plan(backend.url, 6, own_process=True), keeping, channels).run()
            one, other = (part.result() for part in parts)
        assert (came.users, came.runs, came.events, came.counts, came.lost) == (6, 18, 18 * EVENTS, {}, ())
        for name in ("users", "runs", "events", "messages", "asked", "connections_made", "cpu_seconds"):
            assert getattr(came, name) == getattr(one, name) + getattr(other, name), name
        for name in ("raw", "delivery", "whole", "silence", "connect"):
            assert recorded(getattr(one, name)), name
            assert recorded(getattr(came, name)) == recorded(getattr(one, name)) + recorded(getattr(other, name))

        killer = Killer()
        made = plan(backend.url, 4, runs_each=None, duration_s=2.0, think_s=0.05, own_process=True)
        with cluster(address, None) as (executors, channels):
            came = Director(made, executors, channels, killer.watch).run()
        (lost,) = came.lost
        assert f"process {killer.pid}) died, and was started again elsewhere" in lost
        assert came.runs > 10


@pytest.mark.slow
@needs_extra("cluster")
def test_a_cluster_without_workers_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "_WORKERS_S", 0.5)
    said = "expected workers with 2 threads within 0.5 s, but they have 0; start some: dask worker"
    with dask(tmp_path, 0) as address, pytest.raises(NoCluster, match=said), cluster(address, 2):
        pass


@needs_extra("cluster")
def test_no_cluster_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "_CONNECT_S", 0.5)
    with pytest.raises(NoCluster, match="no Dask scheduler answers there"), cluster("tcp://127.0.0.1:9", None):
        pass


def test_merging_does_not_depend_on_the_order(backend: BackendProcess) -> None:
    from support.tests.load.users import run

    parts = [run(plan(backend.url, users)) for users in (1, 2, 3)]
    one, other = merged(parts), merged(parts[::-1])

    assert (one.runs, one.events, one.expected_events) == (other.runs, other.events, other.expected_events)
    assert figures(one.raw) == figures(other.raw)
    assert merged([merged(parts[:2]), parts[2]]).raw == one.raw


def test_a_load_whose_watch_fails_is_over_for_whoever_listens(backend: BackendProcess) -> None:
    def fails(state: State) -> None:
        raise ZeroDivisionError

    with create_monitoring_session("x") as monitor:
        with processes(1) as (executors, channels), pytest.raises(ZeroDivisionError):
            Director(plan(backend.url, 2), executors, channels, fails).run()
        assert not monitor._loads
