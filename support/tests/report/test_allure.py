"""The results folder and its HTML report: file by file with literal contents, and once with the real Allure 3."""

import base64
import json
import os
import re
import select
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from allure_commons.model2 import StatusDetails, TestResult
from greenlight_gate.report import allure_results
from greenlight_gate.report.allure_page import NotRendered, Rendered, render_html
from greenlight_gate.report.allure_results import AllureResults, clear_results

from support.tests.bdd.test_allure_formatter import behave, build
from support.tests.needs import skip_without_program

TestResult.__test__ = False  # type: ignore[attr-defined]


def finished(key: str, status: str = "passed", message: str | None = None) -> TestResult:
    details = StatusDetails(message=message) if message else None
    return TestResult(uuid=key, name=key, fullName=key, status=status, statusDetails=details)


def written(folder: Path) -> dict[str, object]:
    found = [json.loads(path.read_text("utf-8")) for path in folder.glob("*-result.json")]
    return {each["fullName"]: (each["status"], each.get("statusDetails")) for each in found}


def test_results_are_written_at_once_by_default(tmp_path: Path) -> None:
    results = AllureResults(tmp_path)

    results.report_result(finished("a:1"))

    assert written(tmp_path) == {"a:1": ("passed", None)}
    assert results.files_written == [path.name for path in tmp_path.iterdir()]
    assert results.fail("a:1", "too late") is False
    assert results.release("a:1") is False


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        ("passed", None, "PAIRING-1: late"),
        ("skipped", "cannot resume", "PAIRING-1: late\ncannot resume"),
        ("broken", "Suite fault: x", "PAIRING-1: late\nSuite fault: x"),
        ("failed", "CONTENT-1: early", "CONTENT-1: early\nPAIRING-1: late"),
    ],
)
def test_a_late_finding_fails_what_is_held(status: str, message: str | None, expected: str, tmp_path: Path) -> None:
    results = AllureResults(tmp_path)
    results.hold()
    results.report_result(finished("a:1", status, message))
    results.report_result(finished("a:2"))

    assert written(tmp_path) == {}
    assert results.holds("a:1")
    assert results.fail("a:1", "PAIRING-1: late")
    assert [results.release(key) for key in ("a:1", "a:2")] == [True, True]

    assert written(tmp_path) == {"a:1": ("failed", {"message": expected}), "a:2": ("passed", None)}
    assert len(results.files_written) == 2


def test_attachments_of_held_results_are_written_at_once(tmp_path: Path) -> None:
    results = AllureResults(tmp_path)
    results.hold()

    results.report_attached_data("hi \udc80", "1-attachment.txt")

    assert (tmp_path / "1-attachment.txt").read_text("utf-8") == "hi \\udc80"


def test_a_key_that_finishes_twice_loses_neither(tmp_path: Path) -> None:
    results = AllureResults(tmp_path)
    results.hold()
    results.report_result(finished("a:1"))
    results.report_result(finished("a:1", "failed"))
    results.release("a:1")

    assert len(results.files_written) == 2


def test_only_what_belongs_to_allure_is_cleared(tmp_path: Path) -> None:
    ours = {
        "1-result.json",
        "1-container.json",
        "1-globals.json",
        "1-attachment.png",
        "1-attachment.txt.tmp",
        "2-result.json.tmp",
        "environment.properties",
        "categories.json",
        "executor.json",
    }
    foreign = {".gitkeep", "notes.json", "result.json", "my-result.json.bak", "report.html"}
    for name in ours | foreign:
        (tmp_path / name).touch()
    (tmp_path / "history-result.json").mkdir()

    clear_results(tmp_path)
    clear_results(tmp_path / "not there")

    assert {path.name for path in tmp_path.iterdir()} == foreign | {"history-result.json"}


