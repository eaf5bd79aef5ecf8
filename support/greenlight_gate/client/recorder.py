"""The recorder of one scenario: every record goes to the trace file, to the rules and into memory, in this order.

It is used on the loop thread; nothing else writes to the trace.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from greenlight_gate.client.answers import Answers
from greenlight_gate.events import Event, Reading
from greenlight_gate.findings import Finding
from greenlight_gate.measure import feed
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.rules.registry import RULES, Rule
from greenlight_gate.trace import AnyRecord, Header, Other, Received, Stalled, encode_header, encode_record
from greenlight_gate.wire.profile import Profile

R = TypeVar("R", bound=AnyRecord)

# Longer than the scheduler delays a process on a machine that is merely busy.
_STALL_S = 0.1
# One anchor ties the monotonic clock to the wall clock for the whole process.
_EPOCH_OF_MONOTONIC = time.time() - time.monotonic()


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
    records stay in memory. `ticked_at` says when the loop was last free, which shows whether messages had to wait for
    their stamps. `in_parallel`: other scenarios run at the same time. `answers`: the requests of the scenario. `rules`:
    those by which it is judged.
    """

    def __init__(
        self, scenario: str, path: Path | None, profile: Profile, budgets: TimeBudgets,
        redact: Callable[[bytes], bytes], *,
        most_bytes: int = 67_108_864, rules: Mapping[str, Rule] = RULES,
    ) -> None:  # fmt: skip
        self.began = time.monotonic()
        epoch_s = _EPOCH_OF_MONOTONIC + self.began
        self.scenario = scenario
        self.path = path
        self.entries: list[RecordedEntry] = []
        self.checker = TraceChecker(profile, budgets, epoch_s, rules=rules)
        self.answers = Answers(self.began)
        self.checker.observe_events(self)
        self.connections = 0
        self.fault: Exception | None = None
        self.most_bytes = most_bytes
        self.ticked_at: Callable[[], float] | None = None
        self.in_parallel = False
        self._stalled_since = 0.0
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

    def next_connection(self) -> str:
        """A name for a new connection: c1, c2, ..."""
        self.connections += 1
        return f"c{self.connections}"

    def clean(self, text: str) -> str:
        """The text without secrets."""
        return self._redact(text.encode(errors="surrogatepass")).decode(errors="surrogatepass")

    def add(self, kind: type[R], connection: str, at: float | None = None, **values: Any) -> R:
        """Appends a record. `at`: when it happened, on the monotonic clock; now, if it is not given."""
        moment = (time.monotonic() if at is None else at) - self.began
        record = kind(n=len(self.entries) + 1, at=round(moment, 6), connection=connection, **values)
        if self._file is not None:
            self._file.write(encode_record(record))
            self._file.flush()
        reading = self.checker.feed(record)
        self.entries.append(RecordedEntry(record, reading))
        feed.publish(self, record, reading)
        return record

    def received(self, data: bytes, binary: bool, at: float, connection: str) -> Reading:
        """Appends a message without secrets, and returns its reading."""
        self._notice_stall(at)
        self.add(Received, connection, at, binary=binary, **self._kept(data, binary=binary))
        reading = self.entries[-1].reading
        assert reading is not None
        return reading

    def _notice_stall(self, at: float) -> None:
        """Records a stall of the loop once, before the first message that had to wait for its stamp."""
        if self.ticked_at is None:
            return
        ticked_at = self.ticked_at()
        if at - ticked_at > _STALL_S and ticked_at > self._stalled_since:
            self._stalled_since = ticked_at
            self.add(Stalled, "", at, for_s=round(at - ticked_at, 3))

    def stood_still(self, since: float) -> bool:
        """Whether the loop stalled after a monotonic time, so that messages since then may be stamped late."""
        return self._stalled_since > since

    def other(self, what: str, data: bytes, at: float, connection: str) -> None:
        """Appends what is not a message (see `trace.Other`), without secrets."""
        self.add(Other, connection, at, what=what, **self._kept(data, binary=False))

    def on_event(self, run: RunState, event: Event, at: float) -> None:
        """The correlation reports the run of an event (`greenlight_gate.rules.engine.outcome.EventObserver`)."""
        self.answers.on_event(run, event, at)
        feed.matched(self, run, event, at)

    def on_more(self, run: RunState, at: float) -> None:
        """More of what came before for a run came."""
        self.answers.on_more(run, at)

    def on_settled(self, outcome: Outcome) -> None:
        """A request is settled."""
        self.answers.on_settled(outcome)
        feed.settled(self, outcome)

    def _kept(self, data: bytes, *, binary: bool) -> dict[str, Any]:
        self._size += len(data)
        data = self._redact(data)
        try:
            return {"data": data} if binary else {"text": data.decode()}
        except UnicodeDecodeError:
            return {"data": data}

    def finish(self) -> None:
        """Nothing more will come: judges what is still open, and closes the file. Calling it again does nothing."""
        if not self.closed:
            self.checker.finish()
            feed.finished(self)
            if self._file is not None:
                self._file.close()
                self._file = None
