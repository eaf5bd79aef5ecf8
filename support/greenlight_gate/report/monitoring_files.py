"""The files for pipelines and monitoring, written from the judgement. Nothing is decided here."""

from pathlib import Path

import msgspec

from greenlight_gate.evidence.judge import Judgement
from greenlight_gate.evidence.session_folder import write_whole
from greenlight_gate.monitor.monitoring_summary import explain, summarise
from greenlight_gate.report.ctrf import write_ctrf
from greenlight_gate.report.junit import write_junit

PAGE = "verdict.html"
MONITORING = Path("monitoring")
VISUALIZATIONS = MONITORING / "visualizations"
TIMELINE = "session_event_timeline.png"
DASHBOARD = "session_performance_dashboard.png"
ALERTS = "alerts.log"


def write_files(judgement: Judgement, folder: Path) -> None:
    """Writes junit.xml, ctrf-report.json and the monitoring files, each atomically. Raises OSError."""
    write_junit(judgement, folder)
    write_ctrf(judgement, folder)
    (folder / MONITORING).mkdir(exist_ok=True)
    name = judgement.session.session_id
    summary = summarise(judgement.timeline, name, judgement.patterns)
    patterns = explain(name, judgement.patterns)
    for file, content in (("monitoring_summary.json", summary), ("failure_patterns.json", patterns)):
        write_whole(folder / MONITORING / file, msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
    # A session without alerts has an empty file, so that readers can tell.
    (folder / ALERTS).touch()
