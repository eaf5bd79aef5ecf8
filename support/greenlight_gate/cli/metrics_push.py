"""`--metrics-push` of `greenlight run` and `load`: metrics for the textfile collector, once the session has ended.

What needs prometheus-client is imported only where it is used.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from greenlight_gate.cli.suite_faults import SuiteFaults
from greenlight_gate.evidence.judge import Judgement
from greenlight_gate.extras import missing
from greenlight_gate.monitor.alerts import Alert
from greenlight_gate.monitor.monitoring_summary import summarise
from greenlight_gate.report.monitoring_files import ALERTS
from greenlight_gate.targets.settings import Misconfigured

if TYPE_CHECKING:
    from greenlight_gate.monitor.session_metrics import RunMetrics


class MetricsPush:
    """Writes the metrics of one session. `measured`: of its runs, None where they are not measured one by one."""

    def __init__(self, file: Path, command: str, measured: "RunMetrics | None") -> None:
        self.file = file
        self.command = command
        self.measured = measured

    def write(self, judgement: Judgement, folder: Path, faults: SuiteFaults) -> None:
        """Writes the file. Raises OSError."""
        from greenlight_gate.monitor.metrics import Metrics  # noqa: PLC0415
        from greenlight_gate.monitor.session_metrics import add_load, add_runs, add_summary  # noqa: PLC0415

        session = judgement.session
        metrics = Metrics(session.environment, self.command)
        if self.measured is not None:
            add_runs(metrics, self.measured)
        for load in judgement.loads:
            add_load(metrics, load.summary)
        for line in (folder / ALERTS).read_bytes().splitlines():
            metrics.alert(msgspec.json.decode(line, type=Alert))
        add_summary(metrics, summarise(judgement.timeline, session.session_id, judgement.patterns))
        metrics.judged(faults.verdict(judgement.decision.verdict))
        metrics.write(self.file)


def pushed(options: argparse.Namespace, command: str) -> MetricsPush | None:
    """What writes the metrics of a session at its end, where that is asked for. Raises Misconfigured."""
    if options.metrics_push is None:
        return None
    if why := missing("metrics"):
        raise Misconfigured(f"--metrics-push {why}")
    from greenlight_gate.monitor.session_metrics import RunMetrics  # noqa: PLC0415

    return MetricsPush(options.metrics_push, command, RunMetrics() if command == "run" else None)
