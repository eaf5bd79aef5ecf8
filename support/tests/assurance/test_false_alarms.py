"""What the count of false alarms says: the parts of it that need no backend."""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from greenlight_gate.assurance.false_alarms import (
    FAST,
    LOAD,
    MORE,
    WHOLE,
    HealthySession,
    _number,
    _parser,
    _read,
    composition,
    summary,
)

from support.tests.backend.users import eventually

SOUND = HealthySession(1, FAST, "APPROVED", 50, 38, 7.6)
ACCUSED = HealthySession(
    4, MORE, "BLOCKED", 90, 80, 31.2, ("IDENTITY-1: a run id / None",), "1 finding", kept="/tmp/seed-4"
)
REPORT: dict[str, object] = {
    "deployment_decision": {"verdict": "APPROVED", "reason": "all criteria are met"},
    "execution_results": {
        "pytest_metrics": {"total_tests": 38}, "monitoring_metrics": {"acknowledgement": {"samples": 50}},
    },
    "findings": [],
}  # fmt: skip


def test_every_fourth_session_has_more_categories_and_every_tenth_all() -> None:
    kinds = [composition(number, base=FAST, more=4, whole=10) for number in range(1, 13)]
    assert kinds == [FAST, FAST, FAST, MORE, FAST, FAST, FAST, MORE, FAST, WHOLE, FAST, MORE]
    assert composition(40, base=("security",), more=4, whole=10) == WHOLE
    assert composition(40, base=("security",), more=0, whole=0) == ("security",)
    assert [composition(number, base=FAST, more=0, whole=0, loads=2) for number in range(1, 5)] == [
        FAST, LOAD, FAST, LOAD,
    ]  # fmt: skip


def test_a_report_of_a_session_without_findings() -> None:
    assert _read(1, FAST, REPORT, 7.6) == SOUND
    assert not SOUND.is_false_alarm
    assert str(SOUND) == "seed 1    2 categories  APPROVED  38 scenarios, 50 answers, 8 s"


def test_a_report_that_accuses_a_healthy_backend() -> None:
    finding = {"rule": "IDENTITY-1", "expected": "a run id", "actual": "None"}
    decision = {"verdict": "BLOCKED", "reason": "1 finding"}
    session = _read(4, MORE, {**REPORT, "deployment_decision": decision, "findings": [finding]}, 31.2)
    assert session == HealthySession(4, MORE, "BLOCKED", 50, 38, 31.2, ("IDENTITY-1: a run id / None",), "1 finding")
    assert session.is_false_alarm
    assert str(ACCUSED).splitlines() == [
        "seed 4    4 categories  BLOCKED  80 scenarios, 90 answers, 31 s", "          IDENTITY-1: a run id / None",
        "          1 finding", "          evidence: /tmp/seed-4",
    ]  # fmt: skip


def test_what_is_approved_with_a_finding_is_a_false_alarm_too() -> None:
    finding = {"rule": "CONTENT-6", "expected": "one shape", "actual": "another"}
    assert _read(1, FAST, {**REPORT, "findings": [finding]}, 1.0).is_false_alarm


def test_a_report_that_lacks_everything_is_no_approval() -> None:
    assert _read(1, FAST, {}, 1.0) == HealthySession(1, FAST, "None", 0, 0, 1.0, (), "None")
    assert _read(1, FAST, {}, 1.0).is_false_alarm


def test_the_rate_is_of_a_thousand_answers() -> None:
    assert summary([SOUND, ACCUSED, SOUND._replace(seed=2)], 60.0) == (
        "1 of 3 healthy sessions with a false alarm (2 of 2 categories, 1 of 4 categories; 60 s): "
        "5.26 false alarms per thousand runs, 190 answers judged; 2 APPROVED, 1 BLOCKED"
    )
    load = SOUND._replace(categories=LOAD, scenarios=0)
    assert str(load) == "seed 1    a load  APPROVED  0 scenarios, 50 answers, 8 s"
    assert "(1 of 2 categories, 1 of a load; 60 s)" in summary([SOUND, load], 60.0)
    assert summary([], 0.0) == (
        "0 of 0 healthy sessions with a false alarm (; 0 s): no run was observed, 0 answers judged; no session"
    )


def test_beside_busy_loops_a_session_may_be_inconclusive_but_not_blocked() -> None:
    unsure = SOUND._replace(verdict="INCONCLUSIVE", reason="this machine was busy")
    assert unsure.is_false_alarm
    assert not unsure._replace(is_busy=True).is_false_alarm
    assert unsure._replace(is_busy=True, findings=("CONTENT-6: one shape / another",)).is_false_alarm
    assert SOUND._replace(verdict="BLOCKED", is_busy=True).is_false_alarm
    assert SOUND._replace(verdict="exit 3", is_busy=True).is_false_alarm


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_busy_loops_end_with_the_command(tmp_path: Path, number: signal.Signals, code: int) -> None:
    command = [sys.executable, "-m", "greenlight_gate.assurance.false_alarms", "20", "--noise", "2", "--at-once", "1"]
    ran = psutil.Popen([*command, "--evidence", str(tmp_path)], start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        # Two busy loops, multiprocessing's own process, and a session.
        assert eventually(lambda: [each.cpu_times().user > 0.2 for each in _busy(ran)] == [True, True], 60)
        children = ran.children(recursive=True)
        os.killpg(ran.pid, number) if number == signal.SIGINT else ran.send_signal(number)

        assert ran.wait(60) == code
        ended = children if number != signal.SIGKILL else [each for each in children if "spawn_main" in _line(each)]
        assert psutil.wait_procs(ended, 60)[1] == []
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(ran.pid, signal.SIGKILL)


def _busy(command: psutil.Process) -> list[psutil.Process]:
    return [each for each in command.children() if "spawn_main" in _line(each)]


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²"])
def test_a_number_of_sessions_that_is_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number above 0"):
        _number(text)


def test_what_is_usual() -> None:
    options = _parser().parse_args(["20"])
    assert (options.sessions, options.at_once, options.more, options.whole, options.noise) == (20, 2, 4, 0, 0)
    assert options.environment == "embedded"
    assert tuple(options.categories) == FAST
