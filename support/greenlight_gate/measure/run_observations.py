"""The runs of one trace as their user saw them, each once it is settled: for metrics and for spans.

Only what listens pays for it; the meters of the verdict (`evidence.replay`, `load.meters`) are others.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from greenlight_gate.events import ENDS, Control, Event, EventKind, More, Reading, each
from greenlight_gate.measure.server_clock import ServerClock
from greenlight_gate.rules import pairing
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.trace import AnyRecord, ClockMoved, Opened, Received, Sent, Stalled, Throttled

OUTCOMES: Final = (*sorted(ENDS), "refused", "unfinished", "excused")
"""How a run may end: by an event, by an error in place of it, not at all, or as the suite itself caused it."""
MOST_TOOLS: Final = 128
# How long before its trace an event may have been sent, by clocks that are not read at once.
_OLDEST_S = 10.0


class ToolCall(msgspec.Struct, frozen=True, gc=False):
    """One tool that a run has used; times are seconds on the trace's clock, `ended_at` None for one left open."""

    name: str | None
    call: str | None
    began_at: float
    ended_at: float | None
    failed: bool = False


class ObservedRun:
    """A request and what came of it. Times are seconds on the trace's clock, from when the request was due.

    `timed`: its times are those of the backend; the suite delayed nothing. `tools` holds the first `MOST_TOOLS`.
    `silence_s` is the longest time without anything of a run on the connection; the time of a user who is asked counts
    for nothing. `in_parallel`: other scenarios ran at
    the same time. `asked` is the record of the request, `settled` is set before the observer gets it; `agent` and
    `answer` come from the events.
    """

    __slots__ = ("agent", "answer", "asked", "in_parallel", "last_at", "settled", "silence_s", "timed", "tools")

    def __init__(self, asked: Sent, *, in_parallel: bool) -> None:
        self.asked = asked
        self.in_parallel = in_parallel
        self.last_at = asked.at
        self.silence_s = 0.0
        self.tools: list[ToolCall] = []
        self.agent: str | None = None
        self.answer: str | None = None
        self.timed = True
        self.settled: Outcome | None = None

    @property
    def outcome(self) -> Outcome:
        """How it was settled."""
        assert self.settled is not None, "it is not settled yet"
        return self.settled

    @property
    def ended_as(self) -> str:
        """One of `OUTCOMES`."""
        outcome = self.outcome
        if outcome.ended_by is not None:
            return str(outcome.ended_by)
        if outcome.error is not None:
            return "refused"
        return "excused" if outcome.excused else "unfinished"

    @property
    def acknowledgement_s(self) -> float | None:
        """Seconds to agent_started; None where it did not come, or was delayed by the suite."""
        return self.outcome.acknowledgement_s if self.timed else None

    @property
    def duration_s(self) -> float | None:
        """Seconds to the end, without waits for the user; None where it did not come, or was delayed by the suite."""
        outcome = self.outcome
        if not self.timed or outcome.run is None or outcome.ended_by is None:
            return None
        return outcome.run.without_user(outcome.request.at, outcome.at)


