"""The folder allure-results: what one session wrote there, held back while late findings may still arrive.

Nothing but Allure's own files belongs there: other JSON or XML becomes tests.
"""
# mypy: allow-untyped-calls
# allure_commons types none of its calls.

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid4, uuid5

from allure_commons import hookimpl
from allure_commons.logger import AllureFileLogger
from allure_commons.model2 import Status, StatusDetails, TestResult
from attr import asdict

from greenlight_gate.findings import printable_lines
from greenlight_gate.rules.engine.canary import named

OURS = re.compile(
    r".+-(result|container|globals)\.json(\.tmp)?|.+-attachment\..+|environment\.properties|(categories|executor)\.json"
)
# Allure 2 matches the whole message, Allure 3 any part of it; the class of an exception may precede it.
REPORT_NAME = "Greenlight"
_CATEGORIES = [
    ("The verdict", ["failed", "broken"], r"^(?:BLOCKED|INCONCLUSIVE): [\s\S]*$"),
    ("Suite's own fault", ["broken", "failed"], r"^(?:[\w.]+: )?Suite fault:[\s\S]*$"),
    ("Target broke a promise", ["failed", "broken"], r"^(?:[\w.]+: )?[A-Z][A-Z_]*-\d+:[\s\S]*$"),
    ("Not exercised", ["skipped"], None),
    ("Failed without naming a rule", ["failed"], None),
    ("Broken without naming a cause", ["broken"], None),
]


class AllureVerdict(NamedTuple):
    """A verdict as an Allure entry; times are seconds since the epoch.

    `session`: its id. `criteria`: (id, Allure's status, measured, threshold); `attachments`: (name, file, media type).
    """

    session: str
    target: str
    verdict: str
    reason: str
    began_s: float
    ended_s: float
    criteria: list[tuple[str, str, str, str]]
    attachments: list[tuple[str, Path, str]]


def scrub(text: str) -> str:
    r"""Make lone surrogates readable as `\udc80`, since UTF-8 has no place for them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class AllureResults(AllureFileLogger):
    """Writes one session's results, and can hold finished ones back while late findings may still arrive.

    A result is identified by its `fullName`, the scenario's key. Attachments are written at once, held or not.
    `files_written` lists the result files by name, in the order of writing. I/O errors are raised (OSError).
    """

    def __init__(self, report_dir: str | Path) -> None:
        super().__init__(report_dir)
        self.files_written: list[str] = []
        self._held: dict[str, TestResult] | None = None

    def hold(self) -> None:
        """Keep each result that finishes from now on until it is released."""
        self._held = self._held or {}

    def holds(self, key: str) -> bool:
        """Whether a result is held under this key."""
        return key in (self._held or {})

    def fail(self, key: str, message: str) -> bool:
        """Turn a held result into a failed one; False if none is held under this key.

        The message comes first unless the scenario had failed already: Allure sorts by how a message begins.
        """
        result = (self._held or {}).get(key)
        if result is None:
            return False
        details = result.statusDetails or StatusDetails()
        messages = [message, details.message] if result.status != Status.FAILED else [details.message, message]
        result.statusDetails = StatusDetails(message="\n".join(filter(None, messages)), trace=details.trace)
        result.status = Status.FAILED
        return True

    def release(self, key: str) -> bool:
        """Write one held result; False if none is held under this key."""
        result = (self._held or {}).pop(key, None)
        if result is not None:
            self._report_item(result)
        return result is not None

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
        write_text(self._report_dir / name, json.dumps(data, ensure_ascii=True))
        if isinstance(item, TestResult):
            self.files_written.append(name)


def _scrubbed(value: Any) -> Any:
    """All texts with control characters escaped and canaries replaced by their owner's name."""
    if isinstance(value, str):
        return printable_lines(named(scrub(value)))
    if isinstance(value, dict):
        return {scrub(str(key)): _scrubbed(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(each) for each in value]
    return value


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f"{path.name}.tmp")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def clear_results(results_dir: str | Path) -> None:
    """Remove an earlier session's results; foreign files, dot-files and subfolders stay. A missing folder is empty."""
    folder = Path(results_dir)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_file() and OURS.fullmatch(path.name):
            path.unlink()


