"""The recorder of one scenario: every record goes to the trace file, to the rules and into memory, in this order.

It is used on the loop thread; nothing else writes to the trace.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from greenlight_gate.client.answers import Answers
from greenlight_gate.client.request import PastRequest
from greenlight_gate.events import Event, Reading, Unmapped
from greenlight_gate.findings import Finding
from greenlight_gate.measure import record_feed
from greenlight_gate.measure.host_load import CrowdedTime
from greenlight_gate.rules.connection import blames_silence
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.rules.engine.suite_stalls import LONG_S
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.rules.registry import RULES, Rule
from greenlight_gate.trace import (
    AnyRecord,
    ClockMoved,
    Crowded,
    Header,
    Other,
    Received,
    Stalled,
    TimedOut,
    encode_header,
    encode_record,
)
from greenlight_gate.transport.loop_watch import LoopWatch
from greenlight_gate.wire.profile import Profile

R = TypeVar("R", bound=AnyRecord)

# After the suite stood still, so long what came meanwhile may take to be read.
_CATCH_UP_S = 0.5


class RecordedEntry:
    """A record, and its reading if it is a message."""

    __slots__ = ("reading", "record")

    def __init__(self, record: AnyRecord, reading: Reading | None) -> None:
        self.record = record
        self.reading = reading


class Recorder:
    """Records one scenario. Times in the trace are seconds since the recorder began.

    `redact` replaces secrets before anything is kept. Raises OSError if the trace cannot be written. `fault` is an
    error of the suite itself while a message was recorded. `most_bytes` limits what one scenario may receive, since its
    records stay in memory. `watch` notices when the loop stood still and when the wall clock was moved; without one,
    nobody knows. `crowded` grows with each time in which others left the machine too little CPU time; `look_at_host`
    brings it up to now. `in_parallel`: other scenarios run at the same time. `answers`: the requests of the scenario.
    `attempts`: what its users have asked in conversations of others. `rules`: those by which it is judged.
    """

    def __init__(
        self, scenario: str, path: Path | None, profile: Profile, budgets: TimeBudgets,
        redact: Callable[[bytes], bytes], *,
        most_bytes: int = 67_108_864, rules: Mapping[str, Rule] = RULES, watch: LoopWatch | None = None,
        crowded: Sequence[CrowdedTime] = (), look_at_host: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self.began = time.monotonic()
        self.watch = watch or LoopWatch()
        self._watched = watch is not None
        epoch_s = self.watch.epoch_s + self.began
        self.scenario = scenario
        self.path = path
        self.entries: list[RecordedEntry] = []
        self.checker = TraceChecker(profile, budgets, epoch_s, rules=rules)
        self.answers = Answers(self.began)
        self.attempts: list[PastRequest] = []
        self.checker.observe_events(self)
        self.connections = 0
        self.fault: Exception | None = None
        self.most_bytes = most_bytes
        self.in_parallel = False
        self._finished = False
        self._stalls = len(self.watch.stalls)
        self._steps = len(self.watch.steps)
        self._crowded_times = crowded
        self._look_at_host = look_at_host
        # What has just been measured still counts: the machine is not idle because a scenario begins.
        self._crowded = sum(each.ended_at + each.for_s < self.began for each in crowded)
        self._size = 0
        self._redact = redact
        self._file = path.open("wb") if path is not None else None
        if self._file is not None:
            self._file.write(encode_header(Header(scenario, epoch_s)))

    @property
    def findings(self) -> list[Finding]:
        """The findings so far."""
        return self.checker.findings

    @property
    def is_full(self) -> bool:
        """Whether more than `most_bytes` was received."""
        return self._size > self.most_bytes

    @property
    def epoch_s(self) -> float:
        """The wall time of the trace's zero, in seconds since the epoch."""
        return self.checker.epoch_s

    @property
    def closed(self) -> bool:
        """Whether the trace is complete."""
        return self._file is None and self.path is not None

    @contextlib.contextmanager
    def keeping_faults(self) -> Iterator[None]:
        """Keeps an error in its block as `fault`: raised to a transport, it would look like a cut by the target."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 -- whatever it is, the suite caused it
            self.fault = self.fault or error

    def next_connection(self) -> str:
        """A name for a new connection: c1, c2, ..."""
        self.connections += 1
        return f"c{self.connections}"

    def clean(self, text: str) -> str:
        """The text without secrets."""
        return self._redact(text.encode(errors="surrogatepass")).decode(errors="surrogatepass")

    def add(self, kind: type[R], connection: str, at: float | None = None, **values: Any) -> R:
        """Appends a record. `at`: when it happened, on the monotonic clock; now, if it is not given.

        If the loop has stood still before, or the wall clock was moved, the trace says so first. Once the trace is
        complete, nothing is judged any longer, so that a replay of it says the same. Whether the machine is busy is
        looked at before what was waited for in vain is judged.
        """
        at = time.monotonic() if at is None else at
        if self._finished:
            return kind(n=len(self.entries) + 1, at=round(at - self.began, 6), connection=connection, **values)
        if (
            kind is TimedOut
            or values.get("unanswered")
            or blames_silence(values.get("by", ""), values.get("reason", ""))
        ):
            self._look_at_host()
        self._notice(at)
        return self._append(kind, connection, at, **values)

    def _append(self, kind: type[R], connection: str, at: float, **values: Any) -> R:
        record = kind(n=len(self.entries) + 1, at=round(at - self.began, 6), connection=connection, **values)
        if self._file is not None:
            self._file.write(encode_record(record))
            self._file.flush()
        reading = self.checker.feed(record)
        self.entries.append(RecordedEntry(record, reading))
        record_feed.publish(self, record, reading)
        return record

    def received(self, data: bytes, binary: bool, at: float, connection: str) -> Reading:
        """Appends a message without secrets, and returns its reading."""
        if self._finished:
            return Unmapped("it came after the scenario")
        self.add(Received, connection, at, binary=binary, **self._kept(data, binary=binary))
        reading = self.entries[-1].reading
        assert reading is not None
        return reading

    def _notice(self, at: float) -> None:
        """Records once what the loop has missed until `at`, before anything that had to wait for its stamp."""
        while self._crowded < len(self._crowded_times):
            crowded = self._crowded_times[self._crowded]
            self._crowded += 1
            ended_at = max(crowded.ended_at, self.began)
            self._append(Crowded, "", ended_at, for_s=round(crowded.for_s, 3), why=crowded.why)
        if not self._watched:
            return
        watch = self.watch
        watch.look(at)
        watch.tick()
        while self._stalls < len(watch.stalls):
            stall = watch.stalls[self._stalls]
            self._stalls += 1
            for_s = min(stall.for_s, stall.ended_at - self.began)
            if for_s > 0:
                self._append(Stalled, "", stall.ended_at, for_s=round(for_s, 3))
        while self._steps < len(watch.steps):
            step = watch.steps[self._steps]
            self._steps += 1
            self._append(ClockMoved, "", step.at, by_s=round(step.by_s, 6))

    def lost_s(self, since: float) -> float:
        """For how many seconds since a moment (monotonic) the loop stood still, so that nobody waited meanwhile."""
        if not self._watched:
            return 0.0
        self.watch.look(time.monotonic())
        return self.watch.lost_s(since)

    def wait_s(self, since: float, timeout_s: float) -> float:
        """How much of a wait that began at `since` (monotonic) is left, without the time in which the loop stood still.

        After that there is time to read what came meanwhile.
        """
        lost_s = self.lost_s(since)
        now = time.monotonic()
        left_s = since + timeout_s + lost_s - now
        if lost_s >= LONG_S:
            left_s = max(left_s, self.watch.stalls[-1].ended_at + _CATCH_UP_S - now)
        return left_s

    def stood_still(self, since: float) -> bool:
        """Whether the loop stalled after a monotonic time, so that messages since then may be stamped late."""
        return self.lost_s(since) > 0

    def other(self, what: str, data: bytes, at: float, connection: str) -> None:
        """Appends what is not a message (see `trace.Other`), without secrets."""
        self.add(Other, connection, at, what=what, **self._kept(data, binary=False))

    def on_event(self, run: RunState, event: Event, at: float) -> None:
        """The correlation reports the run of an event (`greenlight_gate.rules.engine.outcome.EventObserver`)."""
        self.answers.on_event(run, event, at)
        record_feed.matched(self, run, event, at)

    def on_more(self, run: RunState, at: float) -> None:
        """More of what came before for a run came."""
        self.answers.on_more(run, at)

    def on_settled(self, outcome: Outcome) -> None:
        """A request is settled."""
        self.answers.on_settled(self.checker.connections[outcome.connection].user, outcome)
        record_feed.settled(self, outcome)

    def _kept(self, data: bytes, *, binary: bool) -> dict[str, Any]:
        self._size += len(data)
        data = self._redact(data)
        try:
            return {"data": data} if binary else {"text": data.decode()}
        except UnicodeDecodeError:
            return {"data": data}

    def finish(self) -> None:
        """Nothing more will come: judges what is still open, and closes the file. Calling it again does nothing."""
        if not self._finished:
            if any(finding.late for finding in self.findings):
                self._look_at_host()
            self._notice(time.monotonic())
            self._finished = True
            self.checker.finish()
            record_feed.finished(self)
            if self._file is not None:
                self._file.close()
                self._file = None
