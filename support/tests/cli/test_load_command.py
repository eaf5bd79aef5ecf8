"""greenlight load, as a process: its exit codes, its JSON, its limits, and what is left when it is interrupted."""

import io
import json
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from greenlight_gate.cli.views.load_view import LoadView
from greenlight_gate.evidence.judge import judge
from greenlight_gate.load import executors
from greenlight_gate.load.director import State
from greenlight_gate.verdict.facts import Verdict
from rich.console import Console

from support.tests.cli.process import Ran, ended, greenlight, mistaken, said, started, wait_for
from support.tests.needs import needs_extra

NAMES = {
    "checked_events", "runs", "findings", "cpu_seconds", "checked_events_per_cpu_second", "latency", "dropped",
    "saturated", "peak_rss_mb", "connections_per_second",
}  # fmt: skip


def load(folder: Path, *arguments: str, fresh: bool = False) -> tuple[Ran, dict[str, Any]]:
    ran = greenlight(folder, "load", "--json", "load.json", *arguments, fresh=fresh)
    path = folder / "load.json"
    return ran, json.loads(path.read_bytes()) if path.exists() else {}


def lines_of(pid: int) -> int:
    return sum(each.status == psutil.CONN_ESTABLISHED for each in psutil.Process(pid).net_connections("tcp"))


def test_a_load_that_finds_nothing(tmp_path: Path) -> None:
    ran, result = load(tmp_path, "--users", "6", "--runs-per-user", "4", fresh=True)

    assert ran.code == 0, ran.out + ran.err
    assert result.keys() >= NAMES
    assert (result["runs"], result["findings"], result["dropped"], result["patterns"]) == (24, 0, 0, [])
    assert result["checked_events"] >= 24 * 5
    assert result["latency"]["raw"]["samples"] == 24
    assert result["latency"]["corrected"] is None
    assert "APPROVED" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_an_open_load_shows_both_latencies(tmp_path: Path) -> None:
    ran, result = load(tmp_path, "--users", "4", "--arrival", "open", "--rate", "20", "--poisson", "--duration", "1")

    assert ran.code == 0, ran.out + ran.err
    assert result["latency"]["corrected"]["samples"] == result["latency"]["raw"]["samples"] == result["runs"]
    assert result["asked"] + result["dropped"] > 0


def test_findings_block_and_their_frames_are_kept_without_tokens(tmp_path: Path) -> None:
    arguments = ("--users", "3", "--runs-per-user", "3", "--defect", "token_echoed_in_frame")
    ran, result = load(tmp_path, *arguments, fresh=True)

    assert ran.code == 1, ran.out + ran.err
    assert result["rules"]["CONTENT-5"] >= 1
    kept = list((tmp_path / "websocket_validation_reports").glob("load_session_*/evidence/load/*.jsonl"))
    assert kept
    left = [path for path in tmp_path.rglob("*") if path.suffix in (".json", ".jsonl", ".html", ".log", ".xml")]
    texts = "".join(path.read_text() for path in left) + ran.out
    assert "eyJ" not in texts
    assert "[token of " in texts


def test_a_critical_pattern_is_told_at_once_and_blocks(tmp_path: Path) -> None:
    arguments = ("--users", "8", "--duration", "2", "--defect", "connections_capped=4")
    ran, result = load(tmp_path, *arguments)

    assert ran.code == 1, ran.out + ran.err
    assert [seen["pattern"] for seen in result["patterns"]] == ["CONNECTION_INSTABILITY"]
    assert result["patterns"][0]["measured"] == "0 connections lost, 4 refused, of 8 attempts"
    messages, last = ran.out.split("users  ", 1)[0], " ".join(ran.out.split()).rpartition("BLOCKED")[2]
    assert "CONNECTION_INSTABILITY (critical): 0 connections lost, 4 refused, of 8 attempts." in " ".join(
        messages.split()
    )
    assert "CONNECTION_INSTABILITY: 0 connections lost, 4 refused, of 8 attempts" in last
    assert max(map(len, ran.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--users", "20001"), "embedded allows 20000 connections at a time"),
        (("--users", "5", "--arrival", "open"), "--arrival open needs --rate"),
        (("--users", "5", "--prompt", "nothing"), "--prompt nothing: there is no such prompt"),
        (("--users", "0"), "greater than 0"),
        (("--users", "5", "--stages", "10"), "argument --stages: expected SECONDS:LEVEL for each stage"),
        (("--users", "5", "--poisson"), "--poisson needs --arrival open"),
        (("--users", "5", "--processes", "500"), "--processes 500: 5 users cannot be more parts"),
        (("--users", "5", "--stages", "10:6"), "--stages: 6 users are to ask, but --users connects 5"),
        (("--users", "5", "--stages", "10:5", "--duration", "3"), "--duration: --stages says it already"),
        (("--users", "5", "--prompt", "with_tool=0"), "--prompt with_tool=0: expected a weight from 1 to 100, got '0'"),
        (("--users", "5", "--prompt", "with_tool=1", "--prompt", "helper"), "either every prompt has a weight"),
        (("--users", "5", "--prompt", "recall=1"), "--prompt recall: it asks for what `remember` said before"),
        (("--users", "5", "--failed-runs", "100"), "argument --failed-runs: expected a share in percent below 100"),
        pytest.param(
            ("--users", "2", "--cluster", "tcp://127.0.0.1:9"),
            "no Dask scheduler answers",
            marks=needs_extra("cluster"),
        ),
        (("--users", "2", "--environment", "nowhere"), "environment 'nowhere' is unknown"),
        (("--users", "2", "--environment", "quiet.toml"), "quiet: limits.allow_stress: expected true for a load"),
    ],
)
def test_mistakes_end_with_3_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.setattr(executors, "_CONNECT_S", 0.5)
    quiet = 'name = "quiet"\nurl = "ws://127.0.0.1:9/ws"\n[prompts.without_tool]\nask = "x"\n'
    (tmp_path / "quiet.toml").write_text(quiet, encoding="utf-8")
    ran = mistaken(tmp_path, "load", *arguments)

    assert ran.code == 3, ran.out + ran.err
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_a_replaced_url_takes_the_permission_for_a_load_away_and_says_so(tmp_path: Path) -> None:
    ran = mistaken(tmp_path, "load", "--users", "2", env={"WEBSOCKET_TEST_URL": "wss://chat.invalid/ws"})

    assert ran.code == 3, ran.out + ran.err
    assert "WARNING WEBSOCKET_TEST_URL replaces the url of embedded: wss://chat.invalid/ws is judged" in ran.out
    assert "are taken away, since another machine is judged: allow_stress = true, max_connections = 20000" in ran.out
    assert "embedded: limits.allow_stress: expected true for a load, but it is false" in ran.err