def test_the_environment_is_written_as_java_properties(tmp_path: Path) -> None:
    allure_results.write_environment(tmp_path / "new", {"target url": "wss://x:1/a=b", "note": "two\nlines \\ \udc80"})

    text = (tmp_path / "new/environment.properties").read_text("utf-8")
    assert text == "target\\ url=wss://x:1/a=b\nnote=two\\nlines \\\\ \\\\udc80\n"


@pytest.mark.parametrize(
    ("status", "message", "category"),
    [
        ("failed", "BLOCKED: LIFECYCLE-2 (3): expected x", "The verdict"),
        ("failed", "LIFECYCLE-2: expected x\nmore", "Target broke a promise"),
        ("failed", "AssertionError: LIFECYCLE-2: expected x", "Target broke a promise"),
        ("broken", "Suite fault: HOOK-ERROR in before_scenario", "Suite's own fault"),
        ("broken", "greenlight_gate.faults.SuiteFault: Suite fault: no port", "Suite's own fault"),
        ("skipped", "the target cannot resume", "Not exercised"),
        ("failed", "assert 1 == 2", "Failed without naming a rule"),
        ("broken", "KeyError: 'x'", "Broken without naming a cause"),
    ],
)
def test_the_first_category_that_matches(status: str, message: str, category: str, tmp_path: Path) -> None:
    allure_results.write_categories(tmp_path)
    rules = json.loads((tmp_path / "categories.json").read_text("utf-8"))

    fits = [
        rule["name"]
        for rule in rules
        if status in rule["matchedStatuses"] and re.fullmatch(rule.get("messageRegex", r"[\s\S]*"), message)
    ]

    assert fits[0] == category


GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/chat",
    "GITHUB_RUN_ID": "99",
    "GITHUB_RUN_NUMBER": "7",
    "GITHUB_WORKFLOW": "release",
    "GITHUB_TOKEN": "secret",
}
GITLAB = {"GITLAB_CI": "true", "CI_PIPELINE_IID": "8", "CI_PIPELINE_URL": "https://gitlab/p/8", "CI_JOB_NAME": "gate"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            GITHUB,
            {
                "name": "GitHub Actions",
                "type": "github",
                "buildName": "release",
                "buildOrder": 7,
                "buildUrl": "https://github.com/acme/chat/actions/runs/99",
            },
        ),
        (
            GITLAB,
            {
                "name": "GitLab CI",
                "type": "gitlab",
                "buildName": "gate",
                "buildOrder": 8,
                "buildUrl": "https://gitlab/p/8",
            },
        ),
        ({}, {"name": "local", "type": "local", "buildName": "local run"}),
    ],
)
def test_the_executor_says_who_ran_it(environment: dict[str, str], expected: object, tmp_path: Path) -> None:
    allure_results.write_executor(tmp_path, environment)

    executor = json.loads((tmp_path / "executor.json").read_text("utf-8"))
    assert executor.pop("reportName") == "Greenlight"
    assert executor == expected


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH but for the system's shell, and a temporary folder that is watched."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "tmp").mkdir()
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path


def install(folder: Path, name: str, script: str) -> None:
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


VERSION = 'if [ "$1" = --version ]; then echo 3.18.0; exit; fi\n'
PAGE = VERSION + 'cd "$5"; /bin/mkdir -p out/awesome; /bin/cp "$PAGE" out/awesome/index.html'


def test_without_node_the_reason_says_how_to_get_it(tool: Path) -> None:
    made = render_html(tool / "results", tool / "report.html")

    assert made == NotRendered(
        "Node.js is not installed: install Node.js 20 or newer and run `npm install --global allure@3.18.0`, "
        "or run `greenlight run --allure`"
    )
    assert list((tool / "tmp").iterdir()) == []


