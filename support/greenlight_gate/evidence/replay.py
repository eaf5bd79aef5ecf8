"""Evidence, judged again: every trace is read once more with its profile, and every rule applied to it."""

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from greenlight_gate.events import ENDS, FIVE, Control, Event, EventKind, Reading, Unmapped, each
from greenlight_gate.evidence.recovery import Recovery
from greenlight_gate.findings import Finding
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.server_clock import ServerClock
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.measure.trace_timeline import TraceTimeline
from greenlight_gate.rules.engine.run_state import TimeBudgets
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.rules.registry import RULES, Rule
from greenlight_gate.trace import AnyRecord, Closed, Cut, Opened, Received, Sent, TimedOut, read_trace
from greenlight_gate.verdict.decision import Observed
from greenlight_gate.wire.profile import Profile

_MOST_ANSWERS = 256
_BLOCK = 64
_STARTED: Final = EventKind.STARTED
_THINKING: Final = EventKind.THINKING
_COMPLETED: Final = EventKind.COMPLETED
_TOOL_EXECUTING: Final = EventKind.TOOL_EXECUTING
_TOOL_COMPLETED: Final = EventKind.TOOL_COMPLETED


class Torn(Exception):  # noqa: N818 -- reads as what happened to the trace
    """A trace that is not whole."""


class _Answer:
    """What one question asked for, and how much of it was shown."""

    __slots__ = ("asked_at", "connection", "counts", "expect", "run", "settled", "was_stopped")

    def __init__(self, sent: Sent) -> None:
        self.connection = sent.connection
        self.asked_at = sent.at if sent.intended_at is None else sent.intended_at
        self.expect = sent.expect
        self.run: str | None = None
        self.was_stopped = False
        self.settled = False
        self.counts: dict[EventKind, int] = {}

    def expected(self, absent: Collection[str]) -> list[tuple[EventKind, int]]:
        """How many of each kind are due, but for those that the wire does not show."""
        expect = self.expect
        if expect is None or self.was_stopped or not self.settled:
            return []
        due = [(_STARTED, 1), (expect.end, 1)]
        if expect.thinking:
            due.append((_THINKING, 1))
        if expect.tools and expect.end is _COMPLETED:
            due += (_TOOL_EXECUTING, expect.tools), (_TOOL_COMPLETED, expect.tools)
        return [one for one in due if one[0] not in absent] if absent else due


