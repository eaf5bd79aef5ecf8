"""greenlight load leaves a session folder; greenlight verdict decides the same on it, and approves no part of one."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from greenlight_gate.evidence.history import History
from greenlight_gate.evidence.judge import judge
from greenlight_gate.extras import missing
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.report.schemas import schemas
from greenlight_gate.verdict.facts import Verdict

from support.tests.cli.process import Ran, greenlight, target
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer
from support.tests.needs import needs_extra

REPORT = "comprehensive_validation_report.json"
HEALTHY = ("--users", "4", "--runs-per-user", "4")
DEFECT = (
    "--users", "3", "--runs-per-user", "3", "--defect", "token_echoed_in_frame", "--defect", "tool_completed_missing",
    "--performance-threshold", "60000",
)  # fmt: skip


class Session:
    """A load that was run, and the folder that it left."""

    def __init__(self, ran: Ran) -> None:
        self.ran = ran
        self.reports = ran.folder / "websocket_validation_reports"
        (self.folder,) = self.reports.glob("load_session_*")

    @property
    def report(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.folder / REPORT).read_bytes())
        return read

    def page(self, folder: Path) -> str:
        """The page, which only `greenlight verdict` draws."""
        copy = shutil.copytree(self.folder, folder / "reports" / self.folder.name)
        greenlight(folder, "verdict", str(copy))
        return (copy / "verdict.html").read_text(encoding="utf-8")


def of_a_load(folder: Path, *arguments: str) -> Session:
    push = () if missing("metrics") else ("--metrics-push", "load.prom")
    return Session(greenlight(folder, "load", "--json", "load.json", *push, *arguments))


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return of_a_load(tmp_path_factory.mktemp("healthy"), *HEALTHY)


@pytest.fixture(scope="module")
def defective(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return of_a_load(tmp_path_factory.mktemp("defective"), *DEFECT)


@pytest.mark.parametrize(
    ("which", "seed"), [pytest.param("healthy", "1", marks=pytest.mark.slow), ("defective", "1"), ("defective", "2")]
)
def test_it_is_judged_the_same_to_the_byte_elsewhere_and_in_any_process(
    which: str, seed: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Sets have another order in each process; no text may depend on it."""
    session: Session = request.getfixturevalue(which)
    copy = shutil.copytree(session.folder, tmp_path / "reports" / session.folder.name)
    (copy / REPORT).unlink()

    again = greenlight(tmp_path, "verdict", str(copy.relative_to(tmp_path)), env={"PYTHONHASHSEED": seed})

    assert (again.code, session.ran.code) == ((0, 0) if which == "healthy" else (1, 1)), again.out + session.ran.out
    for name in (REPORT, "junit.xml", "monitoring/monitoring_summary.json", "monitoring/failure_patterns.json"):
        assert (copy / name).read_bytes() == (session.folder / name).read_bytes(), name


@needs_extra("metrics")
@pytest.mark.parametrize("which", ["healthy", "defective"])
def test_its_metrics_are_those_of_its_report(which: str, request: pytest.FixtureRequest) -> None:
    session: Session = request.getfixturevalue(which)
    (load,) = judge(session.folder).loads
    came, text = load.summary, (session.ran.folder / "load.prom").read_text(encoding="utf-8")
    found: dict[str, dict[str, float]] = {}
    line = re.compile(r'^(\w+)\{command="load",environment="embedded"(.*)\} (\S+)$', re.MULTILINE)
    for name, label, value in line.findall(text):
        found.setdefault(name, {})[label.partition('="')[2].rstrip('"')] = float(value)

    ended = {outcome: times for outcome, times in found["greenlight_runs_total"].items() if times}
    assert came.asked == came.runs > 0
    assert ended == {"agent_completed": came.asked}
    for latency, measured in (("acknowledgement", came.raw), ("silence", came.silence), ("duration", came.whole)):
        samples = Histogram.decode(measured).samples if measured is not None else 0
        assert found[f"greenlight_run_{latency}_seconds_count"][""] == samples > 0
    assert {rule: times for rule, times in found["greenlight_findings_total"].items() if times} == came.counts
    assert found["greenlight_connections_total"]["made"] == came.connections_made > 0
    verdict = {"healthy": "APPROVED", "defective": "BLOCKED"}[which]
    assert [name for name, value in found["greenlight_verdict"].items() if value] == [verdict]