@pytest.mark.parametrize(("may_download", "asked"), [(False, False), (True, True)])
def test_npx_fetches_only_when_it_may(may_download: bool, asked: bool, tool: Path) -> None:
    install(tool, "npx", f'echo "$@" >> {tool}/asked; exit 1')

    made = render_html(tool / "results", tool / "report.html", may_download=may_download)

    assert isinstance(made, NotRendered)
    assert made.reason.startswith("Allure 3 is not installed: ")
    calls = (tool / "asked").read_text("utf-8").splitlines() if (tool / "asked").exists() else []
    assert calls == (["--yes allure@3.18.0 --version"] if asked else [])


def test_allure_2_is_passed_over(tool: Path) -> None:
    install(tool, "allure", "echo 2.35.1")

    assert isinstance(render_html(tool / "results", tool / "report.html"), NotRendered)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (VERSION + "echo it fell over; exit 3", "Allure made no page (exit code 3): it fell over"),
        (VERSION + "exit 0", "Allure made no page (exit code 0): it printed nothing"),
    ],
)
def test_a_failing_tool_is_a_value(script: str, reason: str, tool: Path) -> None:
    install(tool, "allure", script)

    assert render_html(tool / "results", tool / "report.html") == NotRendered(reason)
    assert list((tool / "tmp").iterdir()) == []
    assert not (tool / "report.html").exists()


def test_a_hanging_tool_is_ended_with_its_children(tool: Path) -> None:
    fifo = tool / "alive"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    install(tool, "allure", f'{VERSION}exec 3>"{fifo}"; /bin/sleep 600 & wait')

    made = render_html(tool / "results", tool / "report.html", timeout_s=1)

    assert made == NotRendered("Allure made no page (exit code -1): it printed nothing")
    # The pipe's end is reached only when neither the tool nor its child holds it; ending them may take a moment.
    assert select.select([reader], [], [], 30.0)[0] == [reader]
    assert os.read(reader, 1) == b""
    os.close(reader)
    assert list((tool / "tmp").iterdir()) == []


def test_missing_results_are_a_value(tool: Path) -> None:
    install(tool, "allure", VERSION)

    made = render_html(tool / "nowhere", tool / "report.html")

    assert isinstance(made, NotRendered)
    assert "nowhere" in made.reason


@pytest.mark.parametrize(
    ("page", "kept"),
    [
        ("<head></head><script async src='https://tags.example/x'></script><script>gtag('js');</script>ok", True),
        ("<head></head><img src=//tags.example/x.png>", False),
        ("<head></head><link rel=stylesheet href='http://tags.example/x'>", False),
    ],
)
def test_a_page_that_would_load_from_outside_is_not_kept(
    page: str, kept: bool, tool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tool / "page").write_text(page, encoding="utf-8")
    monkeypatch.setenv("PAGE", str(tool / "page"))
    install(tool, "allure", PAGE)

    made = render_html(tool / "results", tool / "sub/report.html")

    assert isinstance(made, Rendered if kept else NotRendered), made
    assert (tool / "sub/report.html").exists() is kept
    if kept:
        assert "tags.example" not in (tool / "sub/report.html").read_text("utf-8")
        assert "gtag" not in (tool / "sub/report.html").read_text("utf-8")


HOSTILE = """
    Feature: Answers <script>alert(1)</script>
      Example: Outside any rule
        When it works
      Rule: Nobody sees another person's <img src=x onerror=alert(1)> conversation
        Example: Ada <script>alert(1)</script> and Bashir
          When it attaches
          Then it fails
        Example: Twin
          When it breaks
        Example: Twin
          When it is skipped
          Then it works
        Scenario Outline: Row
          Given it shows pictures
            | name | words                     |
            | Ada  | <script>alert(1)</script> |
          Examples:
            | n |
            | 1 |
            | 1 |
"""
PICTURES = """
import base64
@step("it shows pictures")
def pictures(context):
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    allure.attach(base64.b64decode(png), "picture", AttachmentType.PNG)
    allure.attach('{"says": "<script>alert(1)</script>"}', "frame", AttachmentType.JSON)
    allure.attach("<img src='http://outside.example/x.png'>", "text", AttachmentType.TEXT)
    allure.attach("<img src='http://outside.example/x.png'>", "page", AttachmentType.HTML)
"""


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    project = build(tmp_path / "project", HOSTILE)
    with (project / "steps/steps.py").open("a", encoding="utf-8") as steps:
        steps.write(PICTURES)
    run = behave(project)
    assert len(list((project / "allure-results").glob("*-result.json"))) == 6, run.out + run.err
    return project


