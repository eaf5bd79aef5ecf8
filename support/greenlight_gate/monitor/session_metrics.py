"""The metrics of a session that has ended: of `greenlight run` and `greenlight load`."""

from collections import Counter

from greenlight_gate.events import Event, Reading
from greenlight_gate.measure import record_feed
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.load_counts import Counts
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.measure.run_observations import ObservedRun, RunObservations
from greenlight_gate.monitor.metrics import LATENCIES, Metrics
from greenlight_gate.monitor.monitoring_summary import MonitoringSummary
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.trace import AnyRecord


class RunMetrics:
    """Measures the runs of scenarios while they are played (`record_feed.FeedListener`).

    Times of scenarios that ran beside others count only where no scenario ran alone, as for the verdict: the suite
    itself may have delayed them.
    """

    is_tracing = False

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.reconnects = 0
        self._clock = "unknown"
        self._alone = {name: Histogram() for name in LATENCIES}
        self._in_parallel = {name: Histogram() for name in LATENCIES}
        self._traces: dict[int, RunObservations] = {}

    def begin(self, environment: str, url: str, clock: str) -> None:
        """The target is known (`session.session_observer.SessionObserver`)."""
        self._clock = clock

    def samples(self, latency: str) -> Histogram:
        """Those of one of `LATENCIES`."""
        alone = self._alone[latency]
        return alone if alone.samples else self._in_parallel[latency]

    def on_record(self, source: record_feed.FeedSource, record: AnyRecord, reading: Reading | None) -> None:
        """One record."""
        self._of(source).take(record, reading)

    def on_event(self, source: record_feed.FeedSource, run: RunState, event: Event, at: float) -> None:
        """An event of a run."""
        self._of(source).on_event(run, event, at)

    def on_settled(self, source: record_feed.FeedSource, outcome: Outcome) -> None:
        """A request is settled."""
        self._of(source).on_settled(outcome)

    def finished(self, source: record_feed.FeedSource) -> None:
        """A trace is complete."""
        observations = self._traces.pop(id(source), None)
        if observations is not None:
            observations.finish()
            self.reconnects += observations.reconnects

    def counted(self, load: object, counts: Counts) -> None:
        """Loads are measured by themselves (`LoadResult`)."""

    def _of(self, source: record_feed.FeedSource) -> RunObservations:
        observations = self._traces.get(id(source))
        if observations is None:
            observations = self._traces[id(source)] = RunObservations(
                source.epoch_s, self._clock, ran=self._ran, delivered=self._delivered
            )
        return observations

    def _ran(self, run: ObservedRun) -> None:
        self.outcomes[run.ended_as] += 1
        where = self._in_parallel if run.in_parallel else self._alone
        if (took_s := run.acknowledgement_s) is not None:
            where["acknowledgement"].record(took_s)
        if (took_s := run.duration_s) is not None:
            where["duration"].record(took_s)
            where["silence"].record(run.silence_s)

    def _delivered(self, seconds: float, in_parallel: bool) -> None:
        (self._in_parallel if in_parallel else self._alone)["delivery"].record(seconds)


def add_runs(metrics: Metrics, measured: RunMetrics) -> None:
    """Adds what was measured of the runs of scenarios."""
    for name in LATENCIES:
        metrics.add(name, measured.samples(name))
    for outcome, times in measured.outcomes.items():
        metrics.runs.add(outcome, by=times)
    metrics.reconnects.add(by=measured.reconnects)


def add_load(metrics: Metrics, load: LoadResult) -> None:
    """Adds the runs of a load. Acknowledgement is from when a request was due, where that is known."""
    measured = {
        "acknowledgement": load.corrected or load.raw, "delivery": load.delivery, "silence": load.silence,
        "duration": load.whole,
    }  # fmt: skip
    for name, encoded in measured.items():
        if encoded is not None:
            metrics.add(name, Histogram.decode(encoded))
    completed = load.runs - load.failed_runs
    unfinished = load.asked - load.runs - load.refused_requests
    for outcome, times in (
        ("agent_completed", completed), ("agent_failed", load.failed_runs), ("refused", load.refused_requests),
        ("unfinished", unfinished),
    ):  # fmt: skip
        metrics.runs.add(outcome, by=times)


def add_summary(metrics: Metrics, summary: MonitoringSummary) -> None:
    """Adds the connections, the findings and the failure patterns of a whole session."""
    connections = summary.connections
    for outcome, times in (
        ("made", connections.made), ("refused", connections.refused), ("dropped", connections.dropped)
    ):  # fmt: skip
        metrics.connections.add(outcome, by=times)
    metrics.connections_peak.set(to=connections.open_most)
    for rule, times in summary.findings.items():
        metrics.findings.add(rule, by=times)
    for pattern in summary.patterns:
        metrics.pattern_active.set(pattern, to=1.0)
