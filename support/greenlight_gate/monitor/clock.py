"""The clock that the monitor lives by. It is handed in, so that a day can be played in minutes."""

import time
from collections.abc import Callable
from typing import Protocol

# The wall clock may be moved, and a machine suspended: nothing is slept through for longer.
_MOST_SLEEP_S = 5.0


class Clock(Protocol):
    """Seconds since the epoch, and waiting for a moment."""

    def now(self) -> float:
        """The time now."""

    def sleep_until(self, at: float) -> None:
        """Returns at that time, or at once if it is past."""


class WallClock:
    """The clock of this machine, or another one: `read` gives seconds since the epoch, `sleep` waits so many."""

    def __init__(self, read: Callable[[], float] | None = None, sleep: Callable[[float], None] | None = None) -> None:
        self._read = read or time.time
        self._sleep = sleep or time.sleep

    def now(self) -> float:
        """The time now."""
        return self._read()

    def sleep_until(self, at: float) -> None:
        """Returns at that time, or at once if it is past. A signal handler's exception ends it.

        It never sleeps for longer than until then as the clock says now, also where the clock is set back meanwhile.
        """
        most_s = at - self.now()
        while (left_s := min(most_s, at - self.now(), _MOST_SLEEP_S)) > 0:
            self._sleep(left_s)
            most_s -= left_s
