"""Ctrl-C, SIGTERM and the time limit: each ends the run early and leaves a session that can be judged."""

import contextlib
import signal
import sys
import threading
import weakref
from collections.abc import Iterator
from types import FrameType

_A_MOMENT_S = 0.005


class Interruption:
    """`reason` says what ended the run early; "" if nothing did. `timeout_s` is named if that is the reason."""

    def __init__(self, timeout_s: float | None = None) -> None:
        self.reason = ""
        self._timeout_s = timeout_s
        self._first = ""
        self._held = False
        self._waits = False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """What is done in here is done whole: an interruption that comes meanwhile is raised at its end."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
            if self._waits:
                self._raise()

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Handles a signal: raises KeyboardInterrupt for the first one, now or as soon as it can be raised."""
        if self.reason:
            return
        name = signal.Signals(number).name
        self._first = self._first or (f"time limit of {self._timeout_s:g} s" if name == "SIGALRM" else name)
        if self._held:
            self._waits = True
        elif hasattr(signal, "setitimer") and _in_a_finalizer(frame):
            # There Python would print the exception and go on.
            signal.setitimer(signal.ITIMER_REAL, _A_MOMENT_S)
        else:
            self._raise()

    def end(self, reason: str) -> None:
        """Ends the run at its next scenario, unless something else has ended it."""
        self.reason = self.reason or reason

    def check(self) -> None:
        """Raises the interruption once more if there was one: what was interrupted has swallowed it, and goes on."""
        if self.reason:
            raise KeyboardInterrupt(self.reason)

    def again(self) -> None:
        """The exception was swallowed, as in a callback of a weak reference: raises it again in a moment."""
        self.reason = ""
        signal.setitimer(signal.ITIMER_REAL, _A_MOMENT_S)

    def _raise(self) -> None:
        self._waits = False
        if not self.reason:
            self.reason = self._first
            raise KeyboardInterrupt(self._first)


@contextlib.contextmanager
def interruptible(timeout_s: float | None) -> Iterator[Interruption]:
    """SIGINT, SIGTERM and, after `timeout_s` seconds, SIGALRM raise KeyboardInterrupt once; later ones are ignored.

    Outside the main thread nothing is installed: Python delivers signals only there. Raises KeyboardInterrupt at once
    where a signal came before, to a handler that says so (`has_come`): then it was swallowed.
    """
    interruption = Interruption(timeout_s)
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    unraisable = sys.unraisablehook

    def swallowed(said: "sys.UnraisableHookArgs") -> None:
        """Python prints what it cannot raise, and goes on; an interruption is not to be lost in this way."""
        if said.exc_type is KeyboardInterrupt and interruption.reason and hasattr(signal, "setitimer"):
            interruption.again()
        else:
            unraisable(said)

    wanted = [signal.SIGINT, signal.SIGTERM, *([signal.SIGALRM] if hasattr(signal, "SIGALRM") else [])]
    before = {number: signal.getsignal(number) for number in wanted}
    if any(getattr(handler, "has_come", False) for handler in before.values()):
        raise KeyboardInterrupt
    try:
        sys.unraisablehook = swallowed
        for number in wanted:
            signal.signal(number, interruption.stop)
        if timeout_s is not None and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, timeout_s)
        yield interruption
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = unraisable


def _in_a_finalizer(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "__del__" or frame.f_code.co_filename == weakref.__file__:
            return True
        frame = frame.f_back
    return False