def test_an_approved_load_approves_no_release(healthy: Session, tmp_path: Path) -> None:
    report, page = healthy.report, healthy.page(tmp_path)

    assert healthy.ran.code == 0, healthy.ran.out + healthy.ran.err
    assert (report["validation_session"]["kind"], report["deployment_decision"]["verdict"]) == ("load", "APPROVED")
    assert report["deployment_decision"]["approved"] is False
    assert report["compliance_check"]["overall_passed"] is True
    assert {c["id"]: c["status"] for c in report["compliance_check"]["criteria"]} == dict.fromkeys(
        ("RULES", "COMPLETENESS", "SUCCESS", "ISOLATION", "PATTERNS", "EVIDENCE"), "passed"
    )
    for said in (report["deployment_decision"]["reason"], " ".join(healthy.ran.out.split())):
        assert "Load of 4 users, 4 requests each: " in said
        assert "A load approves no release." in said
    assert "The load found no violation. A load approves no release." in page
    assert "The target may be released." not in page
    assert f"greenlight verdict {healthy.folder.relative_to(healthy.ran.folder)}" in healthy.ran.out
    assert not (healthy.folder / "verdict.html").exists()


def test_a_pipeline_is_told_that_it_is_a_load(healthy: Session, tmp_path: Path) -> None:
    copy = shutil.copytree(healthy.folder, tmp_path / healthy.folder.name)

    ran = greenlight(tmp_path, "verdict", str(copy), "--ci-mode")

    assert (ran.code, ran.out.splitlines()[0], ran.out.splitlines()[-1]) == (
        0, "VALIDATION_RESULT=APPROVED", "SCOPE=load",
    )  # fmt: skip
    assert healthy.report["validation_session"]["scope"] == "load"


def test_the_thresholds_are_those_that_were_given_and_travel_whole(healthy: Session, defective: Session) -> None:
    usual, given = (
        json.loads((session.folder / "evidence/session.json").read_bytes()) for session in (healthy, defective)
    )
    latency = next(c for c in defective.report["compliance_check"]["criteria"] if c["id"] == "LATENCY")

    assert latency["threshold"] == "<= 60000 ms"
    assert given["thresholds"] == {**usual["thresholds"], "latency_ms_avg": 60000.0}
    assert set(usual["thresholds"]) == {
        "latency_ms_avg", "latency_ms_p95", "latency_ms_p99", "success_percent", "memory_mb_growth",
        "failed_runs_percent",
    }  # fmt: skip
    assert (given["workload"]["judges_latency"], usual["workload"]["judges_latency"]) == (True, False)


def test_a_defect_is_blocked_by_its_rule_with_the_frames_that_show_it(defective: Session, tmp_path: Path) -> None:
    said, findings = " ".join(defective.ran.out.split()), defective.report["findings"]

    assert {finding["rule"] for finding in findings} == {"CONTENT-5", "LIFECYCLE-5", "PAIRING-2"}
    # What exposes a secret comes first, also where other critical findings are more frequent.
    assert re.search(r"Load of 3 users, 3 requests each: CONTENT-5 \(\d+ findings?\): expected no token, ", said)
    assert "]; also LIFECYCLE-5 (9), PAIRING-2 (9)" in said
    for finding in findings:
        lines = (defective.folder / "evidence" / finding["evidence"]["trace"]).read_bytes().splitlines()
        numbers = {json.loads(line).get("n") for line in lines}
        assert set(finding["evidence"]["records"]) <= numbers
    assert "[token of " in defective.page(tmp_path)


def test_the_summary_the_series_and_the_json_say_the_same(healthy: Session) -> None:
    load = json.loads((healthy.folder / "evidence/load/load.json").read_bytes())["summary"]
    result = json.loads((healthy.ran.folder / "load.json").read_bytes())
    metrics = healthy.report["execution_results"]["monitoring_metrics"]
    last = load["course"][-1]

    assert (load["asked"], load["events"], load["connections_made"]) == (last["asked"], last["events"], last["made"])
    assert (result["asked"], result["checked_events"]) == (load["asked"], load["events"])
    assert (metrics["total_events"], metrics["connections_made"]) == (load["events"], 4)
    assert metrics["success_rate_percent"] == result["success_percent"] == 100.0
    assert metrics["avg_latency_ms"] == result["delivery"]["avg_ms"]


