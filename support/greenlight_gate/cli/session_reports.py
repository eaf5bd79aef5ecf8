"""What a command leaves in the session folder once the verdict is on the screen: files, pictures and the page."""

import os
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from greenlight_gate.cli.suite_faults import SuiteFaults
from greenlight_gate.evidence.history import History
from greenlight_gate.evidence.judge import Judgement
from greenlight_gate.evidence.session_folder import Evidence
from greenlight_gate.report.ci_summary import as_markdown
from greenlight_gate.report.session_reports import write_files
from greenlight_gate.report.trend import as_html, baseline_of

_STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def leave(
    judgement: Judgement, folder: Path, console: Console, faults: SuiteFaults, environ: Mapping[str, str] = os.environ
) -> None:
    """Writes all of it, and what cannot be written costs only itself: the verdict stands.

    A page whose pictures could not be drawn goes without them.
    """
    with faults.costing("files for pipelines and monitoring"):
        write_files(judgement, folder)
    with faults.costing("summary for the pipeline"):
        _summary(judgement, environ)
    trend, pictures = "", []
    with faults.costing("history"):
        trend = _remember(judgement, folder, console)
    with faults.costing("pictures"):
        # Drawing takes half a second to load, which nobody waits for who wants to know the verdict.
        from greenlight_gate.report.pictures import draw_pictures  # noqa: PLC0415

        pictures = draw_pictures(judgement, folder)
    with faults.costing("page"):
        from greenlight_gate.report.html_page import write_page  # noqa: PLC0415

        page = write_page(judgement, folder, pictures, trend)
        console.print(f"[dim]{escape(str(page))}[/]", highlight=False, soft_wrap=True)


def _remember(judgement: Judgement, folder: Path, console: Console) -> str:
    """Keeps the session in the history; the trend until then, for the page. Raises OSError."""
    session = judgement.session
    history = History(folder.parent)
    history.add(judgement)
    before = [past for past in history.sessions(session.environment) if past.started_s <= session.started_epoch_s]
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
    past = [past for past in History(folder.parent).sessions(session.environment) if past.id != session.session_id]
    latency = "acknowledgement" if session.clock == "unknown" else "delivery"
    baseline = baseline_of(past, latency=latency, categories=" ".join(session.wanted), jobs=session.jobs, gate=gate)
    if gate or baseline.sessions:
        evidence.compared_with(baseline)


def _summary(judgement: Judgement, environ: Mapping[str, str]) -> None:
    """The verdict on the summary page of the pipeline, where there is one."""
    path = environ.get(_STEP_SUMMARY)
    if path:
        with Path(path).open("a", encoding="utf-8", errors="replace") as summary:
            summary.write(as_markdown(judgement))
