"""What a command leaves in the session folder once the verdict is on the screen: files, pictures and the page."""

import os
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from support.report.ci_summary import as_markdown
from support.report.evidence import Evidence
from support.report.history import History
from support.report.judge import Judgement
from support.report.session_files import write_files
from support.report.trend import as_html, baseline_of

_STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def leave(judgement: Judgement, folder: Path, console: Console, environ: Mapping[str, str] = os.environ) -> None:
    """Writes all of it. A disk that is full costs what no longer fits, and says so; the verdict stands."""
    try:
        write_files(judgement, folder)
        _summary(judgement, environ)
        trend = _remember(judgement, folder, console)
        page = _page(judgement, folder, trend)
    except OSError as error:
        console.print(f"[yellow]no page: {escape(error.strerror or str(error))}[/]", highlight=False)
        return
    console.print(f"[dim]{escape(str(page))}[/]", highlight=False, soft_wrap=True)


def _remember(judgement: Judgement, folder: Path, console: Console) -> str:
    """Keeps the session in the history; the trend until then, for the page. A history that fails costs only itself."""
    session = judgement.session
    history = History(folder.parent)
    try:
        history.add(judgement)
        before = [past for past in history.sessions(session.environment) if past.started_s <= session.started_epoch_s]
        changed = history.changed(before[-2].id, before[-1].id) if len(before) > 1 else None
    except OSError as error:
        console.print(f"[yellow]no history: {escape(error.strerror or str(error))}[/]", highlight=False)
        return ""
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
    baseline = baseline_of(past, latency=latency, categories=" ".join(session.wanted), gate=gate)
    if gate or baseline.sessions:
        evidence.compared_with(baseline)


def _page(judgement: Judgement, folder: Path, trend: str) -> Path:
    # Drawing takes half a second to load, which nobody waits for who wants to know the verdict.
    from support.report.page import write_page  # noqa: PLC0415
    from support.report.pictures import draw_pictures  # noqa: PLC0415

    return write_page(judgement, folder, draw_pictures(judgement, folder), trend)


def _summary(judgement: Judgement, environ: Mapping[str, str]) -> None:
    """The verdict on the summary page of the pipeline, where there is one."""
    path = environ.get(_STEP_SUMMARY)
    if path:
        with Path(path).open("a", encoding="utf-8", errors="replace") as summary:
            summary.write(as_markdown(judgement))
