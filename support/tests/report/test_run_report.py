"""The report has the names that its consumers know, and its figures are those of the judgement."""

import json
from pathlib import Path

import pytest
from greenlight_gate.evidence.judge import judge
from greenlight_gate.evidence.session_folder import write_whole
from greenlight_gate.report.run_report import REPORT, as_document, write_report

from support.tests.evidence.folders import ENDED, FINISHED, KEY, NAME, SELECTED, write
from support.tests.rules.talk import EPOCH_S, asked

OTHER = {**SELECTED, "key": "functional/b.feature:1", "name": "Another one"}


def test_the_names_are_those_of_the_document(tmp_path: Path) -> None:
    document = as_document(judge(write(tmp_path)))

    assert set(document) >= {
        "validation_session", "execution_results", "compliance_check", "findings", "deployment_decision"
    }  # fmt: skip
    assert set(document["validation_session"]) >= {
        "session_id", "timestamp", "duration_seconds", "target_environment"
    }  # fmt: skip
    results = document["execution_results"]
    assert set(results) >= {"passed", "pytest_metrics", "monitoring_metrics", "categories"}
    assert set(results["pytest_metrics"]) >= {"tests_passed", "tests_failed", "total_tests"}
    assert set(results["monitoring_metrics"]) >= {"total_events", "success_rate_percent", "avg_latency_ms"}
    assert set(document["compliance_check"]) >= {"overall_passed", "violations", "criteria"}
    assert set(document["compliance_check"]["criteria"][0]) == {
        "id", "requirement", "threshold", "measured", "samples", "status"
    }  # fmt: skip
    assert set(document["deployment_decision"]) == {"approved", "verdict", "reason"}


def test_the_figures_of_an_approval(tmp_path: Path) -> None:
    document = as_document(judge(write(tmp_path)))
    session, results = document["validation_session"], document["execution_results"]

    assert (session["session_id"], session["target_environment"]) == ("validation_session_1767225600", "by-hand")
    assert (session["timestamp"], session["duration_seconds"]) == ("2026-01-01T00:00:00+00:00", 9.0)
    assert results["passed"] is True
    assert results["pytest_metrics"] == {
        "tests_passed": 1, "tests_failed": 0, "tests_waived": 0, "tests_not_exercised": 0, "total_tests": 1
    }  # fmt: skip
    assert results["categories"] == {"functional": {"passed": 1, "failed": 0, "waived": 0, "not_exercised": 0}}
    assert (results["monitoring_metrics"]["total_events"], results["monitoring_metrics"]["success_rate_percent"]) == (
        5, 100.0
    )  # fmt: skip
    assert document["compliance_check"]["overall_passed"] is True
    assert (document["compliance_check"]["violations"], document["findings"]) == ([], [])
    assert document["deployment_decision"]["approved"] is True


def test_a_finding_names_its_scenario_and_its_evidence(tmp_path: Path) -> None:
    talk = asked().started().thinking().completed(result="It is dry.").close()
    ledger = (SELECTED, {**FINISHED, "outcome": "failed", "findings": len(talk.findings())}, ENDED)

    document = as_document(judge(write(tmp_path, *ledger, talk=talk)))
    found = next(each for each in document["findings"] if each["rule"] == "CONTENT-4")

    assert found == {
        "rule": "CONTENT-4", "severity": "critical",
        "requirement": "The answer contains what the prompt expects. It is no echo and no fallback text, and "
        "holds nothing of a stopped answer.",
        "expected": "an answer with 'rain'", "actual": "'It is dry.'", "scenario": NAME, "person": "Ada",
        "connection": "c1", "run": "r1", "evidence": {"trace": "traces/1.jsonl", "records": [3, 6]}, "follows": "",
            "waived": "",
    }  # fmt: skip
    assert document["execution_results"]["passed"] is False
    assert document["deployment_decision"]["verdict"] == "BLOCKED"


def test_what_was_not_exercised_and_what_did_not_run(tmp_path: Path) -> None:
    spared = {**FINISHED, "outcome": "not_exercised", "reason": "it has no tools", "trace": ""}
    ledger = (SELECTED, OTHER, spared, {**ENDED, "epoch_s": EPOCH_S + 1})

    document = as_document(judge(write(tmp_path, *ledger)))

    assert document["not_exercised"] == [{"scenario": NAME, "reason": "it has no tools"}]
    assert document["execution_results"]["categories"] == {
        "functional": {"passed": 0, "failed": 1, "waived": 0, "not_exercised": 1}
    }
    assert [(s["key"], s["outcome"]) for s in document["execution_results"]["scenarios"]] == [
        (KEY, "not_exercised"), ("functional/b.feature:1", "not_run")
    ]  # fmt: skip


def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path)
    path = write_report(judge(folder), folder)
    before = path.read_bytes()
    assert (path.name, json.loads(before)["deployment_decision"]["verdict"]) == (REPORT, "APPROVED")

    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"{")

    assert path.read_bytes() == before
    assert [each.name for each in folder.iterdir() if each.name.startswith(".")] == []
