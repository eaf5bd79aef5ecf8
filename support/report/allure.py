"""The folder allure-results, and the one-file HTML report that Allure 3 makes of it.

Nothing but Allure's own files belongs there: other JSON or XML becomes tests.
"""
# mypy: allow-untyped-calls
# allure_commons types none of its calls.

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from allure_commons import hookimpl
from allure_commons.logger import AllureFileLogger
from allure_commons.model2 import Status, StatusDetails, TestResult
from attr import asdict

ALLURE = "allure@3.18.0"
_OURS = re.compile(
    r".+-(result|container|globals)\.json(\.tmp)?|.+-attachment\..+|environment\.properties|(categories|executor)\.json"
)
_GET_NODE = f"install Node.js 20 or newer and run `npm install --global {ALLURE}`, or run `greenlight run --allure`"
_TIMED_OUT = -1
_TAG_MANAGER = [
    re.compile(r"""<script\b[^>]*\bsrc\s*=\s*["']?(?:https?:)?//[^>]*>\s*</script>""", re.IGNORECASE),
    re.compile(r"<script>[^<]*\bgtag\([^<]*</script>"),
]
_OUTSIDE = re.compile(
    r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)\s*=\s*["']?(?:https?:)?//[^>]*>""", re.IGNORECASE
)
# Attachments and descriptions are the target's words and may name pictures from outside: the browser must not ask.
_POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src data: blob: 'unsafe-inline' 'unsafe-eval'; "
    "form-action 'none'; base-uri 'self' file:\">"
)
# Allure 2 wants the whole message to match, Allure 3 any part of it; an exception's class may stand in front.
_CATEGORIES = [
    ("Suite's own fault", ["broken", "failed"], r"^(?:[\w.]+: )?Suite fault:[\s\S]*$"),
    ("Target broke a promise", ["failed", "broken"], r"^(?:[\w.]+: )?[A-Z][A-Z_]*-\d+:[\s\S]*$"),
    ("Not exercised", ["skipped"], None),
    ("Failed without naming a rule", ["failed"], None),
    ("Broken without naming a cause", ["broken"], None),
]


@dataclass(frozen=True)
class Rendered:
    """The HTML report was made: one file that opens from disk and requests nothing."""

    html: Path


@dataclass(frozen=True)
class NotRendered:
    """There is no HTML report, and why, in one line; allure-results is complete all the same."""

    reason: str


def scrub(text: str) -> str:
    r"""Make lone surrogates readable as `\udc80`, since UTF-8 has no place for them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class AllureResults(AllureFileLogger):
    """Writes one session's results, and can hold finished ones back while late findings may still arrive.

    A result is known by its `fullName`, which is the scenario's key. Attachments are written at once, held or not.
    `files_written` lists the result files by name, in the order of writing. I/O errors are raised (OSError).
    """

    def __init__(self, report_dir: str | Path) -> None:
        super().__init__(report_dir)
        self.files_written: list[str] = []
        self._held: dict[str, TestResult] | None = None

    def hold(self) -> None:
        """Keep each result that finishes from now on until it is released."""
        self._held = self._held or {}

    def fail(self, key: str, message: str, trace: str | None = None) -> bool:
        """Turn a held result into a failed one; False if none is held under this key.

        The message stands first unless the scenario had failed already: Allure sorts by how a message begins.
        """
        result = (self._held or {}).get(key)
        if result is None:
            return False
        told = result.statusDetails or StatusDetails()
        messages = [message, told.message] if result.status != Status.FAILED else [told.message, message]
        traces = [each for each in (told.trace, trace) if each]
        result.statusDetails = StatusDetails(message="\n".join(filter(None, messages)), trace="\n".join(traces) or None)
        result.status = Status.FAILED
        return True

    def release(self, key: str) -> bool:
        """Write one held result; False if none is held under this key."""
        result = (self._held or {}).pop(key, None)
        if result is not None:
            self._report_item(result)
        return result is not None

    def release_all(self) -> None:
        """Write all held results, in the order in which they finished; holding goes on."""
        for key in list(self._held or {}):
            self.release(key)

    @hookimpl
    def report_result(self, result: TestResult) -> None:
        """Write or hold one finished result (called by allure_commons)."""
        if self._held is None:
            self._report_item(result)
            return
        self.release(result.fullName)
        self._held[result.fullName] = result

    @hookimpl
    def report_attached_data(self, body: str | bytes, file_name: str) -> None:
        """Write one attachment, text as UTF-8 (called by allure_commons)."""
        super().report_attached_data(scrub(body) if isinstance(body, str) else body, file_name)

    def _report_item(self, item: Any) -> None:
        name = item.file_pattern.format(prefix=uuid4())
        data = _scrubbed(asdict(item, filter=lambda _, value: bool(value) or value is False))
        _write(self._report_dir / name, json.dumps(data, ensure_ascii=True))
        if isinstance(item, TestResult):
            self.files_written.append(name)


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {scrub(str(key)): _scrubbed(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(each) for each in value]
    return value


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f"{path.name}.tmp")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def clear_results(results_dir: str | Path) -> None:
    """Remove an earlier session's results; foreign files, dot-files and subfolders stay. A missing folder is empty."""
    folder = Path(results_dir)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_file() and _OURS.fullmatch(path.name):
            path.unlink()


def write_environment(results_dir: str | Path, mapping: Mapping[str, object]) -> None:
    """Write environment.properties, one `name=value` per line as java.util.Properties reads it."""
    lines = [f"{_property(name, ' :=#!')}={_property(str(value))}\n" for name, value in mapping.items()]
    _write(_folder(results_dir) / "environment.properties", "".join(lines))


