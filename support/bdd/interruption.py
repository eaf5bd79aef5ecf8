"""Ctrl-C, SIGTERM and the time limit: each ends the run early and leaves a session that can be judged."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Interruption:
    """`reason` says what ended the run early; "" while nothing has."""

    def __init__(self) -> None:
        self.reason = ""


@contextlib.contextmanager
def interruptible(timeout_s: float | None) -> Iterator[Interruption]:
    """SIGINT, SIGTERM and, after `timeout_s` seconds, SIGALRM raise KeyboardInterrupt once; later ones are ignored.

    Outside the main thread nothing is installed: Python delivers signals only there.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    def stop(number: int, _: FrameType | None) -> None:
        if interruption.reason:
            return
        name = signal.Signals(number).name
        interruption.reason = f"time limit of {timeout_s:g} s" if name == "SIGALRM" else name
        raise KeyboardInterrupt(interruption.reason)

    wanted = [signal.SIGINT, signal.SIGTERM]
    if timeout_s is not None and hasattr(signal, "SIGALRM"):
        wanted.append(signal.SIGALRM)
    before = {number: signal.signal(number, stop) for number in wanted}
    if timeout_s is not None and hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, timeout_s)
    try:
        yield interruption
    finally:
        if timeout_s is not None and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
