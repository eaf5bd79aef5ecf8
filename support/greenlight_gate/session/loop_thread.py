"""The loop thread: one event loop that runs from the beginning to the end of the session.

behave stops its own loop between steps, which stamps events late and kills keepalive. Steps hand coroutines to this one
and wait with a deadline, so that nothing can hang.
"""

import asyncio
import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from greenlight_gate.transport.event_loop import new_event_loop
from greenlight_gate.transport.loop_watch import LoopWatch

T = TypeVar("T")

_STOP_S = 5.0
_SLICE_S = 0.1
_TICK_S = 0.02
INTERRUPTED = "the run was interrupted"


class SuiteFault(Exception):
    """The suite's own fault, never the target's. Reports and Allure show it as such."""

    def __init__(self, text: str) -> None:
        self.said = text
        super().__init__(f"Suite fault: {text}")


def admit(fault: Exception | None) -> None:
    """Raises SuiteFault for an error of the suite itself while something was recorded (`Recorder.fault`).

    What came then was not judged, so that nothing that follows can be held against the target.
    """
    if fault is not None:
        raise SuiteFault(f"a message could not be processed: {fault!r}") from fault


class LoopThread:
    """Runs coroutines for a thread that may block. Call `start` before use; `stop` ends it and its coroutines.

    `watch` notices when the loop stood still, alone or with the whole process.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self.watch = LoopWatch()
        self._interrupted = False
        self._thread = threading.Thread(target=self._run, name="greenlight-loop", daemon=True)

    def start(self) -> None:
        """Starts the thread; returns when the loop runs."""
        self._thread.start()
        self._ready.wait()

    def call(self, coroutine: Coroutine[Any, Any, T], deadline_s: float) -> T:
        """The coroutine's result. Raises what it raises, and SuiteFault past the deadline, when it is cancelled.

        An interruption of the waiting thread, or of all of them (`interrupt`), cancels it as well.
        """
        future = self.post(coroutine)
        deadline = time.monotonic() + deadline_s
        try:
            while not self._interrupted and (left := deadline - time.monotonic()) > 0:
                # In slices: a signal that comes just before a wait is noticed only when the wait is over.
                with contextlib.suppress(concurrent.futures.TimeoutError):
                    return future.result(min(left, _SLICE_S))
                if future.done():
                    return future.result()
        except BaseException:
            future.cancel()
            raise
        future.cancel()
        if self._interrupted:
            raise SuiteFault(INTERRUPTED)
        raise SuiteFault(f"an operation of the suite did not finish within {deadline_s:g} s")

    def interrupt(self) -> None:
        """From now on each `call` ends with SuiteFault, in every thread."""
        self._interrupted = True

    def post(self, coroutine: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        """Starts the coroutine and does not wait for it."""
        if self._loop is None:
            coroutine.close()
            raise SuiteFault("the loop thread is not running")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _tick(self) -> None:
        self.watch.tick()
        if self._loop is not None:
            self._loop.call_later(_TICK_S, self._tick)

    def stop(self) -> None:
        """Cancels what is left and ends the thread. Calling it again does nothing."""
        if self._loop is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            self._loop = runner.get_loop()
            asyncio.set_event_loop(self._loop)
            self.watch.begin()
            self._loop.call_soon(self._ready.set)
            self._loop.call_soon(self._tick)
            self._loop.run_forever()


async def together(coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Runs coroutines at the same time and returns all results; the first exception is raised once all are done."""
    results = await asyncio.gather(*coroutines, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
