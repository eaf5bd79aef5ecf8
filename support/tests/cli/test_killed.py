"""Killed without a warning, at any moment: the folder can be read, nothing is approved, and the history is intact."""

import contextlib
import json
import os
import random
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from greenlight_gate.evidence.history import HISTORY, History, HistoryEntry

from support.tests.cli.process import Process, ended, greenlight, said, started, wait_for
from support.tests.evidence.folders import write

RUN = ("run", "--output-dir", "reports", "--categories", "functional")
# Other moments each time; this one tries those again that a failure has printed.
SEED = int(os.environ.get("SEED_OF_MOMENTS", random.SystemRandom().randrange(1_000_000)))


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "times", [pytest.param(4, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.assurance)]
)
def test_random_moments(tmp_path: Path, times: int) -> None:
    began = time.monotonic()
    with started(tmp_path, *RUN) as process:
        first = ended(process, tmp_path)
    took_s = time.monotonic() - began
    assert first.code == 0, first.out + first.err
    moments = random.Random(SEED)
    print(f"SEED_OF_MOMENTS={SEED}, of {took_s:.1f} s")
    for _ in range(times):
        kept, known = _kept(tmp_path), set(_sessions(tmp_path))
        at_s = moments.uniform(0.0, took_s)
        _killed(tmp_path, at_s)
        new = next(iter(set(_sessions(tmp_path)) - known), None)
        print(f"killed after {at_s:.2f} s: {_stage(new)}")
        assert _kept(tmp_path)[: len(kept)] == kept
        if new is not None:
            _is_readable(new)
            _is_judged(tmp_path, new)
    shown = greenlight(tmp_path, "history", "--output-dir", "reports")
    assert (shown.code, "embedded" in shown.out) == (0, True), shown.out + shown.err
    assert {past.id for past in _kept(tmp_path)} == {session.name for session in _sessions(tmp_path)}
    assert list((tmp_path / "reports").glob(f"{HISTORY}.damaged*")) == []


def test_a_folder_in_which_nothing_stands_yet_is_inconclusive(tmp_path: Path) -> None:
    write(tmp_path / "reports/validation_session_1767225000", session={"started_epoch_s": 1767225000.0})
    (tmp_path / "reports/validation_session_1767225600/evidence/traces").mkdir(parents=True)

    ran = greenlight(tmp_path, "verdict", "--output-dir", "reports", "--ci-mode")
    before = greenlight(tmp_path, "verdict", "reports/validation_session_1767225000")

    result, reason, report, _ = ran.out.splitlines()
    assert (ran.code, result) == (2, "VALIDATION_RESULT=INCONCLUSIVE")
    assert reason.startswith("FAILURE_REASON=EVIDENCE: the run was ended before it had said what it was going to judge")
    document = json.loads((tmp_path / report.removeprefix("REPORT=")).read_bytes())
    assert document["validation_session"]["timestamp"] == "2026-01-01T00:00:00+00:00"
    page = (tmp_path / "reports/validation_session_1767225600/verdict.html").read_text(encoding="utf-8")
    assert "--environment unknown" not in page
    assert before.code == 0


def test_the_processes_of_a_load_end_with_it(tmp_path: Path) -> None:
    with started(tmp_path, "load", "--users", "4", "--duration", "60", "--processes", "2", fresh=True) as process:
        load = psutil.Process(process.pid)
        # The backend, the manager, two shards, and what multiprocessing keeps beside them.
        wait_for(lambda: len(load.children(recursive=True)) >= 5, "the crew")
        _kill(process, load.children(recursive=True))


def _killed(folder: Path, at_s: float) -> None:
    """Starts a run and kills it after so many seconds; what it had started ends by itself."""
    with started(folder, *RUN, fresh=True) as process:
        try:
            process.wait(at_s)
        except subprocess.TimeoutExpired:
            _kill(process, psutil.Process(process.pid).children(recursive=True))
    assert "Traceback" not in "".join(said(folder))


def _kill(process: Process, begun: list[psutil.Process]) -> None:
    """Kills it without a warning; what it had begun ends by itself."""
    process.kill()
    process.wait()
    try:
        wait_for(lambda: not [each for each in begun if _runs(each)], "the end of what it had begun")
    finally:
        for each in begun:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _sessions(folder: Path) -> list[Path]:
    return sorted((folder / "reports").glob("validation_session_*"))


def _kept(folder: Path) -> list[HistoryEntry]:
    history = History(folder / "reports")
    kept = history.sessions()
    assert history.warning == ""
    return kept


def _ledger(session: Path) -> list[str]:
    path = session / "evidence/ledger.jsonl"
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _stage(session: Path | None) -> str:
    if session is None:
        return "there was no folder yet"
    return f"{len(_ledger(session))} lines in the ledger, {len(list(session.rglob('*')))} files"


def _is_readable(session: Path) -> None:
    """What stands there is whole, but for the last line of what is written line by line."""
    for path in session.rglob("*.json"):
        json.loads(path.read_bytes())
    for path in session.rglob("*.jsonl"):
        for line in path.read_bytes().split(b"\n")[:-1]:
            json.loads(line)


def _is_judged(folder: Path, session: Path) -> None:
    ran = greenlight(folder, "verdict", str(session.relative_to(folder)))

    # The manifest says that nothing is missing, whatever of the report had been written.
    whole = (session / "evidence/manifest.json").is_file()
    decision = json.loads((session / "comprehensive_validation_report.json").read_bytes())["deployment_decision"]
    assert (ran.code, decision["verdict"]) == ((0, "APPROVED") if whole else (2, "INCONCLUSIVE")), ran.out + ran.err
    assert whole or "the run did not come to its end" in decision["reason"], decision["reason"]
    assert (session / "verdict.html").is_file()
