"""Killed without a warning, at any moment: the folder can be read, nothing is approved, and the history is intact."""

import random
import subprocess
from pathlib import Path

import pytest

from support.report.history import HISTORY, History
from support.tests.commands.process import environ, greenlight, judged, started, wait_for

SEED = 20260101


def _sessions(folder: Path) -> list[Path]:
    return sorted((folder / "reports").glob("validation_session_*"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_random_moments(tmp_path: Path) -> None:
    first = judged(tmp_path, "--categories", "functional", "--tags", "@functional")
    assert first.code == 0
    known = {first.session}
    kept = History(tmp_path / "reports").sessions()
    moments = random.Random(SEED)
    for _ in range(10):
        reached = moments.randrange(0, 26)
        arguments = ("run", "--output-dir", "reports", "--categories", "functional")
        with started(tmp_path, *arguments, env=environ()) as process:
            _wait_for_moment(tmp_path, known, reached, process)
            process.kill()
            process.wait()
        new = [session for session in _sessions(tmp_path) if session not in known]
        known.update(new)
        for session in new:
            again = greenlight(tmp_path, "verdict", str(session.relative_to(tmp_path)))
            whole = any('"ended"' in line for line in _ledger(session))
            assert again.code == (0 if whole else 2), again.out + again.err
            assert (session / "verdict.html").is_file()
            assert not list(session.glob(".*"))
    assert len(known) > 5
    history = History(tmp_path / "reports")
    assert {past.id for past in history.sessions()} == {session.name for session in known}
    assert kept[0] in history.sessions()
    assert (history.warning, list((tmp_path / "reports").glob(f"{HISTORY}.damaged*"))) == ("", [])


def _wait_for_moment(folder: Path, known: set[Path], reached: int, process: "subprocess.Popen[bytes]") -> None:
    wait_for(lambda: len(_finished(folder, known)) >= reached or process.poll() is not None, "that moment", 60)


def _finished(folder: Path, known: set[Path]) -> list[str]:
    new = [session for session in _sessions(folder) if session not in known]
    return [line for session in new for line in _ledger(session) if '"finished"' in line]


def _ledger(session: Path) -> list[str]:
    path = session / "evidence/ledger.jsonl"
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
