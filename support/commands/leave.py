"""What a command leaves in the session folder once the verdict is on the screen: files, pictures and the page."""

import os
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from support.report.ci_summary import as_markdown
from support.report.judge import Judgement
from support.report.session_files import write_files

_STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def leave(judgement: Judgement, folder: Path, console: Console, environ: Mapping[str, str] = os.environ) -> None:
    """Writes all of it. A disk that is full costs what no longer fits, and says so; the verdict stands."""
    try:
        write_files(judgement, folder)
        _summary(judgement, environ)
        page = _page(judgement, folder)
    except OSError as error:
        console.print(f"[yellow]no page: {escape(error.strerror or str(error))}[/]", highlight=False)
        return
    console.print(f"[dim]{escape(str(page))}[/]", highlight=False, soft_wrap=True)


def _page(judgement: Judgement, folder: Path) -> Path:
    # Drawing takes half a second to load, which nobody waits for who wants to know the verdict.
    from support.report.page import write_page  # noqa: PLC0415
    from support.report.pictures import draw_pictures  # noqa: PLC0415

    return write_page(judgement, folder, draw_pictures(judgement, folder))


def _summary(judgement: Judgement, environ: Mapping[str, str]) -> None:
    """The verdict on the summary page of the pipeline, where there is one."""
    path = environ.get(_STEP_SUMMARY)
    if path:
        with Path(path).open("a", encoding="utf-8", errors="replace") as summary:
            summary.write(as_markdown(judgement))
