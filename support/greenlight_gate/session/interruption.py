"""Ctrl-C, SIGTERM and the time limit: each ends the run early and leaves a session that can be judged."""

import contextlib
import signal
import threading
import weakref
from collections.abc import Iterator
from types import FrameType

_A_MOMENT_S = 0.005


class Interruption:
    """`reason` says what ended the run early; "" if nothing did."""

    def __init__(self) -> None:
        self.reason = ""


@contextlib.contextmanager
def interruptible(timeout_s: float | None) -> Iterator[Interruption]:
    """SIGINT, SIGTERM and, after `timeout_s` seconds, SIGALRM raise KeyboardInterrupt once; later ones are ignored.

    Outside the main thread nothing is installed: Python delivers signals only there. In a finalizer Python would print
    the exception and go on, so it is raised a moment later.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    first = ""

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if interruption.reason:
            return
        name = signal.Signals(number).name
        first = first or (f"time limit of {timeout_s:g} s" if name == "SIGALRM" else name)
        if hasattr(signal, "setitimer") and _in_a_finalizer(frame):
            signal.setitimer(signal.ITIMER_REAL, _A_MOMENT_S)
            return
        interruption.reason = first
        raise KeyboardInterrupt(first)

    wanted = [signal.SIGINT, signal.SIGTERM, *([signal.SIGALRM] if hasattr(signal, "SIGALRM") else [])]
    before = {number: signal.signal(number, stop) for number in wanted}
    if timeout_s is not None and hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        yield interruption
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_a_finalizer(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "__del__" or frame.f_code.co_filename == weakref.__file__:
            return True
        frame = frame.f_back
    return False