def test_a_threshold_is_judged(tmp_path: Path) -> None:
    ran, _ = load(tmp_path, "--users", "2", "--runs-per-user", "3", "--performance-threshold", "0.001")

    said = " ".join(ran.out.split())
    assert ran.code in (1, 2), ran.out
    assert "(required: <= 0.001 ms)" in said
    assert (
        "Load of 2 users, 3 requests each: LATENCY: " in said
        if ran.code == 1
        else "too busy to measure latency" in said
    )


def test_an_interruption_loses_nothing(tmp_path: Path) -> None:
    arguments = ("load", "--users", "3", "--duration", "60", "--json", "load.json")
    with started(tmp_path, *arguments, fresh=True) as process:
        wait_for(lambda: "3 users on" in said(tmp_path)[0], "the first line")
        wait_for(lambda: lines_of(process.pid) >= 3, "the connections of three users")
        time.sleep(1.0)  # there is no sign of the asking from outside without a terminal
        process.send_signal(signal.SIGINT)
        ran = ended(process, tmp_path)

    assert ran.code == 130, ran.out + ran.err
    assert "Traceback" not in ran.out + ran.err
    result = json.loads((tmp_path / "load.json").read_bytes())
    assert result["interrupted"] is True
    assert result["runs"] > 0
    (session,) = (tmp_path / "websocket_validation_reports").glob("load_session_*")
    judgement = judge(session)
    assert judgement.decision.verdict is Verdict.INCONCLUSIVE
    assert "the run was interrupted (SIGINT)" in judgement.decision.reason


def test_json_and_page_say_what_was_judged_and_how_it_went(tmp_path: Path) -> None:
    arguments = (
        "--users", "4", "--stages", "0:2,1.2:4", "--prompt", "with_tool=2", "--prompt", "without_tool=1", "--page",
        "--failed-runs", "0", "--latency-p95", "60000", "--latency-p99", "60000", "--performance-threshold", "60000",
    )  # fmt: skip
    ran, result = load(tmp_path, *arguments)

    # Where other tests leave too little of the machine, latency cannot be judged.
    assert ran.code == (2 if "too busy to measure latency" in str(result) else 0), ran.out + ran.err
    assert (result["url"].startswith("ws://127.0.0.1:"), result["target"], result["verdict"]) == (
        True, "embedded", "INCONCLUSIVE" if ran.code else "APPROVED",
    )  # fmt: skip
    assert result["target_version"]
    assert (result["workload"]["stages"], result["workload"]["weights"]) == ([[0.0, 2.0], [1.2, 4.0]], [2, 1])
    criteria = {each["id"]: each for each in result["criteria"]}
    assert criteria["FAILURES"]["threshold"] == "<= 0 %"
    assert criteria["LATENCY"]["threshold"] == "<= 60000 ms, p95 <= 60000 ms, p99 <= 60000 ms"
    assert sum(each["asked"] for each in result["time_series"]) == result["asked"]
    assert sum(each["events"] for each in result["time_series"]) == result["checked_events"]
    (page,) = (tmp_path / "websocket_validation_reports").glob("load_session_*/verdict.html")
    assert "stages of users who ask" in page.read_text(encoding="utf-8")
    assert str(page.relative_to(tmp_path)) in ran.out


def test_too_many_failed_runs_block(tmp_path: Path) -> None:
    for _ in range(3):
        ran, result = load(
            tmp_path, "--users", "3", "--runs-per-user", "4", "--failed-runs", "1", "--prompt", "failing_agent"
        )
        # A busy machine judges no figure of a load.
        if ran.code != 2:
            break

    failed = next(each for each in result["criteria"] if each["id"] == "FAILURES")
    assert (ran.code, failed["status"]) == (1, "failed"), ran.out + ran.err
    assert failed["measured"] == "100.00 % of 12 requests: 12 failed, 0 refused, 0 without an end"
    # What the prompt may do is no finding: the threshold alone has blocked it.
    assert result["findings"] == 0


def test_the_live_line_has_the_time_that_passed_and_is_left() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    state = State({}, 5)
    with LoadView(console, 30.0) as view:
        view.show(state)
        before = view._time(state, 100.0)
        state.began_at = 100.0
        said = [view._time(state, at) for at in (99.0, 112.0, 131.0)]

    assert (before, said) == ("connecting", ["connecting", "12 s, 18 s left", "31 s, ending"])
    with LoadView(console) as view:
        assert view._time(state, 225.0) == "2 min 5 s"