def write_environment(results_dir: str | Path, mapping: Mapping[str, object]) -> None:
    """Write environment.properties, one `name=value` per line as java.util.Properties reads it."""
    lines = [f"{_property(name, ' :=#!')}={_property(str(value))}\n" for name, value in mapping.items()]
    write_text(_folder(results_dir) / "environment.properties", "".join(lines))


def session_of(results_dir: str | Path) -> str:
    """The session that wrote these results, from environment.properties; "" if unknown."""
    try:
        lines = (Path(results_dir) / "environment.properties").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError):
        return ""
    return next((line.removeprefix("session=") for line in lines if line.startswith("session=")), "")


def _property(text: str, special: str = "") -> str:
    escaped = "".join(f"\\{each}" if each in special or each == "\\" else each for each in scrub(text))
    return escaped.replace("\n", "\\n").replace("\r", "\\r")


def _folder(path: str | Path) -> Path:
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def categories() -> list[dict[str, Any]]:
    """Allure's categories of results that did not pass, in order: the first match wins."""
    rules = [
        {"name": name, "matchedStatuses": statuses, "messageRegex": regex} for name, statuses, regex in _CATEGORIES
    ]
    return [{name: value for name, value in rule.items() if value is not None} for rule in rules]


def write_categories(results_dir: str | Path) -> None:
    """Write categories.json for Allure 2 readers; Allure 3 takes the same list from the config of `render_html`."""
    write_text(_folder(results_dir) / "categories.json", json.dumps(categories(), indent=2))


def write_executor(results_dir: str | Path, environment: Mapping[str, str]) -> None:
    """Write executor.json from the variables of GitHub Actions or GitLab CI, else `local`.

    `environment` is data, usually a copy of os.environ; only the variables of these CI systems are read.
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
    write_text(
        _folder(results_dir) / "executor.json", json.dumps({**who, **build, "reportName": REPORT_NAME}, indent=2)
    )


def write_verdict(results_dir: str | Path, entry: AllureVerdict) -> None:
    """Adds the verdict as an entry of its own, which comes first, as the epic "Verdict".

    A session has one verdict: a later judgement replaces an earlier one.
    """
    folder = _folder(results_dir)
    key = uuid5(NAMESPACE_URL, entry.session).hex
    attachments: list[dict[str, str]] = []
    for name, path, kind in entry.attachments:
        if path.is_file():
            source = f"{key}-{len(attachments)}-attachment{path.suffix}"
            shutil.copyfile(path, folder / source)
            attachments.append({"name": name, "source": source, "type": kind})
    labels = {"epic": " AllureVerdict", "feature": entry.target, "story": "Criteria of approval", "severity": "blocker"}
    result = {
        "uuid": key, "historyId": f"verdict of {entry.target}", "testCaseId": f"verdict of {entry.target}",
        "fullName": f"verdict of {entry.target}", "name": f"{entry.verdict}: {entry.target}",
        "status": {"APPROVED": "passed", "BLOCKED": "failed"}.get(entry.verdict, "broken"),
        "statusDetails": {"message": f"{entry.verdict}: {entry.reason}"}, "stage": "finished",
        "start": int(entry.began_s * 1000), "stop": int(entry.ended_s * 1000),
        "labels": [{"name": name, "value": value} for name, value in labels.items()],
        "steps": [
            {"name": f"{name}: {measured} (required: {threshold})", "status": status, "stage": "finished",
             "start": int(entry.ended_s * 1000), "stop": int(entry.ended_s * 1000)}
            for name, status, measured, threshold in entry.criteria
        ],
        "attachments": attachments,
    }  # fmt: skip
    write_text(folder / f"{key}-result.json", json.dumps(_scrubbed(result), ensure_ascii=True))