def test_each_file_is_as_its_schema_says(defective: Session) -> None:
    checked = set()
    for name, schema in schemas().items():
        validator = jsonschema.Draft202012Validator(schema)
        for path in defective.folder.glob(name):
            text = path.read_text(encoding="utf-8")
            for part in [text] if path.suffix == ".json" else text.splitlines():
                validator.validate(json.loads(part))
                checked.add(name)
    assert checked >= {REPORT, "evidence/session.json", "evidence/ledger.jsonl", "evidence/load/*.json",
                       "evidence/load/*.jsonl", "evidence/measurements.json"}  # fmt: skip


def test_the_history_marks_it_and_no_release_is_taken_from_it(healthy: Session) -> None:
    shown = greenlight(healthy.ran.folder, "history")
    newest = greenlight(healthy.ran.folder, "verdict")

    (past,) = History(healthy.reports).sessions()
    assert (past.id, past.is_load, past.samples is not None) == (healthy.folder.name, True, True)
    assert "embedded, under load" in shown.out
    assert newest.code == 3, newest.out
    assert "has no validation session" in newest.err
    assert "to judge a load again, give its folder" in newest.err


def _change(path: Path, before: bytes, after: bytes) -> None:
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after))


SPOILT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no session": (lambda folder: (folder / "session.json").unlink(), "evidence/session.json is missing"),
    "half a session": (lambda folder: (folder / "session.json").write_text("{"),
                       "evidence/session.json is not what was written"),
    "another threshold": (lambda folder: _change(folder / "session.json", b"100.0", b"100.5"),
                          "evidence/session.json is not what was written"),
    "no ledger": (lambda folder: (folder / "ledger.jsonl").unlink(), "evidence/ledger.jsonl is missing"),
    "half a line": (lambda folder: _change(folder / "ledger.jsonl", b'"entry"', b'"ent'),
                    "evidence/ledger.jsonl is not what was written"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "evidence/manifest.json is missing"),
    "no result": (lambda folder: (folder / "load/load.json").unlink(), "evidence/load/load.json is missing"),
    "no folder of results": (lambda folder: shutil.rmtree(folder / "load"), "evidence/load/load.json is missing"),
    "half a result": (lambda folder: (folder / "load/load.json").write_text("{"),
                      "evidence/load/load.json is not what was written"),
    "another result": (lambda folder: _change(folder / "load/load.json", b'"runs":16', b'"runs":17'),
                       "evidence/load/load.json is not what was written"),
    "one more result": (lambda folder: shutil.copy(folder / "load/load.json", folder / "load/more.json"),
                        "evidence/load/more.json was added after the run"),
    "no measurements": (lambda folder: (folder / "measurements.json").unlink(),
                        "evidence/measurements.json is missing"),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_missing_or_was_changed_approves_nothing(healthy: Session, tmp_path: Path, what: str) -> None:
    spoil, said = SPOILT[what]
    copy = shutil.copytree(healthy.folder, tmp_path / healthy.folder.name)
    spoil(copy / "evidence")

    decision = judge(copy).decision

    assert decision.verdict is Verdict.INCONCLUSIVE
    assert said in decision.reason


def test_without_its_result_or_its_frames_a_defect_is_not_judged(defective: Session, tmp_path: Path) -> None:
    without, without_traces = (
        shutil.copytree(defective.folder, tmp_path / name / defective.folder.name) for name in "ab"
    )
    (without / "evidence/load/load.json").unlink()
    for trace in (without_traces / "evidence/load").glob("*.jsonl"):
        trace.unlink()

    assert [judge(folder).decision.verdict for folder in (without, without_traces)] == [Verdict.INCONCLUSIVE] * 2
    assert "jsonl is missing" in judge(without_traces).decision.reason


def test_a_target_that_is_not_ready_leaves_a_session_that_says_so(tmp_path: Path) -> None:
    with HostileServer(does.conversation(does.rightly), does.health(status=503)) as server:
        target(tmp_path, server.url, more="[limits]\nallow_stress = true\n")
        session = of_a_load(tmp_path, "--users", "2", "--environment", "hostile.toml")

    assert session.ran.code == 2, session.ran.out + session.ran.err
    assert "the target cannot be judged" in " ".join(session.ran.out.split())
    assert judge(session.folder).decision.verdict is Verdict.INCONCLUSIVE
