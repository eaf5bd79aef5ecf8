"""The Allure report of a run: the verdict as an entry of its own, and one HTML page if Allure is available."""

import argparse
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from greenlight_gate.evidence.judge import Judgement
from greenlight_gate.report.allure_page import Rendered, render_html
from greenlight_gate.report.allure_results import AllureVerdict, session_of, write_verdict
from greenlight_gate.report.monitoring_files import DASHBOARD, PAGE, TIMELINE, VISUALIZATIONS
from greenlight_gate.report.run_report import REPORT
from greenlight_gate.verdict.criteria import Status

RESULTS = Path("allure-results")
_STATUS = {Status.PASSED: "passed", Status.FAILED: "failed", Status.INCONCLUSIVE: "broken", Status.WAIVED: "skipped"}
_ATTACHED = (
    ("Events over time", VISUALIZATIONS / TIMELINE, "image/png"),
    ("Performance", VISUALIZATIONS / DASHBOARD, "image/png"),
    ("The report", Path(REPORT), "application/json"),
    ("The page of the verdict", Path(PAGE), "text/html"),
)


def into_results(judgement: Judgement, folder: Path) -> None:
    """Adds the verdict to Allure's results, if they are still those of this session. Raises OSError."""
    session, decision = judgement.session, judgement.decision
    ours = (each for each in (folder / RESULTS, RESULTS) if session_of(each) == session.session_id)
    results_dir = next(ours, None)
    if results_dir is None:
        return
    began = session.started_epoch_s
    ended = judgement.ended.epoch_s if judgement.ended is not None else time.time()
    entry = AllureVerdict(
        session.session_id, session.environment, decision.verdict.value, decision.reason, began, ended,
        [(c.id, _STATUS[c.status], c.measured, c.threshold) for c in decision.criteria],
        [(name, folder / path, kind) for name, path, kind in _ATTACHED],
    )  # fmt: skip
    write_verdict(results_dir, entry)


def allure_page(results_dir: Path, folder: Path, console: Console, options: argparse.Namespace) -> None:
    """The HTML report, if Allure is installed or may be downloaded; else one line says how to get it."""
    history = options.output_dir / "allure-history.jsonl"
    page = folder / "allure-report.html"
    made = render_html(results_dir, page, history, may_download=options.allure)
    said = str(page) if isinstance(made, Rendered) else f"no Allure report: {made.reason}"
    console.print(f"[dim]{escape(said)}[/]", highlight=False, soft_wrap=True)
