"""The files for machines: junit.xml, the monitoring files, the summary of a pipeline, and the schemas of them all."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import msgspec
import pytest
from greenlight_gate.evidence.judge import judge
from greenlight_gate.report.ci_summary import as_markdown
from greenlight_gate.report.ctrf import as_ctrf
from greenlight_gate.report.junit import as_junit
from greenlight_gate.report.monitoring_files import write_files
from greenlight_gate.report.run_report import write_report
from greenlight_gate.report.schemas import schemas

from support.tests.cli.process import greenlight
from support.tests.evidence.folders import ENDED, FINISHED, KEY, NAME, SELECTED, write
from support.tests.rules.talk import Talk, asked

OTHER = {**SELECTED, "key": "functional/b.feature:1", "name": "Not \x00 exercised"}
SPARED = {**FINISHED, "key": OTHER["key"], "outcome": "not_exercised", "reason": "no tools", "trace": ""}
BAD = asked().started().thinking().completed(result="| <b>dry</b> `x`").close("server", 1011)


def left(folder: Path, talk: Talk | None = None) -> Path:
    talk = talk or asked().answer().close()
    found = len(talk.findings())
    entry = {
        **FINISHED,
        "findings": found,
        "outcome": "failed" if found else "passed",
        "reason": "It broke." * bool(found),
    }
    ended = {**ENDED, "allure": [KEY, OTHER["key"]]}
    judgement = judge(write(folder, SELECTED, OTHER, entry, SPARED, ended, talk=talk))
    write_report(judgement, folder)
    write_files(judgement, folder)
    return folder


def validate(instance: Any, schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(instance)


@pytest.mark.parametrize("talk", [asked().answer().close(), BAD], ids=["healthy", "broken"])
def test_every_file_is_as_its_schema_says(tmp_path: Path, talk: Talk) -> None:
    folder = left(tmp_path, talk)
    checked = 0
    for name, schema in schemas().items():
        jsonschema.Draft202012Validator.check_schema(schema)
        for path in folder.glob(name):
            text = path.read_text(encoding="utf-8")
            for part in [text] if path.suffix == ".json" else text.splitlines():
                validate(json.loads(part), schema)
                checked += 1
    assert checked >= 10


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report["deployment_decision"].update(verdict="MAYBE"),
        lambda report: report["execution_results"]["monitoring_metrics"].pop("total_events"),
        lambda report: report["compliance_check"]["criteria"][0].update(samples="many"),
    ],
)
def test_the_schema_of_the_report_says_no_as_well(tmp_path: Path, spoil: Any) -> None:
    report = json.loads((left(tmp_path) / "comprehensive_validation_report.json").read_bytes())
    spoil(report)

    with pytest.raises(jsonschema.ValidationError):
        validate(report, schemas()["comprehensive_validation_report.json"])


def test_junit_counts_and_tells(tmp_path: Path) -> None:
    folder = left(tmp_path, BAD)

    root = ET.fromstring((folder / "junit.xml").read_bytes())
    functional, criteria = root.findall("testsuite")
    assert (functional.attrib["tests"], functional.attrib["failures"], functional.attrib["skipped"]) == ("2", "1", "1")
    case = functional[0]
    assert (case.attrib["name"], case.attrib["classname"], case.attrib["file"], case.attrib["line"]) == (
        NAME, "functional.answers", "features/functional/answers.feature", "7"
    )  # fmt: skip
    assert (case.attrib["time"], case[0].tag, case[0].text) == ("0.500", "failure", "It broke.")
    assert functional[1].attrib["name"] == "Not \ufffd exercised"
    assert {each.attrib["name"] for each in criteria if len(each)} == {"SCENARIOS", "COMPLETENESS", "SUCCESS"}
    assert root.attrib["tests"] == str(2 + len(criteria))


def test_junit_of_an_approval_has_no_failure(tmp_path: Path) -> None:
    root = ET.fromstring(as_junit(judge(left(tmp_path))))

    assert (root.attrib["failures"], root.attrib["errors"]) == ("0", "0")


CTRF_SCHEMA = json.loads((Path(__file__).parent / "ctrf.schema.json").read_bytes())


def ctrf(instance: Any) -> None:
    jsonschema.Draft7Validator(CTRF_SCHEMA, format_checker=jsonschema.FormatChecker()).validate(instance)


@pytest.mark.parametrize("talk", [asked().answer().close(), BAD], ids=["healthy", "broken"])
def test_ctrf_is_as_its_published_schema_says_and_counts(tmp_path: Path, talk: Talk) -> None:
    report = json.loads((left(tmp_path, talk) / "ctrf-report.json").read_bytes())

    ctrf(report)
    results = report["results"]
    by_name = {test["name"]: test for test in results["tests"]}
    found = "failed" if talk is BAD else "passed"
    assert (by_name[NAME]["status"], by_name[NAME]["filePath"], by_name[NAME]["line"], by_name[NAME]["duration"]) == (
        found, "features/functional/answers.feature", 7, 500
    )  # fmt: skip
    assert (by_name[OTHER["name"]]["status"], by_name[OTHER["name"]]["message"]) == ("skipped", "no tools")
    counts = {name: results["summary"][name] for name in ("passed", "failed", "skipped", "pending", "other")}
    assert sum(counts.values()) == results["summary"]["tests"] == len(results["tests"])
    assert (counts["skipped"], counts["failed"] > 0) == (1, talk is BAD)
    assert results["extra"]["verdict"] == ("BLOCKED" if talk is BAD else "APPROVED")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report["results"]["tests"][0].update(status="broken"),
        lambda report: report["results"]["summary"].pop("start"),
        lambda report: report["results"]["tests"][0].update(verdict="BLOCKED"),
    ],
)
def test_the_schema_of_ctrf_says_no_as_well(tmp_path: Path, spoil: Any) -> None:
    report = json.loads((left(tmp_path) / "ctrf-report.json").read_bytes())
    spoil(report)

    with pytest.raises(jsonschema.ValidationError):
        ctrf(report)


def test_ctrf_says_how_often_a_scenario_passed(tmp_path: Path) -> None:
    judgement = judge(left(tmp_path))
    (first, *others) = judgement.scenarios
    stable = msgspec.structs.replace(first, passes=5, times=5)
    report = as_ctrf(msgspec.structs.replace(judgement, scenarios=(stable, *others)))

    ctrf(report)
    test = report["results"]["tests"][0]
    assert (test["status"], test["extra"]) == ("passed", {"passes": 5, "times": 5})
    assert test["message"] == "passed 5 of 5 times (95 % interval 57-100 %)"


def test_monitoring_says_what_was_measured(tmp_path: Path) -> None:
    folder = left(tmp_path)

    summary = json.loads((folder / "monitoring/monitoring_summary.json").read_bytes())
    patterns = json.loads((folder / "monitoring/failure_patterns.json").read_bytes())
    assert (summary["events"], summary["questions"], summary["event_kinds"]["agent_completed"]) == (5, 1, 1)
    assert summary["connections"]["success_rate_percent"] == 100.0
    assert patterns["seen"] == []
    assert len(patterns["looked_for"]) == 11
    assert (folder / "alerts.log").read_bytes() == b""


def test_the_summary_of_a_pipeline_shows_hostile_text_as_text(tmp_path: Path) -> None:
    markdown = as_markdown(judge(left(tmp_path, BAD)))

    assert markdown.startswith("## ❌ BLOCKED: by-hand\n")
    assert "| SCENARIOS | ❌ not met | 100 % |" in markdown
    assert "\\| \\<b\\>dry\\</b\\> \\`x\\`" in markdown


def test_the_command_writes_all_of_it(tmp_path: Path) -> None:
    left(tmp_path / "session")
    pipeline = tmp_path / "summary.md"
    pipeline.write_text("before\n", encoding="utf-8")

    ran = greenlight(tmp_path, "verdict", "session", "--ci-mode", env={"GITHUB_STEP_SUMMARY": str(pipeline)})

    assert (ran.code, len(ran.out.splitlines())) == (0, 4)
    names = {str(path.relative_to(tmp_path / "session")) for path in (tmp_path / "session").rglob("*.*")}
    assert names >= {
        "comprehensive_validation_report.json", "verdict.html", "junit.xml", "ctrf-report.json", "alerts.log",
        "monitoring/monitoring_summary.json", "monitoring/failure_patterns.json",
        "monitoring/visualizations/session_event_timeline.png",
        "monitoring/visualizations/session_performance_dashboard.png",
    }  # fmt: skip
    assert pipeline.read_text(encoding="utf-8").startswith("before\n## ✅ APPROVED")


def test_schemas_are_printed(tmp_path: Path) -> None:
    everything = greenlight(tmp_path, "schema", fresh=True)
    one = greenlight(tmp_path, "schema", "monitoring/failure_patterns.json")
    unknown = greenlight(tmp_path, "schema", "failure_pattern.json")

    known = json.loads(json.dumps(schemas()))
    assert json.loads(everything.out) == known
    assert json.loads(one.out) == known["monitoring/failure_patterns.json"]
    assert unknown.code == 3
    assert "expected one of monitoring/failure_patterns.json" in unknown.err
