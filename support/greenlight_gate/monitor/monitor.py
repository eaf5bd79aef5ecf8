"""RealTimeEventMonitor: observes every connection of this process, in scenarios and in other code.

Of a load, also in other processes, it receives the counts once a second, but no single events.
Memory is bounded for any duration: it stores time windows, histograms and selected answers.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from greenlight_gate.events import Event, Reading
from greenlight_gate.measure import record_feed
from greenlight_gate.measure.load_counts import Counts
from greenlight_gate.measure.load_timeline import LoadTimeline
from greenlight_gate.measure.thresholds import Thresholds
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.measure.trace_timeline import TraceTimeline
from greenlight_gate.monitor.alerts import Alert, AlertLog, Alerts
from greenlight_gate.monitor.monitoring_summary import FailurePatterns, MonitoringSummary, explain, summarise
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.trace import AnyRecord
from greenlight_gate.verdict.failure_patterns import Occurrence
from greenlight_gate.verdict.pattern_detection import detect

# The interval of the search for patterns, in seconds.
_LOOK_S = 1.0

EventSeen = Callable[[str, Event], None]


class RealTimeEventMonitor:
    """Observes all records of this process between `start_monitoring` and `stop_monitoring`.

    `thresholds` are the target's; `same_clock` says that the backend's clock is this machine's, so that its timestamps
    give latency. Subscribers are called on the thread of the event. `faults` are their exceptions.
    """

    def __init__(
        self, name: str = "monitoring", thresholds: Thresholds | None = None, *, same_clock: bool = True
    ) -> None:
        self.name = name
        self.thresholds = thresholds or Thresholds()
        self.faults: list[Exception] = []
        self._timeline = Timeline(0.0 if same_clock else None)
        self._timelines: dict[int, SourceState] = {}
        self._loads: dict[object, LoadTimeline] = {}
        self._on_event: list[EventSeen] = []
        self._on_alert: list[Callable[[Alert], None]] = []
        self._alerts = Alerts(self._alerted)
        self._lock = threading.Lock()
        self._next_look = 0.0

    def start_monitoring(self) -> None:
        """Starts observing. Calling it again changes nothing."""
        self.stop_monitoring()
        record_feed.listen(self)

    def stop_monitoring(self) -> None:
        """Stops observing; the summary stays."""
        record_feed.leave(self)
        self.look()

    def subscribe(
        self, on_event: EventSeen | None = None, on_alert: Callable[[Alert], None] | None = None
    ) -> Callable[[], None]:
        """Calls `on_event(user, event)` and `on_alert(alert)` at once; returns a function to unsubscribe."""
        if on_event is not None:
            self._on_event.append(on_event)
        if on_alert is not None:
            self._on_alert.append(on_alert)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._on_event.remove(on_event)  # type: ignore[arg-type]
            with contextlib.suppress(ValueError):
                self._on_alert.remove(on_alert)  # type: ignore[arg-type]

        return unsubscribe

    def summary(self) -> MonitoringSummary:
        """All figures so far: events, latency, connections with their success rate, findings, patterns."""
        with self._lock:
            return summarise(self._timeline, self.name, detect(self._timeline, self.thresholds))

    def patterns(self) -> tuple[Occurrence, ...]:
        """The failure patterns so far."""
        with self._lock:
            return detect(self._timeline, self.thresholds)

    def explained(self) -> FailurePatterns:
        """The failure patterns so far, with the definitions of all."""
        return explain(self.name, self.patterns())

    def look(self) -> None:
        """Searches for patterns now, and reports alerts."""
        self._alerts.look(self.patterns(), time.time())

    def on_record(self, source: record_feed.FeedSource, record: AnyRecord, reading: Reading | None) -> None:
        """Receives one record (`greenlight_gate.measure.record_feed.FeedListener`)."""
        with self._lock:
            state = self._state_of(source)
            state.take(record, reading)
        if self._on_event and isinstance(reading, Event):
            self._call(self._on_event, state.user(record.connection), reading)
        self._look_again()

    def on_event(self, source: record_feed.FeedSource, run: RunState, event: Event, at: float) -> None:
        """Receives an event of a run (`greenlight_gate.measure.record_feed.FeedListener`)."""
        with self._lock:
            self._state_of(source).timeline.on_event(run, event, at)

    def on_settled(self, source: record_feed.FeedSource, outcome: Outcome) -> None:
        """Receives the outcome of a request (`greenlight_gate.measure.record_feed.FeedListener`)."""
        with self._lock:
            self._state_of(source).timeline.on_settled(outcome)

    def _state_of(self, source: record_feed.FeedSource) -> "SourceState":
        state = self._timelines.get(id(source))
        if state is None:
            timeline = TraceTimeline(self._timeline, source.scenario, source.epoch_s)
            state = self._timelines[id(source)] = SourceState(source, timeline)
        return state

    def counted(self, load: object, counts: Counts) -> None:
        """Receives the counts of a load (`greenlight_gate.measure.record_feed.FeedListener`)."""
        with self._lock:
            known = self._loads.get(load)
            if known is None:
                known = self._loads[load] = LoadTimeline(self._timeline, str(load))
            known.take(counts)
            if counts.is_last:
                del self._loads[load]
        self._look_again()

    def _look_again(self) -> None:
        if self._timeline.ended_at >= self._next_look:
            self._next_look = self._timeline.ended_at + _LOOK_S
            self.look()

    def finished(self, source: record_feed.FeedSource) -> None:
        """Receives the end of a trace (`greenlight_gate.measure.record_feed.FeedListener`)."""
        with self._lock:
            state = self._timelines.pop(id(source), None)
            if state is not None:
                state.finish()

    def _alerted(self, alert: Alert) -> None:
        self._call(self._on_alert, alert)

    def _call(self, subscribers: list[Callable[..., None]], *arguments: object) -> None:
        for subscriber in list(subscribers):
            try:
                subscriber(*arguments)
            except Exception as error:  # noqa: BLE001 -- a subscriber must not end the connection
                self.faults.append(error)
                subscribers.remove(subscriber)


class SourceState:
    """One source on its timeline, and how many of its findings have been counted there."""

    def __init__(self, source: record_feed.FeedSource, timeline: TraceTimeline) -> None:
        self.source = source
        self.timeline = timeline
        self._alerted = 0

    def user(self, connection: str) -> str:
        """Whose connection it is."""
        return self.timeline.user(connection)

    def take(self, record: AnyRecord, reading: Reading | None) -> None:
        """One record, and the findings that it led to."""
        self.timeline.take(record, reading)
        findings = self.source.findings
        if len(findings) > self._alerted:
            self._tell()

    def _tell(self) -> None:
        findings = self.source.findings
        for finding in findings[self._alerted :]:
            self.timeline.found(finding)
        self._alerted = len(findings)

    def finish(self) -> None:
        """Nothing more will come from this source."""
        self._tell()
        self.timeline.finish()


@contextlib.contextmanager
def create_monitoring_session(
    name: str, output_dir: Path | str | None = None, thresholds: Thresholds | None = None
) -> Iterator[RealTimeEventMonitor]:
    """Records every connection opened in its `with` block, and every load that is started there.

    With `output_dir`, alerts.log is written there immediately, and monitoring_summary.json and failure_patterns.json
    at the end, also if the body raises. Raises OSError if that folder cannot be written.
    """
    monitor = RealTimeEventMonitor(name, thresholds)
    folder = Path(output_dir) if output_dir is not None else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        monitor.subscribe(on_alert=AlertLog(folder / "alerts.log"))
    monitor.start_monitoring()
    try:
        yield monitor
    finally:
        monitor.stop_monitoring()
        if folder is not None:
            for file, content in (
                ("monitoring_summary.json", monitor.summary()), ("failure_patterns.json", monitor.explained())
            ):  # fmt: skip
                (folder / file).write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
    for fault in monitor.faults:
        raise fault
