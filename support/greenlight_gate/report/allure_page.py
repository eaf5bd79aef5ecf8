"""The one-file HTML report that Allure 3 makes of a results folder, closed to the network."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from greenlight_gate.report.allure_results import OURS, REPORT_NAME, categories, write_text

ALLURE = "allure@3.18.0"
_GET_NODE = f"install Node.js 20 or newer and run `npm install --global {ALLURE}`, or run `greenlight run --allure`"
_TIMED_OUT = -1
_TAG_MANAGER = [
    re.compile(r"""<script\b[^>]*\bsrc\s*=\s*["']?(?:https?:)?//[^>]*>\s*</script>""", re.IGNORECASE),
    re.compile(r"<script>[^<]*\bgtag\([^<]*</script>"),
]
_OUTSIDE = re.compile(
    r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)\s*=\s*["']?(?:https?:)?//[^>]*>""", re.IGNORECASE
)
# Attachments and descriptions hold the target's texts, which may name images elsewhere: the browser must not load them.
_POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src data: blob: 'unsafe-inline' 'unsafe-eval'; "
    "form-action 'none'; base-uri 'self' file:\">"
)


@dataclass(frozen=True)
class Rendered:
    """The HTML report was made: one file that opens from disk and requests nothing."""

    html: Path


@dataclass(frozen=True)
class NotRendered:
    """There is no HTML report, and why, in one line; allure-results is complete all the same."""

    reason: str


def render_html(
    results_dir: str | Path,
    output_html: str | Path,
    history_path: str | Path | None = None,
    *,
    may_download: bool = False,
    timeout_s: float = 120,
) -> Rendered | NotRendered:
    """Make one HTML file of a results folder with Allure 3, which needs Node.js 20 or newer.

    Uses an installed Allure 3 (on the PATH or in ./node_modules); only with `may_download` does npx fetch it.
    `history_path` is Allure's JSON-lines history: read for trends, and this run is appended. `timeout_s` bounds the
    whole call. A missing, failing or hanging tool and a full disk are a NotRendered, never an exception.
    """
    results, output = Path(results_dir).absolute(), Path(output_html).absolute()
    deadline = time.monotonic() + timeout_s
    try:
        with tempfile.TemporaryDirectory(prefix="allure-", ignore_cleanup_errors=True) as work:
            command = _command(may_download, Path(work), deadline)
            if isinstance(command, NotRendered):
                return command
            made = _generate(command, results, Path(work), history_path, deadline=deadline)
            if isinstance(made, NotRendered):
                return made
            page, outside = _closed(made.read_text(encoding="utf-8", errors="replace"))
            if outside:
                return NotRendered(f"Allure's page would load {outside} from outside, so it was discarded")
            output.parent.mkdir(parents=True, exist_ok=True)
            write_text(output, page)
    except OSError as error:
        return NotRendered(f"the HTML report could not be made: {error}")
    return Rendered(output)


def _generate(
    command: list[str], results: Path, work: Path, history_path: str | Path | None, *, deadline: float
) -> Path | NotRendered:
    awesome = {
        "singleFile": True,
        "groupBy": ["epic", "feature", "story"],
        "sections": ["charts"],
        "reportName": REPORT_NAME,
    }
    plugins = {"awesome": {"options": awesome}}
    config = {"name": REPORT_NAME, "output": str(work / "out"), "categories": categories(), "plugins": plugins}
    if history_path is not None:
        history = Path(history_path).absolute()
        history.parent.mkdir(parents=True, exist_ok=True)
        config["historyPath"] = str(history)
    write_text(work / "allurerc.json", json.dumps(config))
    # Allure reads a folder name as a glob pattern below its working directory, so it gets a copy with a plain name.
    shutil.copytree(results, work / "results", ignore=_foreign)
    arguments = ["generate", "--config", str(work / "allurerc.json"), "--cwd", str(work), "results"]
    code, output = _run([*command, *arguments], work, deadline)
    pages = sorted((work / "out").rglob("index.html"))
    if code == 0 and pages:
        return pages[0]
    return NotRendered(f"Allure made no page (exit code {code}): {output}")


def _foreign(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not OURS.fullmatch(name)]


def _command(may_download: bool, work: Path, deadline: float) -> list[str] | NotRendered:
    installed = shutil.which("allure") or shutil.which("allure", path="node_modules/.bin")
    npx = shutil.which("npx")
    candidates = [[installed]] if installed else []
    # npx takes a second to fail: that is not worth a wait unless the page was asked for.
    candidates += [[npx, "--yes", ALLURE]] if npx and may_download else []
    output = "Node.js is not installed" if npx is None else "Allure 3 is not installed"
    for candidate in candidates:
        code, answer = _run([*candidate, "--version"], work, deadline)
        if code == 0 and answer.startswith("3."):
            return candidate
        if code == _TIMED_OUT:
            output = f"{' '.join(candidate)} did not answer in time"
    return NotRendered(f"{output}: {_GET_NODE}")


def _run(command: list[str], work: Path, deadline: float) -> tuple[int, str]:
    """Run a tool with its children; its exit code (or `_TIMED_OUT`) and its last line of output."""
    log = work / "tool.log"
    with log.open("wb") as out:
        # A session of its own, so that the Node process behind npx ends with it.
        tool = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = tool.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            code = _TIMED_OUT
        finally:
            if tool.returncode is None:
                _end(tool)
    said = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return code, said[-1] if said else "it printed nothing"


def _end(tool: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(tool.pid, signal.SIGKILL)
    else:
        tool.kill()
    tool.wait()


def _closed(page: str) -> tuple[str, str | None]:
    """Remove the tag manager from a page and forbid network access; also the first external address left, or None."""
    for pattern in _TAG_MANAGER:
        page = pattern.sub("", page)
    page = page.replace("<head>", f"<head>{_POLICY}", 1)
    left = _OUTSIDE.search(page)
    return page, left.group(0) if left else None
