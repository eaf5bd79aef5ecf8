"""Writes the reports of a judged session: for readers, for pipelines and for later sessions."""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from greenlight_gate.cli.suite_faults import SuiteFaults
from greenlight_gate.evidence.history import History, series_of
from greenlight_gate.evidence.judge import JudgedSession, Judgement
from greenlight_gate.evidence.session_folder import LOG, Evidence, Selected
from greenlight_gate.report.ci_summary import as_markdown
from greenlight_gate.report.monitoring_files import ALERTS, MONITORING, VISUALIZATIONS, write_files
from greenlight_gate.report.run_report import write_report
from greenlight_gate.report.trend import as_html, baseline_of
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.verdict.scope import selection_of

_STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def write_reports(
    judgement: Judgement,
    folder: Path,
    console: Console,
    faults: SuiteFaults,
    *,
    page: bool = True,
    begins_history: bool = True,
    other: JudgedSession | None = None,
) -> list[Path]:
    """Writes every report of a judged session. Returns the files to open in a browser or editor.

    Without `page`, only the files that programs read are written, which takes a tenth of the time. Without
    `begins_history`, a session is added only to a history that is there. `other`: a session whose conversations the
    page shows beside those of this one. Raises Misconfigured if
    `comprehensive_validation_report.json` cannot be written. Any other file that cannot be written is left out: the
    verdict stands, and a page without pictures is written. Nothing is written through a link that leads elsewhere.
    """
    for name in (MONITORING, VISUALIZATIONS, ALERTS, LOG):
        if (folder / name).is_symlink():
            raise Misconfigured(
                f"{folder / name}: it is a symbolic link; reports are written into the session folder only"
            )
    try:
        written = [write_report(judgement, folder)]
    except OSError as error:
        raise Misconfigured(f"{folder}: the report cannot be written ({error.strerror})") from error
    with faults.costing("files for pipelines and monitoring"):
        write_files(judgement, folder)
    with faults.costing("summary for the pipeline"):
        _summary(judgement, os.environ)
    trend, pictures = "", []
    with faults.costing("history"):
        if begins_history or History(folder.parent).path.exists():
            trend = _remember(judgement, folder, console)
    if not page:
        return written
    with faults.costing("pictures"):
        # Imported after the verdict is printed: loading matplotlib takes half a second.
        from greenlight_gate.report.pictures import draw_pictures  # noqa: PLC0415

        pictures = draw_pictures(judgement, folder)
    with faults.costing("page"):
        from greenlight_gate.report.html_page import write_page  # noqa: PLC0415

        written.append(write_page(judgement, folder, pictures, trend, other))
    with faults.costing("verdict in Allure's results"):
        from greenlight_gate.cli.allure_report import into_results  # noqa: PLC0415

        into_results(judgement, folder)
    return written


def _remember(judgement: Judgement, folder: Path, console: Console) -> str:
    """Adds the session to the history. Returns the trend of earlier sessions as HTML. Raises OSError."""
    session = judgement.session
    history = History(folder.parent)
    history.add(judgement)
    kept = history.sessions(series=series_of(session, judgement.selection))
    before = [past for past in kept if past.started_s <= session.started_epoch_s]
    changed = history.changed(before[-2].id, before[-1].id) if len(before) > 1 else None
    if history.warning:
        console.print(f"[yellow]{escape(history.warning)}[/]", highlight=False, soft_wrap=True)
    slower = judgement.compared
    if slower is not None and slower.slower:
        console.print(f"[yellow]slower than before:[/] {escape(slower.said)}", highlight=False, soft_wrap=True)
    return as_html(before, changed, slower.said if slower is not None else "")


def hold_against(folder: Path, *, gate: bool) -> None:
    """Writes the baseline of a session into its evidence, before it is judged. Raises OSError."""
    evidence = Evidence(folder)
    session = evidence.session()
    selected = Counter(line.entry.category for line in evidence.lines() if isinstance(line.entry, Selected))
    series = series_of(session, selection_of(session.tags, selected, session.available))
    past = [past for past in History(folder.parent).sessions(series=series) if past.id != session.session_id]
    latency = "acknowledgement" if session.clock == "unknown" else "delivery"
    baseline = baseline_of(past, latency=latency, jobs=session.jobs, gate=gate)
    if gate or baseline.sessions:
        evidence.compared_with(baseline)


def _summary(judgement: Judgement, environ: Mapping[str, str]) -> None:
    """Writes the verdict to the summary page of the pipeline, if there is one."""
    path = environ.get(_STEP_SUMMARY)
    if path:
        with Path(path).open("a", encoding="utf-8", errors="replace") as summary:
            summary.write(as_markdown(judgement))
