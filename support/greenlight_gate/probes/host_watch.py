"""Watches how busy the suite's own machine is with the work of others, on a thread of its own."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from greenlight_gate.measure.host_load import CrowdedTime, HostSample, between, sample

# Long against a tick of the kernel's clock (10 ms), short against the time that anything is waited for.
_WINDOW_S = 1.0
# Below this, the ticks of a window are too few to tell anything.
_LEAST_S = 0.3


class HostWatch:
    """Measures from `start` until `stop`, second by second.

    `crowded` grows with each second in which others took too much of the CPU time (`measure.host_load`). Where there is
    no /proc (not on Linux), nothing is measured.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self.crowded: list[CrowdedTime] = []
        self._own: list[int] = []
        self._find_target: Callable[[], int | None] | None = None
        # Whether the work of the target is known apart from that of others.
        self._is_known = True
        self._proc = proc
        self._ticks_per_s = float(os.sysconf("SC_CLK_TCK"))
        self._ended = threading.Event()
        self._before: HostSample | None = None
        self._before_at = 0.0
        self._awake = threading.Event()
        self._awake.set()
        self._looking = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="greenlight-host", daemon=True)

    def start(self, own: int, find_target: Callable[[], int | None] | None = None) -> None:
        """Begins. `own`: the process whose work, and whose descendants' work, is the suite's.

        `find_target` finds the process of a target that runs on this machine, and that the suite has not started. It is
        asked only once something else fills the machine; None: then nobody knows whose that work is, and nothing more
        is measured.
        """
        self._own.append(own)
        self._find_target = find_target
        if (self._proc / "stat").exists():
            self.look()
            self._thread.start()

    def stop(self) -> None:
        """Ends the thread. Calling it again does nothing."""
        self._ended.set()
        self._awake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def why(self, since: float) -> str:
        """Why the machine was crowded at any time since a moment (monotonic seconds), in words; "" if it was not."""
        return next((each.why for each in reversed(self.crowded) if each.ended_at > since), "")

    def rest(self) -> None:
        """Measures nothing until `wake`: nobody waits for anything meanwhile."""
        self._awake.clear()

    def wake(self) -> None:
        """Measures again, from now on. What was measured before is forgotten, but for the last of it."""
        with self._looking:
            del self.crowded[:-1]
            self._before = None
        if self._thread.ident is not None:
            self.look()
        self._awake.set()

    def catch_up(self) -> None:
        """Measures up to now, without waiting for the end of the second; nothing where it is not measured at all."""
        with self._looking:
            if self._before is not None and time.monotonic() - self._before_at >= _LEAST_S:
                self._look()

    def look(self) -> None:
        """Takes a sample, and compares it with the one before."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        if not self._is_known:
            return
        now, after = time.monotonic(), self._sample()
        load = between(self._before, after) if self._before is not None else None
        self._before, began, self._before_at = after, self._before_at, now
        if load is None or not load.is_crowded:
            return
        if self._find_target is None:
            self.crowded.append(CrowdedTime(now, now - began, str(load)))
            return
        target, self._find_target = self._find_target(), None
        self._is_known = target is not None
        if target is not None:
            # What it has used until now is not of the time that is measured next.
            self._own.append(target)
            self._before, self._before_at = self._sample(), time.monotonic()

    def _run(self) -> None:
        while self._awake.wait() and not self._ended.wait(_WINDOW_S):
            self.catch_up()

    def _sample(self) -> HostSample:
        stat = (self._proc / "stat").read_text(encoding="ascii")
        return sample(stat, self._processes(), self._own, self._ticks_per_s)

    def _processes(self) -> Iterator[str]:
        with os.scandir(self._proc) as entries:
            names = [entry.name for entry in entries if entry.name.isdecimal()]
        for name in names:
            # A process may end meanwhile.
            with suppress(FileNotFoundError, ProcessLookupError):
                yield Path(self._proc, name, "stat").read_text(encoding="utf-8", errors="replace")