@pytest.mark.slow
def test_allure_3_renders_one_page_with_every_scenario(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("npx") is None:
        skip_without_program("Node.js", "the HTML report needs npx from Node.js 20 or newer")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    page, history = tmp_path / "report.html", tmp_path / "kept/history.jsonl"
    results = hostile / "allure-results"
    allure_results.write_environment(results, {"target": "embedded"})
    allure_results.write_categories(results)
    allure_results.write_executor(results, {})

    for _ in range(2):
        made = render_html(results, page, history, may_download=True)
        assert made == Rendered(page), made

    embedded = re.search(r'"widgets/tree\.json"\s*,\s*"([^"]+)"', page.read_text("utf-8"))
    assert embedded
    tree = json.loads(base64.b64decode(embedded.group(1)))
    assert sorted((leaf["name"], leaf["status"]) for leaf in tree["leavesById"].values()) == [
        ("Ada <script>alert(1)</script> and Bashir", "failed"),
        ("Outside any rule", "passed"),
        ("Row -- @1.1", "passed"),
        ("Row -- @1.2", "passed"),
        ("Twin", "broken"),
        ("Twin", "skipped"),
    ]
    # The history names every scenario as its own, and as the same in both runs.
    runs = [json.loads(line)["testResults"] for line in history.read_text("utf-8").splitlines()]
    assert [sorted(each["fullName"] for each in run.values()) for run in runs] == [
        [f"functional/answers.feature:{line}" for line in (11, 20, 21, 3, 6, 9)]
    ] * 2
    assert set(runs[0]) == set(runs[1])
    assert "googletagmanager" not in page.read_text("utf-8")
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.slow
def test_a_browser_shows_every_scenario_and_asks_nobody(hostile: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if shutil.which("npx") is None:
        skip_without_program("Node.js", "the HTML report needs npx from Node.js 20 or newer")
    if chromium is None:
        skip_without_program("Chromium", "nothing else looks at the HTML report here")
    page, control = tmp_path / "report.html", tmp_path / "control.html"
    control.write_text("<img src='http://outside.example/x.png'>", encoding="utf-8")
    assert render_html(hostile / "allure-results", page, may_download=True) == Rendered(page)

    shown, asked = look(chromium, page)

    assert asked == []
    assert look(chromium, control)[1] != []
    # Allure folds away what has passed altogether, so "Outside any rule" is only counted.
    for name in ("Ada &lt;script&gt;alert(1)&lt;/script&gt; and Bashir", "Row -- @1.1", "Row -- @1.2"):
        assert name in shown
    assert shown.count(">Twin<") == 2


def look(chromium: str, page: Path) -> tuple[str, list[str]]:
    """The page as the browser built it, and the addresses that it asked for, without those that the browser wants."""
    options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    quiet = "--disable-component-update --disable-sync --virtual-time-budget=8000 --window-size=1200,900 --dump-dom"
    log = page.with_suffix(".net")
    places = [f"--user-data-dir={page.with_suffix('.profile')}", f"--log-net-log={log}", f"file://{page}"]
    run = subprocess.run(
        [chromium, *options.split(), *quiet.split(), *places], capture_output=True, text=True, check=False, timeout=90
    )
    asked = re.findall(r'"url":"((?:https?|wss?)://([^/"]+)[^"]*)', log.read_text("utf-8", errors="replace"))
    own = (".google.com", ".googleapis.com", ".gvt1.com")
    return run.stdout, [url for url, host in asked if not host.endswith(own)]
