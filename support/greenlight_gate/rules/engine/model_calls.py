"""The calls to the model for the runs of a trace, which are judged when it is complete."""

from collections import deque
from collections.abc import Mapping
from typing import Final

from greenlight_gate.rules import isolation, lifecycle
from greenlight_gate.rules.engine.connection_checker import ConnectionChecker
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.trace import ModelCall

# The model keeps as many calls.
MOST_RUNS: Final = 10_000


class ModelCalls:
    """The calls of one trace by request, and the latest runs with their answers (an `Observer`)."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], list[ModelCall]] = {}
        self._left_at: dict[str, float] = {}
        self._runs: deque[tuple[str, RunState, str]] = deque(maxlen=MOST_RUNS)
        # The requests whose streams their user has closed, which has to end their runs then.
        self._closed: set[str] = set()
        self._stalls: list[tuple[float, float]] = []

    def on_settled(self, outcome: Outcome) -> None:
        """A request is settled: its run is remembered, and its answer, which the run forgets next."""
        if outcome.run is not None and outcome.request.request is not None:
            self._runs.append((outcome.request.request, outcome.run, outcome.run.other_text))

    def left(self, connection: str, at: float) -> None:
        """A connection has ended, and no run of a request on it may go on."""
        self._left_at.setdefault(connection, at)

    def stream_closed(self, request: str | None) -> None:
        """The user has closed the stream of a request to stop its run, whatever they do later."""
        self._closed |= {request} if request else set()

    def stalled(self, at: float, for_s: float) -> None:
        """The suite stood still for so long until then, and with it the model that it serves."""
        self._stalls.append((at, for_s))

    def add(self, call: ModelCall) -> None:
        """A call was recorded."""
        self._calls.setdefault((call.connection, call.request), []).append(call)

    def judge(self, connections: Mapping[str, ConnectionChecker]) -> None:
        """Judges all calls whose run is known; nothing can be said of the others."""
        # Two users may send requests with the same id.
        runs = {(run.user, request): (run, answer) for request, run, answer in self._runs}
        for (connection, request), calls in self._calls.items():
            checker = connections[connection]
            if (checker.user, request) not in runs:
                continue
            run, answer = runs[checker.user, request]
            lifecycle.on_unfinished_answer(run, answer, calls, checker.report)
            left_at = None if request in self._closed else self._left_at.get(checker.connection)
            since = max((at for at in (run.stop_at, left_at) if at is not None), default=0.0)
            stop_s = checker.budgets.stop_s + sum(for_s for at, for_s in self._stalls if at > since)
            lifecycle.on_calls_after_the_end(run, calls, left_at, stop_s, checker.report)
            for call in calls:
                for owner in call.owners:
                    if not checker.search.owns(owner):
                        isolation.on_prompt(owner, run, call.n, checker.report)
