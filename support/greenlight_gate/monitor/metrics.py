"""The metrics of Greenlight for Prometheus: the same of `monitor`, `run` and `load`.

Names and units follow https://prometheus.io/docs/practices/naming/: seconds, `_total`, and labels with few values.
No label holds what a target sends: no user, id or token.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, write_to_textfile

from greenlight_gate import __version__
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.run_observations import OUTCOMES
from greenlight_gate.monitor.alerts import Alert
from greenlight_gate.monitor.metric_families import Counters, Gauges, Histograms
from greenlight_gate.rules.registry import RULES
from greenlight_gate.verdict.facts import Verdict
from greenlight_gate.verdict.failure_patterns import PATTERNS

LATENCIES: Final = ("acknowledgement", "delivery", "silence", "duration")
CONNECTION_OUTCOMES: Final = ("made", "refused", "dropped")
_LEVELS: Final = ("critical", "warning", "recovered")


class Metrics:
    """All metrics of one command (`monitor`, `run` or `load`) on one target. Any thread may change them.

    Series whose labels are known beforehand exist from the beginning, as 0: a rate over the first finding needs that.
    """

    def __init__(self, environment: str, command: str) -> None:
        self.registry = CollectorRegistry()
        self._common = (("command", command), ("environment", environment))
        self.latencies = {
            "acknowledgement": self._histogram("run_acknowledgement_seconds", "From a request to agent_started."),
            "delivery": self._histogram(
                "event_delivery_seconds", "From the backend's timestamp of an event to its receipt."
            ),
            "silence": self._histogram("run_silence_seconds", "The longest time in a run without anything of it."),
            "duration": self._histogram("run_duration_seconds", "From a request to the end of its run."),
        }
        self.runs = self._counter("runs_total", "Requests that were settled, by how they ended.", "outcome", OUTCOMES)
        self.findings = self._counter("findings_total", "Violations, by the rule that was broken.", "rule", RULES)
        self.connections = self._counter(
            "connections_total", "Connections that were made, refused or dropped.", "outcome", CONNECTION_OUTCOMES
        )
        self.reconnects = self._counter("reconnects_total", "Threads that were resumed on a new connection.")
        self.alerts = self._counter("alerts_total", "Alerts about failure patterns, by level.", "level", _LEVELS)
        self.pattern_active = self._gauge(
            "failure_pattern_active", "1 for a failure pattern that occurs, else 0.", "pattern", PATTERNS
        )
        self.connections_open = self._gauge("connections_open", "Connections that are open now.")
        self.connections_peak = self._gauge("connections_peak", "The most connections that were open at once.")
        self.verdict = self._gauge("verdict", "1 for the current verdict, else 0.", "verdict", Verdict)
        self.verdict_at = self._gauge("verdict_timestamp_seconds", "When the current verdict was given (epoch).")
        self._gauge("build_info", "The version of Greenlight.", "version", (__version__,)).set(__version__, to=1.0)

    def _histogram(self, name: str, help_: str) -> Histograms:
        made = Histograms(f"greenlight_{name}", help_, self._common)
        made.merge((), 0.0)
        self.registry.register(made)
        return made

    def _counter(self, name: str, help_: str, label: str = "", values: Iterable[str] = ()) -> Counters:
        made = Counters(f"greenlight_{name}", help_, self._common, (label,) if label else ())
        for labels in ((value,) for value in values) if label else ((),):
            made.add(*labels, by=0.0)
        self.registry.register(made)
        return made

    def _gauge(self, name: str, help_: str, label: str = "", values: Iterable[str] = ()) -> Gauges:
        made = Gauges(f"greenlight_{name}", help_, self._common, (label,) if label else ())
        for labels in ((value,) for value in values) if label else ((),):
            made.set(*labels, to=0.0)
        self.registry.register(made)
        return made

    def add(self, latency: str, samples: Histogram) -> None:
        """Adds the samples of one of `LATENCIES`, as they were measured."""
        self.latencies[latency].merge(samples.counts(), samples.sum_us / 1e6)

    def judged(self, verdict: Verdict, at: float | None = None) -> None:
        """A verdict was given, now or at this time (epoch seconds)."""
        for each in Verdict:
            self.verdict.set(each, to=float(each is verdict))
        self.verdict_at.set(to=time.time() if at is None else at)

    def alert(self, alert: Alert) -> None:
        """A failure pattern has begun, become worse, or is over."""
        self.alerts.add(alert.level)
        self.pattern_active.set(alert.pattern, to=float(alert.level != "recovered"))

    def write(self, path: Path) -> None:
        """Writes all for the textfile collector of node_exporter, atomically. Raises OSError."""
        write_to_textfile(str(path), self.registry)
