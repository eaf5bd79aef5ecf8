"""The CPU use of the suite itself, and the memory of a backend that it started."""

import time
from collections.abc import Callable, Sequence

import psutil

from greenlight_gate.evidence.session_folder import Measurements

_MB = 1e6


class SuiteLoad:
    """Measures from its creation on; `so_far` can be called repeatedly.

    `target_pids` returns the backend's current processes, which change with a restart.
    """

    def __init__(self, target_pids: Callable[[], Sequence[int]]) -> None:
        self._began = time.monotonic()
        self._suite = psutil.Process()
        self._cpu_s = _cpu_s(self._suite)
        self._target_pids = target_pids
        self._target_start = _rss_mb(target_pids())

    def so_far(self) -> Measurements:
        """What was measured since the beginning."""
        return Measurements(
            seconds=round(time.monotonic() - self._began, 3),
            suite_cpu_s=round(_cpu_s(self._suite) - self._cpu_s, 3),
            suite_rss_mb=round(self._suite.memory_info().rss / _MB, 1),
            target_rss_mb_start=self._target_start,
            target_rss_mb_end=_rss_mb(self._target_pids()),
        )


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _rss_mb(pids: Sequence[int]) -> float | None:
    """Resident memory of all processes together; None if there is none or one has died."""
    if not pids:
        return None
    try:
        return round(sum(psutil.Process(pid).memory_info().rss for pid in pids) / _MB, 1)
    except psutil.Error:
        return None
