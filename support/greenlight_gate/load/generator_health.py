"""The health of the load generator itself: its share of a core, and the lag of its event loop."""

import asyncio
import time

import psutil

from greenlight_gate.load.latency_counter import LatencyCounter
from greenlight_gate.measure.load_result import MOST_BUSY, MOST_LAG_MS

_EVERY_S = 0.01
_MB = 1e6


class GeneratorHealth:
    """Watches the thread that it is made on, from `begin` until `end`.

    `busy`: CPU time of this thread by wall time; `lag_ms_p99`: how late timers of the event loop fire.
    """

    def __init__(self) -> None:
        self.process = psutil.Process()
        self.peak_rss_mb = self.rss_mb()
        self.seconds = self.cpu_seconds = self.busy = self.lag_ms_p99 = 0.0
        self._lag = LatencyCounter()
        self._handle: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._woken = self._late = 0
        self._began = (0.0, 0.0, 0.0)

    def rss_mb(self) -> float:
        """Resident memory of the process, MB."""
        return float(round(self.process.memory_info().rss / _MB, 1))

    def begin(self) -> None:
        """The measurement begins."""
        self._began = (time.monotonic(), time.thread_time(), time.process_time())
        self._again()

    def end(self) -> None:
        """The measurement ends; without a begin nothing was measured."""
        began, thread_s, process_s = self._began
        if self._handle is None or not began:
            return
        self._handle.cancel()
        self._handle = None
        self.seconds = time.monotonic() - began
        self.cpu_seconds = time.process_time() - process_s
        # With no user connected the load takes no time: that is not busy.
        self.busy = (time.thread_time() - thread_s) / self.seconds if self.seconds >= _EVERY_S else 0.0
        lag = self._lag.histogram().summary()
        self.lag_ms_p99 = lag.p99_ms if lag is not None else 0.0

    def busy_now(self) -> float:
        """The share of a core used since the begin; to be called on the watched thread."""
        began, thread_s, _ = self._began
        passed = time.monotonic() - began
        return (time.thread_time() - thread_s) / passed if began and passed > 0 else 0.0

    @property
    def hinders(self) -> bool:
        """Whether it has been too busy or too late until now for its latencies to be judged."""
        return self.busy_now() > MOST_BUSY or self._late * 100 > self._woken

    def look(self) -> None:
        """Samples the memory; to be called regularly."""
        self.peak_rss_mb = max(self.peak_rss_mb, self.rss_mb())

    def _again(self) -> None:
        self._due = time.monotonic() + _EVERY_S
        self._handle = asyncio.get_running_loop().call_later(_EVERY_S, self._woke)

    def _woke(self) -> None:
        lag_s = time.monotonic() - self._due
        self._lag.record(lag_s)
        self._woken += 1
        self._late += lag_s * 1e3 > MOST_LAG_MS
        self._again()
