"""The metrics of `greenlight monitor`: each round, each alert, and the connections that are open now."""

from collections.abc import Sequence

from greenlight_gate.events import Event, Reading
from greenlight_gate.measure import record_feed
from greenlight_gate.measure.load_counts import Counts
from greenlight_gate.monitor.alerts import Alert
from greenlight_gate.monitor.metric_families import Counters
from greenlight_gate.monitor.metrics import Metrics
from greenlight_gate.monitor.round import Round, RoundObserver, RoundOutcome
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.trace import AnyRecord, Closed, Opened
from greenlight_gate.verdict.facts import Verdict

_VERDICTS = {
    RoundOutcome.PASSED: Verdict.APPROVED, RoundOutcome.FAILED: Verdict.BLOCKED,
    RoundOutcome.UNREACHABLE: Verdict.INCONCLUSIVE, RoundOutcome.BROKEN: Verdict.INCONCLUSIVE,
}  # fmt: skip


class RoundMetrics(RoundObserver):
    """Turns rounds into metrics. A skipped round leaves the verdict as it is."""

    def __init__(self, environment: str) -> None:
        self.metrics = metrics = Metrics(environment, "monitor")
        common = (("command", "monitor"), ("environment", environment))
        self._rounds = Counters("greenlight_rounds_total", "Rounds, by how they ended.", common, ("outcome",))
        for outcome in RoundOutcome:
            self._rounds.add(outcome, by=0.0)
        metrics.registry.register(self._rounds)
        metrics.connections_open.set(to=0.0)

    def on_restart(self, going_on: Sequence[Alert]) -> None:
        """These patterns occur; their alerts were counted before, by another process."""
        for alert in going_on:
            self.metrics.pattern_active.set(alert.pattern, to=1.0)

    def on_round(self, one: Round) -> None:
        """A round is over."""
        metrics = self.metrics
        self._rounds.add(one.outcome)
        for name, samples_ms in (
            ("acknowledgement", one.acknowledgement_ms), ("delivery", one.delivery_ms),
            ("silence", one.silence_ms), ("duration", one.run_ms),
        ):  # fmt: skip
            for ms in samples_ms:
                metrics.latencies[name].observe(ms / 1e3)
        for outcome, times in one.runs.items():
            metrics.runs.add(outcome, by=times)
        for finding in one.findings:
            metrics.findings.add(finding.rule)
        made = one.connections - one.refused
        for outcome, times in (("made", made), ("refused", one.refused), ("dropped", one.dropped)):
            metrics.connections.add(outcome, by=times)
        metrics.reconnects.add(by=one.reconnects)
        verdict = _VERDICTS.get(one.outcome)
        if verdict is not None:
            metrics.judged(verdict, one.began_epoch_s + one.took_s)

    def on_alert(self, alert: Alert) -> None:
        """A failure pattern has begun, become worse, or is over."""
        self.metrics.alert(alert)


class OpenConnections:
    """Counts the connections that are open now, as they open and close (`record_feed.FeedListener`)."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._open: dict[int, set[str]] = {}
        self._most = 0

    def on_record(self, source: record_feed.FeedSource, record: AnyRecord, reading: Reading | None) -> None:
        """A connection may have been opened or closed."""
        if isinstance(record, Opened):
            self._open.setdefault(id(source), set()).add(record.connection)
        elif isinstance(record, Closed):
            self._open.get(id(source), set()).discard(record.connection)
        else:
            return
        self._tell()

    def finished(self, source: record_feed.FeedSource) -> None:
        """Nothing of this trace is open any more."""
        self._open.pop(id(source), None)
        self._tell()

    def _tell(self) -> None:
        now = sum(map(len, self._open.values()))
        self._most = max(self._most, now)
        self.metrics.connections_open.set(to=now)
        self.metrics.connections_peak.set(to=self._most)

    def on_event(self, source: record_feed.FeedSource, run: RunState, event: Event, at: float) -> None:
        """It changes no connection."""

    def on_settled(self, source: record_feed.FeedSource, outcome: Outcome) -> None:
        """It changes no connection."""

    def counted(self, load: object, counts: Counts) -> None:
        """The monitor runs no load."""
