"""Where each microsecond of a checked event goes, and in which functions: a profile of the load engine by samples.

    python -m support.benchmarks.load_profile [SECONDS [USERS]]

A load in closed loop on the fast server, which has a core of its own, with all rules on. What is run is noted at each
tick of the CPU time of the process, which is 4 ms on most systems; a function of the standard library counts for the
part that called it. Printed are the microseconds of an event by part, the share of the kernel, the CPU time of the
start, and the twenty functions with the most time of their own. What begins and ends a load counts as well.
"""

import queue
import resource
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import PurePath
from types import FrameType
from typing import Any

from greenlight_gate.load.channel import LocalDirectorChannel
from greenlight_gate.load.director import Director
from greenlight_gate.measure.load_result import LoadResult

from support.benchmarks.fast import PEERS, pin, plan_for, serving, target_file

# The shortest time; the system makes a tick of it.
_EACH_S = 0.001
_MOST_FUNCTIONS = 20
# The first that fits a path counts.
_PARTS = {
    "transport/frames.py": "frames",
    "greenlight_gate/transport/": "socket",
    "greenlight_gate/wire/": "decode",
    "<profile ": "decode",
    "rules/engine/canary": "search",
    "rules/engine/forbidden_text.py": "search",
    "rules/engine/packings.py": "search",
    "rules/engine/text_": "search",
    "rules/engine/correlation.py": "correlation",
    "rules/engine/id_registry.py": "correlation",
    "rules/engine/open_requests.py": "correlation",
    "rules/engine/run_state.py": "correlation",
    "rules/engine/expected.py": "correlation",
    "rules/engine/outcome.py": "correlation",
    "greenlight_gate/rules/": "rules",
    "greenlight_gate/measure/": "figures",
    "load/latency_counter.py": "figures",
    "load/meters.py": "figures",
    "load/live_counts.py": "figures",
    "greenlight_gate/load/": "virtual users",
    "/asyncio/": "event loop",
    "/selectors.py": "event loop",
}


class _Samples:
    """What was run at each tick of CPU time."""

    def __init__(self) -> None:
        self.parts: Counter[str] = Counter()
        self.functions: Counter[str] = Counter()

    def take(self, _: int, frame: FrameType | None) -> None:
        """A handler of signals."""
        if frame is not None:
            path = PurePath(frame.f_code.co_filename)
            self.functions[f"{frame.f_code.co_qualname} ({path.parent.name}/{path.name})"] += 1
        while frame is not None:
            for place, part in _PARTS.items():
                if place in frame.f_code.co_filename:
                    self.parts[part] += 1
                    return
            frame = frame.f_back
        self.parts["other"] += 1


class _OnThisThread(Executor):
    """Runs what is submitted on the thread that calls `run`: only the main thread is interrupted by signals."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Leaves the work for `run`."""
        future: Future[Any] = Future()
        self._work.put((future, lambda: fn(*args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends `run`."""
        self._work.put(None)

    def run(self) -> None:
        """Works until `shutdown`."""
        while (given := self._work.get()) is not None:
            future, work = given
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 -- it is that of who has submitted it
                future.set_exception(error)


def _loaded(environment: str, users: int, seconds: float) -> LoadResult:
    suite, plan = plan_for(environment, users, duration_s=seconds)
    executor, results = _OnThisThread(), []

    def direct() -> None:
        try:
            results.append(Director(plan, [executor], LocalDirectorChannel()).run())
        finally:
            executor.shutdown()

    director = threading.Thread(target=direct)
    try:
        director.start()
        executor.run()
        director.join()
    finally:
        suite.stop()
    return results[0]


def main(seconds: float, users: int) -> None:
    """Prints the tables."""
    started_s = time.process_time()
    samples = _Samples()
    with serving(PEERS / "fast_server.py", "3", core=0) as port:
        pin(0, 1)
        environment = str(target_file(port))
        _loaded(environment, users, 0.2)
        signal.signal(signal.SIGPROF, samples.take)
        before = resource.getrusage(resource.RUSAGE_SELF)
        signal.setitimer(signal.ITIMER_PROF, _EACH_S, _EACH_S)
        result = _loaded(environment, users, seconds)
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        after = resource.getrusage(resource.RUSAGE_SELF)
    user_s, kernel_s = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    whole_us, total = (user_s + kernel_s) / result.events * 1e6, samples.parts.total()
    print(
        f"{result.events:,} events of {users} users, {total:,} samples: {whole_us:.2f} us of CPU for an event, of which"
    )
    for part, count in samples.parts.most_common():
        print(f"  {part:<16}{whole_us * count / total:6.2f} us  {count / total:6.1%}")
    print(f"In the kernel: {kernel_s / (user_s + kernel_s):.0%}. Start and imports: {started_s:.2f} s of CPU.")
    print(f"The {_MOST_FUNCTIONS} functions with the most time of their own:")
    for function, count in samples.functions.most_common(_MOST_FUNCTIONS):
        print(f"  {count / total:6.1%}  {function}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0, int(sys.argv[2]) if len(sys.argv) > 2 else 50)
