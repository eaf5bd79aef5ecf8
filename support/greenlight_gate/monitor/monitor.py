"""RealTimeEventMonitor: observes every connection of this process, in scenarios and in other code.

Of a load, in whatever process, it gets the counts once a second, and no single events.
Memory is bounded however long it runs: time windows and histograms are kept, and the runs that are worth a look.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from greenlight_gate.events import Event, Reading
from greenlight_gate.measure import feed
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

# How often patterns are looked for: not with each record.
_LOOK_S = 1.0

EventSeen = Callable[[str, Event], None]


class RealTimeEventMonitor:
    """Watches all that is recorded in this process between `start_monitoring` and `stop_monitoring`.

    `thresholds` are the target's; `same_clock` says that the backend uses this machine's clock, so that latency can be
    measured from its stamps. Subscribers are called on the thread of the event; `faults` are their exceptions.
    """

    def __init__(
        self, name: str = "monitoring", thresholds: Thresholds | None = None, *, same_clock: bool = True
    ) -> None:
        self.name = name
        self.thresholds = thresholds or Thresholds()
        self.faults: list[Exception] = []
        self._course = Timeline(0.0 if same_clock else None)
        self._strands: dict[int, _Heard] = {}
        self._loads: dict[object, LoadTimeline] = {}
        self._on_event: list[EventSeen] = []
        self._on_alert: list[Callable[[Alert], None]] = []
        self._alerts = Alerts(self._told)
        self._lock = threading.Lock()
        self._next_look = 0.0

    def start_monitoring(self) -> None:
        """Starts to observe. Calling it again changes nothing."""
        self.stop_monitoring()
        feed.listen(self)

    def stop_monitoring(self) -> None:
        """Stops observing; the summary stays."""
        feed.leave(self)
        self.look()

    def subscribe(
        self, on_event: EventSeen | None = None, on_alert: Callable[[Alert], None] | None = None
    ) -> Callable[[], None]:
        """Calls `on_event(person, event)` and `on_alert(alert)` as it happens; returns how to unsubscribe."""
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
            return summarise(self._course, self.name, detect(self._course, self.thresholds))

    def patterns(self) -> tuple[Occurrence, ...]:
        """The failure patterns that show so far."""
        with self._lock:
            return detect(self._course, self.thresholds)

    def explained(self) -> FailurePatterns:
        """The same with the definitions of all that were looked for."""
        return explain(self.name, self.patterns())

    def look(self) -> None:
        """Looks for patterns now, and alerts."""
        self._alerts.look(self.patterns(), time.time())

    def heard(self, source: feed.FeedSource, record: AnyRecord, reading: Reading | None) -> None:
        """One record (`greenlight_gate.measure.feed.Listener`)."""
        with self._lock:
            heard = self._heard(source)
            heard.take(record, reading)
        if self._on_event and isinstance(reading, Event):
            self._call(self._on_event, heard.person(record.connection), reading)
        self._look_again()

    def on_event(self, source: feed.FeedSource, run: RunState, event: Event, at: float) -> None:
        """An event of a run came (`greenlight_gate.measure.feed.Listener`)."""
        with self._lock:
            self._heard(source).strand.on_event(run, event, at)

    def on_settled(self, source: feed.FeedSource, outcome: Outcome) -> None:
        """A request is settled (`greenlight_gate.measure.feed.Listener`)."""
        with self._lock:
            self._heard(source).strand.on_settled(outcome)

    def _heard(self, source: feed.FeedSource) -> "_Heard":
        heard = self._strands.get(id(source))
        if heard is None:
            strand = TraceTimeline(self._course, source.scenario, source.epoch_s)
            heard = self._strands[id(source)] = _Heard(source, strand)
        return heard

    def counted(self, load: object, counts: Counts) -> None:
        """What a load has counted (`greenlight_gate.measure.feed.Listener`)."""
        with self._lock:
            known = self._loads.get(load)
            if known is None:
                known = self._loads[load] = LoadTimeline(self._course, str(load))
            known.take(counts)
            if counts.is_last:
                del self._loads[load]
        self._look_again()

    def _look_again(self) -> None:
        if self._course.ended_at >= self._next_look:
            self._next_look = self._course.ended_at + _LOOK_S
            self.look()

    def finished(self, source: feed.FeedSource) -> None:
        """A trace is complete (`greenlight_gate.measure.feed.Listener`)."""
        with self._lock:
            heard = self._strands.pop(id(source), None)
            if heard is not None:
                heard.finish()

    def _told(self, alert: Alert) -> None:
        self._call(self._on_alert, alert)

    def _call(self, subscribers: list[Callable[..., None]], *given: object) -> None:
        for subscriber in list(subscribers):
            try:
                subscriber(*given)
            except Exception as error:  # noqa: BLE001 -- a subscriber must not end what it observes
                self.faults.append(error)
                subscribers.remove(subscriber)


class _Heard:
    """One source, and how many of its findings have been taken."""

    def __init__(self, source: feed.FeedSource, strand: TraceTimeline) -> None:
        self.source = source
        self.strand = strand
        self._told = 0

    def person(self, connection: str) -> str:
        return self.strand.person(connection)

    def take(self, record: AnyRecord, reading: Reading | None) -> None:
        self.strand.take(record, reading)
        findings = self.source.findings
        if len(findings) > self._told:
            self._tell()

    def _tell(self) -> None:
        findings = self.source.findings
        for finding in findings[self._told :]:
            self.strand.found(finding)
        self._told = len(findings)

    def finish(self) -> None:
        self._tell()
        self.strand.finish()


@contextlib.contextmanager
def create_monitoring_session(
    name: str, output_dir: Path | str | None = None, thresholds: Thresholds | None = None
) -> Iterator[RealTimeEventMonitor]:
    """Records every connection opened in its `with` block, and every load run from there.

    With `output_dir`, alerts.log is written there as it happens, and monitoring_summary.json and failure_patterns.json
    at the end, also when the body raises. Raises OSError if that folder cannot be written.
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