def _property(text: str, special: str = "") -> str:
    escaped = "".join(f"\\{each}" if each in special or each == "\\" else each for each in scrub(text))
    return escaped.replace("\n", "\\n").replace("\r", "\\r")


def _folder(path: str | Path) -> Path:
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def categories() -> list[dict[str, Any]]:
    """Allure's sorting of what did not pass, in order: the first that matches wins."""
    rules = [
        {"name": name, "matchedStatuses": statuses, "messageRegex": regex} for name, statuses, regex in _CATEGORIES
    ]
    return [{name: value for name, value in rule.items() if value is not None} for rule in rules]


def write_categories(results_dir: str | Path) -> None:
    """Write categories.json for Allure 2 readers; Allure 3 takes the same list from the config of `render_html`."""
    _write(_folder(results_dir) / "categories.json", json.dumps(categories(), indent=2))


def write_executor(results_dir: str | Path, environment: Mapping[str, str], report_name: str = "Greenlight") -> None:
    """Write executor.json: who ran this, as the variables of GitHub Actions or GitLab CI tell, else `local`.

    `environment` is data, usually a copy of os.environ; only the well-known names of the CI are read from it.
    """
    if environment.get("GITHUB_ACTIONS") == "true":
        run = f"{environment.get('GITHUB_SERVER_URL', '')}/{environment.get('GITHUB_REPOSITORY', '')}/actions/runs/"
        number, url = environment.get("GITHUB_RUN_NUMBER", ""), run + environment.get("GITHUB_RUN_ID", "")
        who = {"name": "GitHub Actions", "type": "github", "buildName": environment.get("GITHUB_WORKFLOW", "run")}
    elif environment.get("GITLAB_CI") == "true":
        number, url = environment.get("CI_PIPELINE_IID", ""), environment.get("CI_PIPELINE_URL", "")
        who = {"name": "GitLab CI", "type": "gitlab", "buildName": environment.get("CI_JOB_NAME", "pipeline")}
    else:
        number, url, who = "", "", {"name": "local", "type": "local", "buildName": "local run"}
    build = {"buildOrder": int(number), "buildUrl": url} if number.isdecimal() else {}
    _write(_folder(results_dir) / "executor.json", json.dumps({**who, **build, "reportName": report_name}, indent=2))


def render_html(
    results_dir: str | Path,
    output_html: str | Path,
    history_path: str | Path | None = None,
    *,
    may_download: bool = False,
    timeout_s: float = 120,
    report_name: str = "Greenlight",
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
            made = _generate(command, results, Path(work), history_path, report_name=report_name, deadline=deadline)
            if isinstance(made, NotRendered):
                return made
            page, outside = _closed(made.read_text(encoding="utf-8", errors="replace"))
            if outside:
                return NotRendered(f"Allure's page would load {outside} from outside, so it was not kept")
            output.parent.mkdir(parents=True, exist_ok=True)
            _write(output, page)
    except OSError as error:
        return NotRendered(f"the HTML report could not be made: {error}")
    return Rendered(output)


def _generate(
    command: list[str], results: Path, work: Path, history_path: str | Path | None, *, report_name: str, deadline: float
) -> Path | NotRendered:
    awesome = {
        "singleFile": True,
        "groupBy": ["epic", "feature", "story"],
        "sections": ["charts"],
        "reportName": report_name,
    }
    plugins = {"awesome": {"options": awesome}}
    config = {"name": report_name, "output": str(work / "out"), "categories": categories(), "plugins": plugins}
    if history_path is not None:
        history = Path(history_path).absolute()
        history.parent.mkdir(parents=True, exist_ok=True)
        config["historyPath"] = str(history)
    _write(work / "allurerc.json", json.dumps(config))
    # Allure takes a folder as a glob pattern and looks below its working directory, so it gets a copy of plain name.
    shutil.copytree(results, work / "results", ignore=_foreign)
    arguments = ["generate", "--config", str(work / "allurerc.json"), "--cwd", str(work), "results"]
    code, told = _run([*command, *arguments], work, deadline)
    pages = sorted((work / "out").rglob("index.html"))
    if code == 0 and pages:
        return pages[0]
    return NotRendered(f"Allure made no page (exit code {code}): {told}")


def _foreign(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not _OURS.fullmatch(name)]


def _command(may_download: bool, work: Path, deadline: float) -> list[str] | NotRendered:
    installed = shutil.which("allure") or shutil.which("allure", path="node_modules/.bin")
    npx = shutil.which("npx")
    candidates = [[installed]] if installed else []
    # npx takes a second to say no, which nobody should wait for who has not asked for the page.
    candidates += [[npx, "--yes", ALLURE]] if npx and may_download else []
    told = "Node.js is not there" if npx is None else "Allure 3 is not installed"
    for candidate in candidates:
        code, answer = _run([*candidate, "--version"], work, deadline)
        if code == 0 and answer.startswith("3."):
            return candidate
        if code == _TIMED_OUT:
            told = f"{' '.join(candidate)} did not answer in time"
    return NotRendered(f"{told}: {_GET_NODE}")


def _run(command: list[str], work: Path, deadline: float) -> tuple[int, str]:
    """Run a tool with its children; its exit code (or `_TIMED_OUT`) and the last line that it said."""
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
    return code, said[-1] if said else "it said nothing"


def _end(tool: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(tool.pid, signal.SIGKILL)
    else:
        tool.kill()
    tool.wait()


def _closed(page: str) -> tuple[str, str | None]:
    """Take the tag manager out of a page and forbid it the network; also the first outside address left, or None."""
    for pattern in _TAG_MANAGER:
        page = pattern.sub("", page)
    page = page.replace("<head>", f"<head>{_POLICY}", 1)
    left = _OUTSIDE.search(page)
    return page, left.group(0) if left else None
