"""The folder of a real run: each file of the tree is there, nothing else is, and each is as its schema says."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from greenlight_gate.report.schemas import schemas

from support.tests.cli.process import Ran, greenlight, judged

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

TREE = {
    "comprehensive_validation_report.json", "validation_execution.log", "verdict.html", "junit.xml", "alerts.log",
    "ctrf-report.json",
    "monitoring/monitoring_summary.json", "monitoring/failure_patterns.json",
    "monitoring/visualizations/session_event_timeline.png",
    "monitoring/visualizations/session_performance_dashboard.png",
    "evidence/ledger.jsonl", "evidence/manifest.json", "evidence/measurements.json",
}  # fmt: skip
# What is added to it: the page of Allure where Node is, a picture of who could see whom, and what was judged.
ADDED = {"allure-report.html", "monitoring/visualizations/isolation_matrix.png", "evidence/session.json"}
# As published: see test_monitoring_files.py.
CTRF = Path(__file__).parent / "ctrf.schema.json"
# The elements and attributes of JUnit that Jenkins' schema (junit-10.xsd), GitHub's reporters and GitLab know.
JUNIT: dict[str, tuple[set[str], set[str]]] = {
    "testsuites": ({"name", "tests", "failures", "errors", "skipped", "time"}, {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped", "time", "timestamp"}, {"testcase"}),
    "testcase": ({"name", "classname", "time", "file", "line"}, {"failure", "error", "skipped"}),
    "failure": ({"message", "type"}, set()),
    "error": ({"message", "type"}, set()),
    "skipped": ({"message"}, set()),
}
MAY_BE_ABSENT = {"file", "line"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A run that finds a lot, so that there is something in each file."""
    arguments = ("--categories", "functional", "security", "--shard", "1/2", "--defect", "broadcast_to_all")
    return judged(tmp_path_factory.mktemp("whole"), *arguments, deadline_s=300)


def test_it_holds_the_tree_and_nothing_else(ran: Ran) -> None:
    files = {str(path.relative_to(ran.session)) for path in ran.session.rglob("*") if path.is_file()}

    assert {name for name in files if not name.startswith("evidence/traces/")} - ADDED == TREE
    assert len(list((ran.session / "evidence/traces").glob("*.jsonl"))) > 30
    assert all((ran.session / name).stat().st_size > 100 for name in TREE)


def test_each_file_is_as_its_schema_says_and_the_schema_leaves_nothing_out(ran: Ran) -> None:
    printed = greenlight(ran.folder, "schema")
    known = json.loads(printed.out)
    assert known == json.loads(json.dumps(schemas()))
    checked: dict[str, int] = {}
    for path in sorted(ran.session.rglob("*")):
        name = str(path.relative_to(ran.session))
        if name == "ctrf-report.json":
            jsonschema.Draft7Validator(json.loads(CTRF.read_bytes())).validate(json.loads(path.read_bytes()))
        elif path.suffix in (".json", ".jsonl") or path.name == "alerts.log":
            (schema,) = [schema for pattern, schema in known.items() if Path(name).match(pattern)]
            validator = jsonschema.Draft202012Validator(
                _closed(schema), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
            )
            for part in _parts(path):
                validator.validate(part)
                checked[path.suffix] = checked.get(path.suffix, 0) + 1

    assert (checked[".json"], checked[".log"]) >= (5, 1)
    assert checked[".jsonl"] > 1000


def test_the_junit_file_is_of_the_form_that_pipelines_show(ran: Ran) -> None:
    root = ET.parse(ran.session / "junit.xml").getroot()
    report = ran.report

    for element in root.iter():
        attributes, children = JUNIT[element.tag]
        assert attributes - MAY_BE_ABSENT <= set(element.attrib) <= attributes
        assert {child.tag for child in element} <= children
        for name in ("tests", "failures", "errors", "skipped", "line"):
            assert element.get(name, "0").isdecimal() or element.tag in ("failure", "error", "skipped")
        if "time" in element.attrib:
            assert float(element.attrib["time"]) >= 0
    metrics = report["execution_results"]["pytest_metrics"]
    scenarios = [case for case in root.iter("testcase") if case.get("file")]
    assert len(scenarios) == metrics["total_tests"]
    failed = [case for case in scenarios if case.find("failure") is not None or case.find("error") is not None]
    assert len(failed) == metrics["tests_failed"]
    assert len({(case.get("classname"), case.get("name")) for case in root.iter("testcase")}) == len(
        list(root.iter("testcase"))
    ), "pipelines take two of one name for one"
    root_of_the_suite = Path(__file__).resolve().parents[3]
    assert all((root_of_the_suite / str(case.get("file"))).is_file() for case in scenarios)


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_it_is_judged_the_same_to_the_byte_in_any_process(ran: Ran, tmp_path: Path, seed: str) -> None:
    """Sets have another order in each process; no text may depend on it."""
    copy = shutil.copytree(ran.session, tmp_path / ran.session.name)
    (copy / "comprehensive_validation_report.json").unlink()

    again = greenlight(tmp_path, "verdict", ran.session.name, env={"PYTHONHASHSEED": seed})

    assert again.code == ran.code
    for name in ("comprehensive_validation_report.json", "junit.xml", "monitoring/failure_patterns.json"):
        assert (copy / name).read_bytes() == (ran.session / name).read_bytes(), name


def test_whoever_may_enter_the_folder_may_read_it(ran: Ran) -> None:
    modes = {path.stat().st_mode & 0o777 for path in ran.session.rglob("*") if path.is_file()}

    assert len(modes) == 1


def _parts(path: Path) -> Iterator[Any]:
    text = path.read_text(encoding="utf-8")
    yield from map(json.loads, [text] if path.suffix == ".json" else text.splitlines())


def _closed(schema: Any) -> Any:
    """The schema, but for what it does not describe: that is then a fault."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(each) for name, each in schema.items()}
    if "properties" in schema and isinstance(schema.get("type"), str):
        closed.setdefault("additionalProperties", False)
    return closed
