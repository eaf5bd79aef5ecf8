"""Notices that an event loop stood still, be it frozen with its process, and that the wall clock was moved."""

import time
from collections.abc import Callable
from typing import NamedTuple

# Longer than the scheduler delays a process on a machine that is merely busy.
STALL_S = 0.1
# Farther than a clock is adjusted in a while; and how close two clocks must be read to be compared.
_STEP_S = 0.05
_AT_ONCE_S = 0.001


class LoopStall(NamedTuple):
    """A time in which nothing was read: when it ended (monotonic seconds), and how long it was."""

    ended_at: float
    for_s: float


class ClockStep(NamedTuple):
    """The wall clock was moved against the monotonic one: when that was noticed (monotonic seconds), and how far."""

    at: float
    by_s: float


class Clocks(NamedTuple):
    """Three clocks read at once, in seconds. `boot` goes on while the machine is suspended, `monotonic` may not."""

    monotonic: float
    boot: float
    wall: float


def read_clocks() -> Clocks | None:
    """The clocks of this machine; None if the process was interrupted between two of them."""
    before = time.monotonic()
    # Only Linux has it; elsewhere a suspended machine shows by its wall clock alone.
    boot = time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else before
    wall, after = time.time(), time.monotonic()
    return Clocks(before, boot, wall) if after - before < _AT_ONCE_S else None


class LoopWatch:
    """What one event loop missed. `tick` is called regularly on the loop, `look` before anything is stamped.

    `stalls` and `steps` grow, in order of time. `epoch_s`: the wall time of the monotonic clock's zero, as it is now.
    `looked_at`: when it was last seen running. What is shorter than `stall_s` is no stall.
    """

    def __init__(self, read: Callable[[], Clocks | None] = read_clocks, stall_s: float = STALL_S) -> None:
        self.stalls: list[LoopStall] = []
        self.steps: list[ClockStep] = []
        self.stall_s = stall_s
        self._read = read
        clocks = read()
        while clocks is None:
            clocks = read()
        self.looked_at = clocks.monotonic
        self._suspended_s = clocks.boot - clocks.monotonic
        self.epoch_s = clocks.wall - clocks.monotonic

    def begin(self) -> None:
        """The loop runs from now on: what was before is no stall."""
        self.looked_at = time.monotonic()

    def forget(self) -> None:
        """Nothing that was noticed so far is asked for any longer: of a loop that runs for days, it would add up."""
        self.stalls.clear()
        self.steps.clear()

    def look(self, at: float) -> None:
        """The loop is running at `at`, monotonic seconds: if it was last seen long ago, it stood still."""
        for_s = at - self.looked_at
        if for_s > self.stall_s:
            self.stalls.append(LoopStall(at, for_s))
        if for_s > 0:
            self.looked_at = at

    def tick(self) -> None:
        """Looks at all clocks."""
        clocks = self._read()
        if clocks is None:
            return
        self.look(clocks.monotonic)
        suspended_s = clocks.boot - clocks.monotonic - self._suspended_s
        if suspended_s > self.stall_s:
            self._suspended_s += suspended_s
            self.stalls.append(LoopStall(clocks.monotonic, suspended_s))
        moved_s = clocks.wall - clocks.monotonic - self.epoch_s
        if abs(moved_s) > _STEP_S:
            self.epoch_s += moved_s
            self.steps.append(ClockStep(clocks.monotonic, moved_s))

    def lost_s(self, since: float) -> float:
        """For how many seconds since a moment (monotonic) the loop stood still."""
        lost = 0.0
        for stall in reversed(self.stalls):
            if stall.ended_at <= since:
                break
            lost += min(stall.for_s, stall.ended_at - since)
        return lost
