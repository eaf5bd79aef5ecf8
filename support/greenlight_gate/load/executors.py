"""Where shards run: on a thread here, in processes of this machine, or on a Dask cluster.

Each gives as many executors as there are shards, and the director's end of the channel to all of them.
"""
# mypy: allow-untyped-calls
# distributed ships no types.

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from greenlight_gate.load.channel import (
    Channel,
    DirectorChannel,
    LocalDirectorChannel,
    ShardCommand,
    ShardProgress,
    drained,
)

if TYPE_CHECKING:
    from multiprocessing.managers import SyncManager

Executors = tuple[list[Executor], DirectorChannel]
_CONNECT_S = 10.0
_ORDER_S = 5.0
_WORKERS_S, _WORKERS_LOOK_S = 30.0, 0.1


class NoCluster(Exception):
    """No cluster can be used; one line says what to do."""


@contextlib.contextmanager
def here() -> Iterator[Executors]:
    """One shard, on a thread of this process."""
    with ThreadPoolExecutor(1, thread_name_prefix="greenlight-load") as pool:
        yield [pool], LocalDirectorChannel()


@contextlib.contextmanager
def processes(count: int) -> Iterator[Executors]:
    """A pool of one process for each shard: when a process dies, only its own pool breaks."""
    # Not for those who need one process only.
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415
    from multiprocessing.managers import SyncManager  # noqa: PLC0415

    context = multiprocessing.get_context("spawn")
    manager = SyncManager(ctx=context)
    # Ctrl-C reaches the whole process group; the director handles it and orders the shards to stop.
    manager.start(_follow_director)
    try:
        with contextlib.ExitStack() as stack:
            pools: list[Executor] = [
                stack.enter_context(ProcessPoolExecutor(1, mp_context=context, initializer=_follow_director))
                for _ in range(count)
            ]
            yield pools, _ManagerChannels(manager)
    finally:
        manager.shutdown()


def _follow_director() -> None:
    """In a worker process: ignores interrupts, which the director handles, and exits when the director is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    director = multiprocessing.parent_process()
    if director is not None:
        threading.Thread(target=_exit_with, args=(director,), daemon=True, name="greenlight-director").start()


def _exit_with(director: Any) -> None:
    director.join()
    os._exit(1)


class _ManagerChannel:
    def __init__(self, news: Any, orders: Any) -> None:
        self._news = news
        self._orders = orders

    def here(self) -> Channel:
        return self

    def report(self, progress: ShardProgress) -> None:
        self._news.put(progress)

    def order(self) -> ShardCommand:
        order: ShardCommand = self._orders["order"]
        return order


class _ManagerChannels:
    def __init__(self, manager: "SyncManager") -> None:
        self._news: Any = manager.Queue()
        self._orders: Any = manager.dict({"order": ShardCommand()})

    def channel(self) -> Channel:
        return _ManagerChannel(self._news, self._orders)

    def news(self, timeout_s: float) -> list[ShardProgress]:
        return drained(self._news, timeout_s)

    def tell(self, order: ShardCommand) -> None:
        self._orders["order"] = order

    def close(self) -> None:
        """The manager ends with its processes."""


@contextlib.contextmanager
def cluster(address: str, count: int | None) -> Iterator[Executors]:
    """`count` shards on the workers of a Dask scheduler, one for each worker if not given.

    Waits until workers have so many threads, or there is one. Raises NoCluster.
    """
    from distributed import Client  # noqa: PLC0415 -- an extra

    try:
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise NoCluster(f"--cluster {address}: no Dask scheduler answers there: {error}") from error
    with client:
        workers = _workers(client, address, count or 1)
        # A shard whose worker dies is not run again: its users would ask twice.
        executor: Executor = client.get_executor(pure=False, retries=0)
        channels = _DaskChannels(client)
        try:
            yield [executor] * (count or workers), channels
        finally:
            channels.close()


def _workers(client: Any, address: str, needed: int) -> int:
    """How many workers there are, once they have the threads that are needed. Raises NoCluster."""
    until = time.monotonic() + _WORKERS_S
    while True:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        threads = sum(worker["nthreads"] for worker in workers.values())
        if threads >= needed:
            return len(workers)
        if time.monotonic() >= until:
            raise NoCluster(
                f"--cluster {address}: expected workers with {needed} threads within {_WORKERS_S:g} s, but they have "
                f"{threads}; start some: dask worker {address}"
            )
        time.sleep(_WORKERS_LOOK_S)


class _DaskChannel(msgspec.Struct):
    """Only names until it has been sent: `here` finds the worker and its connection to the scheduler."""

    name: str
    worker: Any = None
    orders: Any = None

    def here(self) -> Channel:
        from distributed import Variable, get_client, get_worker  # noqa: PLC0415

        return _DaskChannel(self.name, get_worker(), Variable(self.name, client=get_client()))

    def report(self, progress: ShardProgress) -> None:
        self.worker.log_event(self.name, msgspec.json.encode(progress).decode())

    def order(self) -> ShardCommand:
        return msgspec.json.decode(self.orders.get(timeout=_ORDER_S), type=ShardCommand)


class _DaskChannels:
    """Orders are a variable of the scheduler, progress is a topic."""

    def __init__(self, client: Any) -> None:
        from distributed import Variable  # noqa: PLC0415

        self._client = client
        self._name = f"greenlight-{uuid.uuid4().hex}"
        self._news: queue.Queue[ShardProgress] = queue.Queue()
        self._orders: Any = Variable(self._name, client=client)
        self.tell(ShardCommand())
        client.subscribe_topic(self._name, self._on_event)

    def _on_event(self, event: Any) -> None:
        _, message = event
        self._news.put(msgspec.json.decode(message, type=ShardProgress))

    def channel(self) -> Channel:
        return _DaskChannel(self._name)

    def news(self, timeout_s: float) -> list[ShardProgress]:
        return drained(self._news, timeout_s)

    def tell(self, order: ShardCommand) -> None:
        self._orders.set(msgspec.json.encode(order).decode(), timeout=_ORDER_S)

    def close(self) -> None:
        self._client.unsubscribe_topic(self._name)
        self._orders.delete()
