"""Evidence, judged again: every trace is read once more with its profile, and every rule applied to it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from greenlight_gate.events import Control, Event, EventKind, Reading, Unmapped, each
from greenlight_gate.evidence.recovery import Recovery
from greenlight_gate.evidence.safe_files import bounded_lines, open_regular
from greenlight_gate.findings import Finding
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.server_clock import ServerClock
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.measure.trace_timeline import TraceTimeline
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.rules.engine.suite_stalls import LONG_S
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.rules.registry import RULES, Rule
from greenlight_gate.trace import (
    AnyRecord,
    ClockMoved,
    Closed,
    Crowded,
    ModelCall,
    Opened,
    Received,
    Sent,
    Stalled,
    read_trace,
    to_be_refused,
)
from greenlight_gate.verdict.facts import Observed
from greenlight_gate.wire.profile import Profile

_BLOCK = 64
# How long before its trace an event may have been sent, by clocks that are not read at once.
_OLDEST_S = 10.0


class BrokenTrace(Exception):
    """A trace that is not whole."""


class Meter:
    """Counts and measures over any number of traces. Memory does not grow with their length.

    The checker of each trace tells it how requests were settled (`rules.engine.outcome.Observer`).
    `offset_s`: the server's clock less ours, in seconds; None where it is not known.
    """

    def __init__(self, clock: str) -> None:
        self.events = self.messages = self.unmapped = 0
        self.kinds: set[EventKind] = set()
        self.expected = self.arrived = 0
        self.five_expected = self.five_shown = 0
        self.tried = self.made = 0
        self.model_calls = 0
        self.latency = Histogram()
        self.acknowledgement = Histogram()
        self.first_token = Histogram()
        # Of scenarios that ran beside others, whose work may have delayed what came.
        self.latency_in_parallel = Histogram()
        self.acknowledgement_in_parallel = Histogram()
        self.first_token_in_parallel = Histogram()
        self._in_parallel: set[str] = set()
        self.ping = Histogram()
        self._pings: dict[tuple[str, str], float] = {}
        self.recovery = Recovery()
        self._delayed: dict[str, float] = {}
        # What was sent before says nothing about latency: the suite stood still, or its wall clock was moved.
        self._unjudged_until = -_OLDEST_S
        self._is_stalled = self._is_crowded = False
        self._clock = ServerClock(clock)
        self.offset_s = self._clock.offset_s

    def take(self, record: AnyRecord, reading: Reading | None, epoch_s: float) -> None:
        """One record, with how it was read."""
        self.take_all((record,), (reading,), epoch_s)

    def take_all(self, records: Sequence[AnyRecord], readings: Sequence[Reading | None], epoch_s: float) -> None:
        """Some records in their order, each with how it was read."""
        recovery = self.recovery
        for record, reading in zip(records, readings, strict=True):
            if type(record) is not Received:
                recovery.take(record, reading)
                self._other(record)
                continue
            if recovery.trying:
                recovery.take(record, reading)
            self.messages += 1
            if type(reading) is Event and not reading.synthesised:
                self._event(reading, record.connection, record.at, epoch_s)
            else:
                self._frame(reading, record, epoch_s)

    def _other(self, record: AnyRecord) -> None:
        """Whatever is no message."""
        if isinstance(record, Sent):
            self._sent(record)
        elif isinstance(record, Opened):
            self._opened(record)
        elif isinstance(record, Closed) and record.connection not in self.recovery.cuts:
            hindered = self._is_stalled or (self._is_crowded and record.unanswered)
            self.tried += record.during == "handshake" and not to_be_refused(record) and not hindered
        elif isinstance(record, Stalled):
            self._unjudged_until = record.at
            self._is_stalled = self._is_stalled or record.for_s >= LONG_S
            self._pings.clear()
        elif isinstance(record, Crowded):
            self._is_crowded = True
        elif isinstance(record, ModelCall):
            self.model_calls += 1
        elif isinstance(record, ClockMoved):
            self._unjudged_until = record.at
            self._clock.moved(record.by_s)
            self.offset_s = self._clock.offset_s

    def on_settled(self, outcome: Outcome) -> None:
        """Counts what was expected of one request, and what of it was seen."""
        self._latency(outcome, outcome.acknowledgement_s, self.acknowledgement, self.acknowledgement_in_parallel)
        self._latency(outcome, outcome.first_token_s, self.first_token, self.first_token_in_parallel)
        if outcome.excused:
            return
        expected = outcome.expected
        self.expected += expected.total
        self.arrived += outcome.seen.of(expected)
        if outcome.needs_all_five:
            self.five_expected += 1
            self.five_shown += outcome.shows_all_five

    def _latency(self, outcome: Outcome, took_s: float | None, alone: Histogram, in_parallel: Histogram) -> None:
        """Records how long something of a run took, unless a fault of the network may have delayed it."""
        run = outcome.run
        if run is None or took_s is None:
            return
        delayed_since = self._delayed.get(run.connection)
        if delayed_since is None or delayed_since > outcome.request.at + took_s:
            (in_parallel if run.connection in self._in_parallel else alone).record(took_s)

    def _opened(self, opened: Opened) -> None:
        self.tried += not to_be_refused(opened)
        self.made += not to_be_refused(opened)
        if opened.proxied:
            self._delayed[opened.connection] = opened.at
        if opened.in_parallel:
            self._in_parallel.add(opened.connection)

    def _sent(self, sent: Sent) -> None:
        if sent.what == "restore":
            self._delayed.setdefault(sent.connection, sent.at)
        elif sent.what == "ping" and sent.nonce is not None:
            self._clock.pinged(sent.nonce, sent.at)
            self._pings[(sent.connection, sent.nonce)] = sent.at

    def _frame(self, reading: Reading | None, record: Received, epoch_s: float) -> None:
        """A message that is not just one event."""
        parts = list(each(reading))
        self.unmapped += any(isinstance(part, Unmapped) for part in parts)
        for part in parts:
            if isinstance(part, Control):
                self._control(part, record, epoch_s)
            elif isinstance(part, Event) and not part.synthesised:
                self._event(part, record.connection, record.at, epoch_s)

    def _event(self, event: Event, connection: str, at: float, epoch_s: float) -> None:
        kind, stamp, offset_s = event.kind, event.server_s, self.offset_s
        self.events += 1
        if kind not in self.kinds:
            self.kinds.add(kind)
        # What waited in the fault proxy, or for its user to reconnect, says nothing about the latency of the backend.
        if stamp is not None and offset_s is not None and connection not in self._delayed:
            sent_at = stamp - offset_s - epoch_s
            # An event cannot be older than the trace: then the server's clock was moved.
            if sent_at > self._unjudged_until:
                latency = self.latency_in_parallel if connection in self._in_parallel else self.latency
                latency.record(at - sent_at)

    def _control(self, control: Control, record: Received, epoch_s: float) -> None:
        if control.name == "pong":
            self._clock.ponged(control, record.at, epoch_s)
            sent_at = self._pings.pop((record.connection, str(control.values.get("nonce"))), None)
            if sent_at is not None and record.connection not in self._delayed:
                self.ping.record(record.at - sent_at)
            self.offset_s = self._clock.offset_s

    def end_of_trace(self) -> None:
        """What is known of the connections of one trace holds for no other."""
        self._clock.end_of_trace()
        self.offset_s = self._clock.offset_s
        self._unjudged_until, self._is_stalled, self._is_crowded = -_OLDEST_S, False, False
        self._pings.clear()
        self._delayed.clear()
        self._in_parallel.clear()
        self.recovery.end_of_trace()

    def observed(self) -> Observed:
        """The figures so far."""
        return Observed(
            events=self.events, kinds=tuple(sorted(self.kinds)), expected_events=self.expected,
            arrived_events=self.arrived, connections_tried=self.tried, connections_made=self.made,
            five_expected=self.five_expected, five_shown=self.five_shown, messages=self.messages,
            unmapped=self.unmapped, model_calls=self.model_calls,
            latency=(self.latency if self.latency.samples else self.latency_in_parallel).summary(),
            acknowledgement=(
                self.acknowledgement if self.acknowledgement.samples else self.acknowledgement_in_parallel
            ).summary(),
            first_token=(self.first_token if self.first_token.samples else self.first_token_in_parallel).summary(),
            recovery=self.recovery.times.summary(), ping=self.ping.summary(),
        )  # fmt: skip


def replay(
    path: Path, profile: Profile, budgets: TimeBudgets, meter: Meter, timeline: Timeline | None = None, *,
    rules: Mapping[str, Rule] = RULES,
) -> TraceChecker:  # fmt: skip
    """One trace file, judged to its end. Raises Torn for a file that is missing or not whole.

    `timeline` gathers what it shows over time. `rules`: those by which it is judged.
    """
    try:
        with open_regular(path) as file:
            return _replay(bounded_lines(file), profile, budgets, meter, timeline or Timeline(None), rules=rules)
    except OSError as error:
        raise BrokenTrace(f"{path.name} cannot be read ({error.strerror})") from error
    except msgspec.MsgspecError as error:
        raise BrokenTrace(f"{path.name} is not whole ({error})") from error


def _replay(
    lines: Iterable[bytes], profile: Profile, budgets: TimeBudgets, meter: Meter, timeline: Timeline, *,
    rules: Mapping[str, Rule],
) -> TraceChecker:  # fmt: skip
    header, records = read_trace(lines)
    epoch_s = header.epoch_s
    checker = TraceChecker(profile, budgets, epoch_s, rules=rules)
    trace_timeline, steps = TraceTimeline(timeline, header.scenario, epoch_s), _Steps()
    findings, said, known = checker.findings, steps.said, 0
    checker.observe(meter)
    checker.observe_events(steps)
    # A few records at a time: what each step works with is still at hand when the next record comes.
    while block := list(islice(records, _BLOCK)):
        readings: list[Reading | None] = []
        for reading in checker.feed_all(block):
            readings.append(reading)
            said.append(None)
            if len(findings) > known:
                said += findings[known:]
                known = len(findings)
        meter.take_all(block, readings, epoch_s)
        timeline.offset_s = meter.offset_s
        steps.tell(trace_timeline, zip(block, readings, strict=True))
    checker.finish()
    said += findings[known:]
    steps.tell(trace_timeline, ())
    trace_timeline.finish()
    meter.end_of_trace()
    return checker


class _Steps:
    """What becomes of some records, in its order, until the timeline comes to them (`EventObserver`).

    None in `said` stands for the next record, after what the correlation says of it and before what the rules say.
    """

    def __init__(self) -> None:
        self.said: list[tuple[RunState, Event, float] | Outcome | Finding | None] = []

    def on_event(self, run: RunState, event: Event, at: float) -> None:
        """An event of a run came."""
        self.said.append((run, event, at))

    def on_more(self, run: RunState, at: float) -> None:
        """The timeline does not show it."""

    def on_settled(self, outcome: Outcome) -> None:
        """A request is settled."""
        self.said.append(outcome)

    def tell(self, trace_timeline: TraceTimeline, records: Iterable[tuple[AnyRecord, Reading | None]]) -> None:
        """Says it all to the timeline."""
        coming = iter(records)
        for said in self.said:
            if type(said) is tuple:
                run, event, at = said
                trace_timeline.on_event(run, event, at)
            elif said is None:
                record, reading = next(coming)
                trace_timeline.take(record, reading)
            elif isinstance(said, Outcome):
                trace_timeline.on_settled(said)
            elif isinstance(said, Finding):
                trace_timeline.found(said)
        self.said.clear()


def read_conversation(path: Path, profile_toml: str) -> list[tuple[AnyRecord, Reading | None]]:
    """The records of one trace file, each with how the profile reads it. Raises OSError, msgspec.MsgspecError."""
    profile = Profile.from_toml(profile_toml)
    with open_regular(path) as file:
        header, records = read_trace(bounded_lines(file))
        checker = TraceChecker(profile, TimeBudgets(), header.epoch_s)
        return [(record, checker.feed(record)) for record in records]