class Meter:
    """Counts and measures over any number of traces. Memory does not grow with their length.

    `offset_s`: the server's clock less ours, in seconds; None where it is not known.
    """

    def __init__(self, clock: str, absent: Collection[str] = ()) -> None:
        self.absent = frozenset(absent)
        self._five = {kind for kind in FIVE if kind not in self.absent}
        self.events = self.messages = self.unmapped = 0
        self.kinds: set[EventKind] = set()
        self.expected = self.arrived = 0
        self.five_expected = self.five_shown = 0
        self.tried = self.made = 0
        self.latency = Histogram()
        self.acknowledgement = Histogram()
        # Of scenarios that ran beside others, whose work may have delayed what came.
        self.latency_beside = Histogram()
        self.acknowledgement_beside = Histogram()
        self._beside: set[str] = set()
        self.recovery = Recovery()
        self._delayed: set[str] = set()
        self._answers: dict[str, _Answer] = {}
        self._by_run: dict[str, _Answer] = {}
        self._expiring: set[str] = set()
        self._clock = ServerClock(clock)
        self.offset_s = self._clock.offset_s

    def take(self, record: AnyRecord, reading: Reading | None, epoch_s: float) -> None:
        """One record, with how it was read."""
        recovery = self.recovery
        if type(record) is Received:
            if recovery.trying:
                recovery.take(record, reading)
            self.messages += 1
            if type(reading) is Event and not reading.synthesised:
                self._event(reading, record.connection, record.at, epoch_s)
            else:
                self._frame(reading, record, epoch_s)
            return
        recovery.take(record, reading)
        self._other(record)

    def _other(self, record: AnyRecord) -> None:
        """Whatever is no message."""
        if isinstance(record, Sent):
            self._sent(record)
        elif isinstance(record, Opened):
            self._opened(record)
        elif isinstance(record, Cut):
            self._cut(record)
        elif isinstance(record, TimedOut):
            self._settle(lambda answer, request: request == record.request)
        elif isinstance(record, Closed) and record.connection not in self.recovery.cuts:
            self.tried += record.during == "handshake" and not record.unwelcome
            # A pass that ends takes the answers with it that were under way.
            if record.connection not in self._expiring and (record.by != "client" or record.given_up):
                self._settle(lambda answer, _: answer.connection == record.connection)

    def _settle(self, concerned: Callable[["_Answer", str], bool]) -> None:
        """No more of these answers will come; one that nothing settles we cut short ourselves: it does not count."""
        for request, answer in self._answers.items():
            answer.settled = answer.settled or concerned(answer, request)

    def _opened(self, opened: Opened) -> None:
        self.tried += not opened.unwelcome
        self.made += not opened.unwelcome
        if opened.expires_at is not None:
            self._expiring.add(opened.connection)
        if opened.proxied:
            self._delayed.add(opened.connection)
        if opened.beside:
            self._beside.add(opened.connection)

    def _cut(self, cut: Cut) -> None:
        """What is under way when the suite takes the backend away may end without an answer."""
        for answer in self._answers.values():
            if cut.ends_backend and answer.connection == cut.connection and not answer.settled:
                answer.was_stopped = True

    def _sent(self, sent: Sent) -> None:
        if sent.what == "start" and sent.request is not None:
            self._answers[sent.request] = _Answer(sent)
            if len(self._answers) > _MOST_ANSWERS:
                self._forget()
        elif sent.what == "restore":
            self._delayed.add(sent.connection)
        elif sent.what == "ping" and sent.nonce is not None:
            self._clock.pinged(sent.nonce, sent.at)
        elif sent.what == "stop" and sent.run is not None and not sent.foreign:
            for answer in self._answers.values():
                answer.was_stopped = answer.was_stopped or answer.run == sent.run

    def _frame(self, reading: Reading | None, record: Received, epoch_s: float) -> None:
        """A message that is not just one event."""
        parts = list(each(reading))
        self.unmapped += any(isinstance(part, Unmapped) for part in parts)
        for part in parts:
            if isinstance(part, Control):
                self._control(part, record.at, epoch_s)
            elif isinstance(part, Event) and not part.synthesised:
                self._event(part, record.connection, record.at, epoch_s)

    def _event(self, event: Event, connection: str, at: float, epoch_s: float) -> None:
        kind, run, stamp, offset_s = event.kind, event.run, event.server_s, self.offset_s
        self.events += 1
        if kind not in self.kinds:
            self.kinds.add(kind)
        # What waited in our own proxy, or for its person to come back, says nothing of how quick the backend is.
        is_news = connection not in self._delayed
        if is_news and stamp is not None and offset_s is not None:
            latency = self.latency_beside if connection in self._beside else self.latency
            latency.record(at + epoch_s - (stamp - offset_s))
        if event.parent is not None:
            return
        request = event.request
        answer = self._answers.get(request) if request is not None else self._answer_of(event, connection)
        if answer is None:
            return
        if answer.run != run:
            answer.run = run
            if run is not None:
                self._by_run[run] = answer
        counts = answer.counts
        counts[kind] = so_far = counts.get(kind, 0) + 1
        if kind in ENDS:
            answer.settled = True
        elif so_far == 1 and kind is _STARTED and is_news:
            latency = self.acknowledgement_beside if connection in self._beside else self.acknowledgement
            latency.record(at - answer.asked_at)

    def _answer_of(self, event: Event, connection: str) -> _Answer | None:
        """Where the wire has no requests, by the run; a run that is new answers the oldest question."""
        known = self._by_run.get(event.run) if event.run is not None else None
        if known is not None and known.connection == connection:
            return known
        here = (answer for answer in self._answers.values() if answer.connection == connection)
        return next((answer for answer in here if answer.run is None and not answer.settled), None)

    def _control(self, control: Control, at: float, epoch_s: float) -> None:
        if control.name == "pong":
            self._clock.ponged(control, at, epoch_s)
            self.offset_s = self._clock.offset_s

    def end_of_trace(self) -> None:
        """Settles what the questions of one trace asked for."""
        for answer in self._answers.values():
            self._sum_up(answer)
        self._answers.clear()
        self._by_run.clear()
        self._expiring.clear()
        self._clock.forget_pings()
        self._delayed.clear()
        self._beside.clear()
        self.recovery.end_of_trace()

    def _sum_up(self, answer: "_Answer") -> None:
        due, counts = answer.expected(self.absent), answer.counts
        for kind, count in due:
            self.expected += count
            self.arrived += min(count, counts.get(kind, 0))
        expect = answer.expect
        if due and expect is not None and expect.tools and expect.end is _COMPLETED:
            self.five_expected += 1
            self.five_shown += self._five <= counts.keys()

    def _forget(self) -> None:
        """Of the older half, sums up those that have ended: what comes later than that belongs to none of them."""
        for request, answer in list(self._answers.items())[: _MOST_ANSWERS // 2]:
            if answer.settled:
                self._sum_up(answer)
                del self._answers[request]
                if answer.run is not None:
                    self._by_run.pop(answer.run, None)

    def observed(self) -> Observed:
        """The figures so far."""
        return Observed(
            events=self.events, kinds=tuple(sorted(self.kinds)), expected_events=self.expected,
            arrived_events=self.arrived, connections_tried=self.tried, connections_made=self.made,
            five_expected=self.five_expected, five_shown=self.five_shown, messages=self.messages,
            unmapped=self.unmapped, latency=(self.latency if self.latency.samples else self.latency_beside).summary(),
            acknowledgement=(
                self.acknowledgement if self.acknowledgement.samples else self.acknowledgement_beside
            ).summary(),
            recovery=self.recovery.times.summary(),
        )  # fmt: skip


def replay(
    path: Path, profile: Profile, budgets: TimeBudgets, meter: Meter, course: Timeline | None = None, *,
    rules: Mapping[str, Rule] = RULES,
) -> TraceChecker:  # fmt: skip
    """One trace file, judged to its end. Raises Torn for a file that is missing or not whole.

    `course` gathers what it shows over time. `rules`: those by which it is judged.
    """
    try:
        with path.open("rb") as lines:
            return _replay(lines, profile, budgets, meter, course or Timeline(None), rules=rules)
    except OSError as error:
        raise Torn(f"{path.name} cannot be read ({error.strerror})") from error
    except msgspec.MsgspecError as error:
        raise Torn(f"{path.name} is not whole ({error})") from error


def _replay(
    lines: Iterable[bytes], profile: Profile, budgets: TimeBudgets, meter: Meter, course: Timeline, *,
    rules: Mapping[str, Rule],
) -> TraceChecker:  # fmt: skip
    header, records = read_trace(lines)
    epoch_s = header.epoch_s
    checker = TraceChecker(profile, budgets, epoch_s, rules=rules)
    strand = TraceTimeline(course, header.scenario, epoch_s)
    findings, known, told = checker.findings, 0, 0
    # A few records at a time: what each step works with is still at hand when the next record comes.
    while block := list(islice(records, _BLOCK)):
        readings: list[Reading | None] = []
        marks: list[tuple[int, int]] = []
        for reading in checker.feed_all(block):
            readings.append(reading)
            if len(findings) > known:
                known = len(findings)
                marks.append((len(readings), known))
        for record, reading in zip(block, readings, strict=True):
            meter.take(record, reading, epoch_s)
        course.offset_s = meter.offset_s
        begin = 0
        for end, so_far in (*marks, (len(block), known)):
            for record, reading in zip(block[begin:end], readings[begin:end], strict=True):
                strand.take(record, reading)
            told, begin = _tell(strand, findings, told, so_far), end
    checker.finish()
    _tell(strand, findings, told, len(findings))
    strand.finish()
    meter.end_of_trace()
    return checker


def _tell(strand: TraceTimeline, findings: list[Finding], told: int, so_far: int) -> int:
    for finding in findings[told:so_far]:
        strand.found(finding)
    return so_far


def read_conversation(path: Path, profile_toml: str) -> list[tuple[AnyRecord, Reading | None]]:
    """The records of one trace file, each with how the profile reads it. Raises OSError, msgspec.MsgspecError."""
    profile = Profile.from_toml(profile_toml)
    with path.open("rb") as lines:
        header, records = read_trace(lines)
        checker = TraceChecker(profile, TimeBudgets(), header.epoch_s)
        return [(record, checker.feed(record)) for record in records]
