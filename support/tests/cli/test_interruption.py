"""Signals, the time limit, a backend that dies: what was seen is judged, nothing is approved, no process is left."""

import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from support.tests.cli.process import REASONS, Process, ended, greenlight, judged, said, started, target, wait_for
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer

RUN = ("run", "--output-dir", "reports")


def ledger_of(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.glob("reports/validation_session_*/evidence/ledger.jsonl"))


def begun(folder: Path) -> bool:
    return "Greenlight judges" in said(folder)[0]


def stopping(folder: Path) -> bool:
    return "interrupted" in said(folder)[1]


def healthy(folder: Path) -> bool:
    return '"selected"' in ledger_of(folder)


def midway(folder: Path) -> bool:
    return ledger_of(folder).count('"finished"') >= 5


def at_the_end(folder: Path) -> bool:
    return '"ended"' in ledger_of(folder)


def children(process: Process) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def gone(processes: list[psutil.Process]) -> bool:
    return not [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        pytest.param(signal.SIGINT, begun, marks=pytest.mark.slow),
        (signal.SIGTERM, begun),
        (signal.SIGINT, healthy),
        pytest.param(signal.SIGTERM, healthy, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, midway, marks=pytest.mark.slow),
        (signal.SIGTERM, midway),
    ],
)
def test_a_signal_leaves_a_judged_session_and_no_process(
    tmp_path: Path, number: signal.Signals, moment: Callable[[Path], bool]
) -> None:
    # What is to be interrupted at the beginning is the importing.
    fresh = moment is begun or (number, moment) == (signal.SIGINT, midway)
    with started(tmp_path, *RUN, fresh=fresh) as process:
        wait_for(lambda: moment(tmp_path), moment.__name__)
        left = children(process)
        process.send_signal(number)
        ran = ended(process, tmp_path)

    # Python may end itself with SIGINT once more, which a shell shows as 130 as well.
    assert (ran.code in (130, -signal.SIGINT), "Traceback" in ran.out + ran.err) == (True, False), ran.out + ran.err
    wait_for(lambda: gone(left), "the backend's end")
    if moment is begun:
        assert ran.err == "greenlight: interrupted\n" or ran.verdict == "INCONCLUSIVE"
        return
    assert ran.verdict == "INCONCLUSIVE"
    assert f"the run was interrupted ({number.name})" in ran.report["deployment_decision"]["reason"]


@pytest.mark.parametrize(("first", "second"), [(signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)])
@pytest.mark.parametrize(
    "moment", [pytest.param(lambda _: True, id="at-once"), pytest.param(stopping, id="while-it-ends")]
)
def test_two_signals_end_it_as_one_does(
    tmp_path: Path, first: signal.Signals, second: signal.Signals, moment: Callable[[Path], bool]
) -> None:
    with started(tmp_path, *RUN, fresh=True) as process:
        wait_for(lambda: begun(tmp_path), "its first line")
        process.send_signal(first)
        wait_for(lambda: moment(tmp_path) or process.poll() is not None, "the moment")
        process.send_signal(second)
        ran = ended(process, tmp_path)

    # As above, where the first of the two was SIGINT.
    assert ran.code in (130, -signal.SIGINT), ran.out + ran.err
    assert "Traceback" not in ran.out + ran.err
    assert ran.err == "greenlight: interrupted\n" or ran.verdict == "INCONCLUSIVE"


def test_a_signal_at_the_very_end_is_no_traceback(tmp_path: Path) -> None:
    with HostileServer(does.conversation(does.rightly), does.health()) as server:
        target(tmp_path, server.url, more=REASONS)
        with started(tmp_path, *RUN, "--environment", "hostile.toml", "--categories", "functional") as process:
            wait_for(lambda: at_the_end(tmp_path), "the last line of the ledger")
            process.send_signal(signal.SIGTERM)
            ran = ended(process, tmp_path)

    # Past the last word of the verdict there is nothing left to interrupt.
    assert ran.code in (0, 130, -signal.SIGINT)
    assert "Traceback" not in ran.out + ran.err


@pytest.mark.parametrize("moment", [begun, pytest.param(healthy, marks=pytest.mark.slow), midway])
def test_a_killed_run_leaves_no_backend_and_a_folder_that_is_inconclusive(
    tmp_path: Path, moment: Callable[[Path], bool]
) -> None:
    with started(tmp_path, *RUN, fresh=moment is begun) as process:
        wait_for(lambda: moment(tmp_path), moment.__name__)
        left = children(process)
        process.kill()
        process.wait()
    wait_for(lambda: gone(left), "the backend's end")

    after = greenlight(tmp_path, "verdict", "--output-dir", "reports")

    assert "Traceback" not in after.out + after.err
    if moment is begun:
        assert (after.code, after.err.count("\n")) == (3, 1)
        assert "has no validation session" in after.err
        return
    assert (after.code, after.verdict) == (2, "INCONCLUSIVE")
    assert "the run did not come to its end" in after.report["deployment_decision"]["reason"]


def test_the_time_limit_is_inconclusive_and_keeps_the_evidence(tmp_path: Path) -> None:
    ran = judged(tmp_path, "--timeout", "4")

    assert (ran.code, ran.verdict) == (2, "INCONCLUSIVE")
    assert "the run was interrupted (time limit of 4 s)" in ran.report["deployment_decision"]["reason"]


@pytest.mark.slow
def test_a_backend_that_is_killed_in_mid_run_is_never_approved(tmp_path: Path) -> None:
    # A load would go on for as long as was planned, with nobody on it.
    with started(tmp_path, *RUN, "--categories", "functional", "integration", "security") as process:
        wait_for(lambda: midway(tmp_path), "some scenarios")
        (backend,) = children(process)
        backend.kill()
        ran = ended(process, tmp_path)

    assert ran.code in (1, 2)
    assert ran.verdict in ("BLOCKED", "INCONCLUSIVE")
    assert "Traceback" not in ran.out + ran.err
    assert ran.report["execution_results"]["pytest_metrics"]["tests_failed"] > 0
    assert "a close frame before the connection ends" in ran.out or "connection refused" in ran.out.lower()
