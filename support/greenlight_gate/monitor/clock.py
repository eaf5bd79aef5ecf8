"""The clock that the monitor lives by. It is handed in, so that a day can be played in minutes."""

import time
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
    """The clock of this machine."""

    def now(self) -> float:
        """The time now."""
        return time.time()

    def sleep_until(self, at: float) -> None:
        """Returns at that time, or at once if it is past. A signal handler's exception ends it."""
        while (left_s := at - time.time()) > 0:
            time.sleep(min(left_s, _MOST_SLEEP_S))