class RunObservations:
    """Observes one trace, record by record. `clock`: that of the target.

    `ran` gets each run that is settled, after its last record; `delivered` the delivery latency of each event in
    seconds, and whether other scenarios ran at the same time. `reconnects`: threads restored on a new connection.
    """

    def __init__(
        self, epoch_s: float, clock: str, *, ran: Callable[[ObservedRun], None],
        delivered: Callable[[float, bool], None],
    ) -> None:  # fmt: skip
        self.epoch_s = epoch_s
        self.reconnects = 0
        self._clock = ServerClock(clock)
        self._ran, self._delivered = ran, delivered
        self._runs: dict[int, ObservedRun] = {}
        self._settled: list[ObservedRun] = []
        self._in_parallel: set[str] = set()
        # Connections on which the suite itself delays what comes, and until when it stood still.
        self._delayed: set[str] = set()
        self._unjudged_until = -_OLDEST_S

    def take(self, record: AnyRecord, reading: Reading | None) -> None:
        """One record, after what the correlation decided about it."""
        if type(record) is Received:
            self._received(record, reading)
        elif type(record) is Sent:
            self._sent(record)
        elif type(record) is Opened:
            if record.proxied:
                self._delayed.add(record.connection)
            if record.in_parallel:
                self._in_parallel.add(record.connection)
        elif type(record) is Throttled:
            self._delayed.add(record.connection)
        elif isinstance(record, Stalled | ClockMoved):
            self._unjudged_until = record.at
            if isinstance(record, ClockMoved):
                self._clock.moved(record.by_s)
        self._tell()

    def on_event(self, run: RunState, event: Event, at: float) -> None:
        """An event of a run came, which may be a sub-agent's, and is not judged yet."""
        observed = self._runs.get(run.root.first_n)
        if observed is None:
            return
        observed.agent = observed.agent or event.agent
        if event.kind is EventKind.TOOL_COMPLETED:
            tool = pairing.closed_by(run, event)
            if tool is not None and len(observed.tools) < MOST_TOOLS:
                observed.tools.append(ToolCall(tool.name, tool.call, tool.at, at, event.tool_failed))
        elif event.kind is EventKind.COMPLETED and event.parent is None:
            observed.answer = event.text

    def on_settled(self, outcome: Outcome) -> None:
        """A request is settled; its last record is still to come."""
        observed = self._runs.get(outcome.request.n)
        if observed is not None:
            observed.settled = outcome
            if outcome.run is not None:
                # The rules forget them once the run has ended.
                room = MOST_TOOLS - len(observed.tools)
                observed.tools += [ToolCall(tool.name, tool.call, tool.at, None) for tool in outcome.run.tools[:room]]
            self._settled.append(observed)

    def finish(self) -> None:
        """The trace is complete."""
        self._tell()

    def _sent(self, sent: Sent) -> None:
        if sent.what == "restore":
            self._delayed.add(sent.connection)
        elif sent.what == "ping" and sent.nonce is not None:
            self._clock.pinged(sent.nonce, sent.at)
        elif sent.what == "start":
            self._runs[sent.n] = ObservedRun(sent, in_parallel=sent.connection in self._in_parallel)
        elif sent.what == "respond":
            self._waited_for_user(sent.connection, sent.at)

    def _received(self, record: Received, reading: Reading | None) -> None:
        connection, at = record.connection, record.at
        is_of_a_run = False
        for part in each(reading):
            if type(part) is Event:
                if part.kind is EventKind.INPUT_RECEIVED:
                    self._waited_for_user(connection, at)
                is_of_a_run = is_of_a_run or not part.synthesised
                self._age(part, connection, at)
            elif type(part) is More:
                is_of_a_run = True
            elif type(part) is Control:
                self._control(part, at)
        if is_of_a_run:
            for run in self._runs.values():
                if run.asked.connection == connection:
                    run.silence_s = max(run.silence_s, at - run.last_at)
                    run.last_at = at

    def _waited_for_user(self, connection: str, until: float) -> None:
        for run in self._runs.values():
            if run.asked.connection == connection:
                run.last_at = max(run.last_at, until)

    def _control(self, control: Control, at: float) -> None:
        if control.name == "pong":
            self._clock.ponged(control, at, self.epoch_s)
        elif control.name == "restored":
            self.reconnects += 1

    def _age(self, event: Event, connection: str, at: float) -> None:
        offset_s = self._clock.offset_s
        if event.server_s is None or offset_s is None or event.synthesised or connection in self._delayed:
            return
        sent_at = event.server_s - offset_s - self.epoch_s
        if sent_at > self._unjudged_until:
            self._delivered(max(at - sent_at, 0.0), connection in self._in_parallel)

    def _tell(self) -> None:
        """Hands over the runs that are settled."""
        for run in self._settled:
            del self._runs[run.asked.n]
            outcome = run.outcome
            where = {run.asked.connection, outcome.connection}
            if outcome.run is not None:
                where.add(outcome.run.connection)
            run.timed = not (outcome.excused or where & self._delayed or outcome.request.at <= self._unjudged_until)
            self._ran(run)
        self._settled.clear()
