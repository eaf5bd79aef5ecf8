"""How busy the suite itself is, and how much memory a backend of its own holds."""

import time
from collections.abc import Callable

import psutil

from support.report.evidence import Measurements

_MB = 1e6


class OwnLoad:
    """Begins to measure when it is made; `so_far` can be asked as often as one likes.

    `target_pid` says which process the backend is now: one that was restarted is another one.
    """

    def __init__(self, target_pid: Callable[[], int | None]) -> None:
        self._began = time.monotonic()
        self._suite = psutil.Process()
        self._cpu_s = _cpu_s(self._suite)
        self._target_pid = target_pid
        self._target_start = _rss_mb(target_pid())

    def so_far(self) -> Measurements:
        """What was measured since the beginning."""
        return Measurements(
            seconds=round(time.monotonic() - self._began, 3),
            suite_cpu_s=round(_cpu_s(self._suite) - self._cpu_s, 3),
            suite_rss_mb=round(self._suite.memory_info().rss / _MB, 1),
            target_rss_mb_start=self._target_start,
            target_rss_mb_end=_rss_mb(self._target_pid()),
        )


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _rss_mb(pid: int | None) -> float | None:
    """Resident memory, or None for no process, also for one that has died."""
    if pid is None:
        return None
    try:
        return round(psutil.Process(pid).memory_info().rss / _MB, 1)
    except psutil.Error:
        return None
