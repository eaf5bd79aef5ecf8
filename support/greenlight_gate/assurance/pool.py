"""Several benches in parallel, each a process with a backend of its own."""

import atexit
import concurrent.futures
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from greenlight_gate.assurance.bench import Bench, BenchResult
from greenlight_gate.rules.registry import RULES, Rule

# Sessions mostly wait for missing events: so there are more of them than cores.
_AT_ONCE = 8


class Job(msgspec.Struct, frozen=True):
    """One session: the backend's defects, the scenarios to run, and budgets (s) that differ from the default.

    `without`: a rule that is not checked (loads check all: they have processes of their own).
    `crowded`: many users are connected, and no other session may run meanwhile.
    `services`: the folder of a stack with these defects, "" for a single backend; `started`: the suite
    starts the backend itself and may end it. `prompts` and `send` as in a target file.
    `steps`: a folder with other steps than the suite's own. `promise`: one that the profile makes, and a backend that
    the suite starts keeps. `transport`: over which its chat is judged, as a profile names it.
    """

    defects: tuple[str, ...]
    scenarios: tuple[str, ...]
    budgets: dict[str, float] = {}
    without: str = ""
    crowded: bool = False
    services: str = ""
    started: bool = False
    prompts: str = "reference"
    send: str = "bearer"
    steps: str = ""
    promise: str = ""
    transport: str = "websocket"


_bench: Bench | None = None


def init_worker() -> None:
    """Prepare a process of a pool, which has one bench."""
    # Ctrl-C is for the parent, which ends its children.
    global _bench  # noqa: PLW0603 -- one for each process of the pool
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _bench = bench = Bench()
    atexit.register(_bench.close)
    signal.signal(signal.SIGTERM, lambda *_: _end(bench))
    threading.Thread(target=_end_with_parent, args=(_bench,), daemon=True).start()


def _end_with_parent(bench: Bench) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        # If the parent was killed, no one ends this process, and it would never get another job.
        parent.join()
        _end(bench)


def _end(bench: Bench) -> None:
    bench.close()
    os._exit(1)


def judge(job: Job, bench: Bench | None = None) -> BenchResult:
    """Run one job on a bench, by default on that of this process."""
    bench = bench or _bench
    assert bench is not None
    bench.take_steps(Path(job.steps) if job.steps else None)
    rules = rules_without(job.without) if job.without else RULES
    if job.services or job.started or job.promise:
        return bench.judge_started(
            job.scenarios, job.defects, job.services, promise=job.promise, transport=job.transport, rules=rules
        )
    if job.crowded:
        bench.fresh()
    bench.give(*job.defects)
    return bench.judge(
        job.scenarios, job.budgets, prompts=job.prompts, send=job.send, transport=job.transport, rules=rules
    )  # fmt: skip


def rules_without(rule: str) -> Mapping[str, Rule]:
    """All rules but one. Raises KeyError for one that does not exist."""
    others = dict(RULES)
    del others[rule]
    return others


class Pool:
    """Runs jobs: those with few users in parallel, then the crowded ones one at a time."""

    def __init__(self, jobs: Sequence[Job], *, at_once: int = _AT_ONCE) -> None:
        self._futures: dict[bytes, concurrent.futures.Future[BenchResult]] = {_key(job): _future() for job in jobs}
        self._jobs = {_key(job): job for job in jobs}
        self._ended = threading.Event()
        # Forked processes would inherit the locks of our threads.
        self._executor = concurrent.futures.ProcessPoolExecutor(
            at_once, multiprocessing.get_context("spawn"), init_worker
        )
        self._thread = threading.Thread(target=self._work, args=(at_once,), daemon=True)
        self._thread.start()

    def result(self, job: Job) -> BenchResult:
        """Wait for a job that the pool was made with. Raises the exception of the bench."""
        return self._futures[_key(job)].result()

    def close(self) -> None:
        """End all processes, and drop the remaining jobs."""
        self._ended.set()
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._thread.join()
        self._executor.shutdown()

    def _work(self, at_once: int) -> None:
        alone = [key for key, job in self._jobs.items() if job.crowded or job.services]
        shared = [key for key in self._jobs if key not in alone]
        for keys, many in ((shared, at_once), (alone, 1)):
            for key in self._in_turn(keys, many):
                if self._ended.is_set():
                    break
                self._futures[key].set_running_or_notify_cancel()
        for future in self._futures.values():
            future.cancel()

    def _in_turn(self, keys: Sequence[bytes], many: int) -> Iterator[bytes]:
        """Submit jobs, so many at a time, and pass on their results; yields those that are started."""
        places = threading.Semaphore(many)
        begun: list[concurrent.futures.Future[BenchResult]] = []
        for key in keys:
            while not places.acquire(timeout=0.1):
                if self._ended.is_set():
                    return
            if self._ended.is_set():
                return
            yield key
            try:
                done = self._executor.submit(judge, self._jobs[key])
            except RuntimeError as error:  # the executor was ended, or one of its processes has died
                self._futures[key].set_exception(error)
                places.release()
                continue
            begun.append(done)
            done.add_done_callback(_passing_on(self._futures[key], places))
        concurrent.futures.wait(begun)


def _passing_on(
    to: "concurrent.futures.Future[BenchResult]", places: threading.Semaphore
) -> "Callable[[concurrent.futures.Future[BenchResult]], None]":
    def pass_on(done: "concurrent.futures.Future[BenchResult]") -> None:
        places.release()
        if done.cancelled():
            to.set_exception(concurrent.futures.CancelledError())
        elif (error := done.exception()) is not None:
            to.set_exception(error)
        else:
            to.set_result(done.result())

    return pass_on


def _future() -> "concurrent.futures.Future[BenchResult]":
    return concurrent.futures.Future()


def _key(job: Job) -> bytes:
    return msgspec.json.encode(job, order="sorted")
