"""`greenlight run --jobs N`: what is reported does not depend on N, and whoever ends it early finds it whole."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from greenlight_gate.session.jobs import MOST_CONNECTIONS, MOST_CONNECTIONS_OF_A_CROWD

from support.tests.cli.process import Ran, ended, judged, mistaken, started, wait_for
from support.tests.cli.test_interruption import children, gone, ledger_of, midway

BESIDE = ("--tags", "not @alone", "--categories")


def ledger(ran: Ran, kind: str) -> list[dict[str, Any]]:
    lines = (ran.session / "evidence/ledger.jsonl").read_bytes().splitlines()
    return [entry for entry in map(json.loads, lines) if entry["entry"] == kind]


def messages(ran: Ran) -> dict[str, object]:
    """All that must not depend on how many scenarios ran at once, each in its order."""
    report = ran.report
    results = [json.loads(path.read_bytes()) for path in (ran.folder / "allure-results").glob("*-result.json")]
    return {
        "decision": report["deployment_decision"],
        "criteria": [(c["id"], c["status"], c["threshold"]) for c in report["compliance_check"]["criteria"]],
        "scenarios": [(s["key"], s["outcome"], s["reason"]) for s in report["execution_results"]["scenarios"]],
        "isolation": [(each["name"], each["people"], each["saw"]) for each in report["isolation"]],
        "cuts": [(c["way"], c["where"]) for c in report["execution_results"]["cut_matrix"]],
        "selected": [entry["key"] for entry in ledger(ran, "selected")],
        "finished": [(entry["key"], entry["outcome"], entry["trace"]) for entry in ledger(ran, "finished")],
        "allure": ledger(ran, "ended")[0]["allure"],
        "results": sorted(
            (each["fullName"], each["status"], each["historyId"], len(each.get("steps", [])), len(each["attachments"]))
            for each in results if each.get("attachments") and not each["fullName"].startswith("verdict")
        ),
        "junit": re.findall(r'<testcase [^>]*?name="([^"]*)"', (ran.session / "junit.xml").read_text("utf-8")),
        "lines": [line[:50] for line in ran.out.splitlines() if line.startswith(("  ok", "  skip"))],
    }  # fmt: skip


OTHERS = pytest.param(
    ("integration", "resilience", "--shard", "1/2"), marks=[pytest.mark.slow, pytest.mark.timeout(300)]
)


@pytest.fixture(scope="module", params=[("functional", "--shard", "1/3"), OTHERS])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Ran]:
    arguments = (*BESIDE, *request.param)
    folders = {n: tmp_path_factory.mktemp(f"jobs-{n}") for n in (1, 4)}
    return [judged(folder, "--jobs", str(n), *arguments, deadline_s=200) for n, folder in folders.items()]


def test_one_and_four_at_a_time_come_to_the_same(both: list[Ran]) -> None:
    one, four = both

    assert [ran.code for ran in both] == [0, 0], one.out + four.out
    assert messages(four) == messages(one)
    assert len(ledger(one, "finished")) >= 15


def test_no_scenario_has_more_connections_than_it_is_counted_for(both: list[Ran]) -> None:
    """Against a target of one's own, all that run at once must not exceed what it allows."""
    most: dict[str, int] = {}
    for entry in ledger(both[0], "finished"):
        traces = [trace for trace in (entry["trace"], *entry.get("beside", ())) if trace]
        most[entry["key"]] = peak([both[0].session / "evidence" / trace for trace in traces])
    crowds = {key for key, connections in most.items() if connections > MOST_CONNECTIONS}

    assert {key.partition(":")[0] for key in crowds} <= {
        "resilience/1_lost_connection.feature", "security/1_isolation.feature"
    }  # fmt: skip
    assert max(most.values()) <= MOST_CONNECTIONS_OF_A_CROWD


def peak(traces: list[Path]) -> int:
    """The most connections that were open at once, over all traces of one scenario."""
    changes: list[tuple[float, int]] = []
    for trace in traces:
        header, *records = map(json.loads, trace.read_bytes().splitlines())
        opened = {each["connection"]: each["at"] for each in records if each["record"] == "opened"}
        closed = {each["connection"]: each["at"] for each in records if each["record"] == "closed"}
        for connection, at in opened.items():
            changes += [(header["epoch_s"] + at, 1), (header["epoch_s"] + closed.get(connection, 1e9), -1)]
    now, most = 0, 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


def test_an_interruption_in_four_scenarios_leaves_one_whole_session_and_no_process(tmp_path: Path) -> None:
    with started(tmp_path, "run", "--output-dir", "reports", "--jobs", "4") as process:
        wait_for(lambda: midway(tmp_path), "some scenarios")
        threads = psutil.Process(process.pid).num_threads()
        left = children(process)
        process.send_signal(signal.SIGINT)
        ran = ended(process, tmp_path)

    assert threads > 4
    assert (ran.code in (130, -signal.SIGINT), "Traceback" in ran.out + ran.err) == (True, False), ran.out + ran.err
    wait_for(lambda: gone(left), "the backend's end")
    assert ran.verdict == "INCONCLUSIVE"
    assert "the run was interrupted (SIGINT)" in ran.report["deployment_decision"]["reason"]
    assert "not whole" not in ran.report["deployment_decision"]["reason"]
    finished = ledger(ran, "finished")
    assert ledger(ran, "ended")[0]["allure"] == [entry["key"] for entry in finished]
    for entry in ledger(ran, "selected"):
        assert entry["key"] in ledger_of(tmp_path)


def test_nothing_is_begun_any_more_once_one_has_failed(tmp_path: Path) -> None:
    ran = judged(
        tmp_path, "--jobs", "4", "--fail-fast", "--categories", "functional", "integration", "--defect",
        "tool_name_missing",
    )  # fmt: skip

    assert (ran.code, ran.verdict) == (1, "BLOCKED")
    outcomes = [entry["outcome"] for entry in ledger(ran, "finished")]
    assert outcomes == ["passed"] * (len(outcomes) - 1) + ["failed"]
    # Those that ran beside it, and no more than a few that had already been begun.
    assert len(list((ran.session / "evidence/traces").glob("*.jsonl"))) <= len(outcomes) + 8


@pytest.mark.parametrize("given", ["0", "-1", "x", "1.5", ""])
def test_a_number_that_is_none_is_one_line(tmp_path: Path, given: str) -> None:
    ran = mistaken(tmp_path, "run", "--jobs", given)

    said = f"argument --jobs: expected a number greater than 0, got {given!r}"
    assert (ran.code, ran.err.count("\n"), said in ran.err) == (3, 1, True), ran.err
