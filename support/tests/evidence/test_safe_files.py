"""Evidence that came from anywhere: only regular files inside the session folder are read, in bounded lines."""

import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.cli.main import main
from greenlight_gate.evidence.judge import NoEvidence, judge
from greenlight_gate.evidence.safe_files import LONGEST_LINE_BYTES, append_line
from greenlight_gate.verdict.facts import Verdict

from support.tests.cli.process import mistaken
from support.tests.evidence.folders import ENDED, FINISHED, SELECTED, write, write_ledger
from support.tests.rules.talk import asked

TRACE = "evidence/traces/1.jsonl"
LEDGER = "evidence/ledger.jsonl"
Damage = Callable[[Path, Path], None]


def linked(file: Path, outside: Path) -> None:
    shutil.move(file, outside)
    file.symlink_to(outside)


def fifo(file: Path, outside: Path) -> None:
    del outside
    file.unlink()
    os.mkfifo(file)


def device(file: Path, outside: Path) -> None:
    del outside
    file.unlink()
    file.symlink_to("/dev/zero")


def endless_line(file: Path, outside: Path) -> None:
    """A file that takes no room on the disk, of one line that is longer than any."""
    del outside
    os.truncate(file, LONGEST_LINE_BYTES + file.stat().st_size + 1)


@pytest.mark.parametrize("file", [TRACE, LEDGER, "evidence/measurements.json", "evidence/baseline.json"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (linked, "it is a symbolic link"),
        (device, "it is a symbolic link"),
        (fifo, "it is no regular file"),
        (endless_line, "not whole|more than 134217728 bytes|not what was written|added after the run"),
    ],
)
@pytest.mark.parametrize("ledger", [(SELECTED, FINISHED, ENDED), (SELECTED, FINISHED)], ids=["ended", "killed"])
def test_a_file_that_is_none_is_named_and_nothing_is_approved(
    tmp_path: Path, file: str, damage: Damage, said: str, ledger: tuple[dict[str, Any], ...]
) -> None:
    folder = write(tmp_path / "session", *ledger)
    path = folder / file
    path.touch()
    damage(path, tmp_path / "outside")

    decision = judge(folder).decision

    assert decision.verdict is Verdict.INCONCLUSIVE
    told = decision.criteria[-1].measured
    assert any(words in told for words in said.split("|")), told
    assert path.name in told or "ledger" in told


@pytest.mark.parametrize("folder", ["evidence", "evidence/traces"])
def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path, folder: str) -> None:
    session = write(tmp_path / "session")
    linked(session / folder, tmp_path / "outside")

    if folder == "evidence":
        with pytest.raises(NoEvidence, match="it is a symbolic link"):
            judge(session)
    else:
        assert "it is a symbolic link" in judge(session).decision.reason


@pytest.mark.parametrize("trace", ["../outside.jsonl", "traces/../../outside.jsonl", "{absolute}", "/dev/zero", "a\0b"])
def test_a_path_that_leads_out_of_the_folder_is_refused(tmp_path: Path, trace: str) -> None:
    session = write(tmp_path / "session")
    outside = tmp_path / "session/outside.jsonl"
    shutil.move(session / TRACE, outside)
    named = {**FINISHED, "trace": trace.format(absolute=outside)}
    shutil.rmtree(session / "evidence")
    write(session, SELECTED, named, ENDED)

    decision = judge(session).decision

    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "its path leads out of the session folder" in decision.reason


def test_a_pipe_beside_the_traces_is_not_waited_for(tmp_path: Path) -> None:
    session = write(tmp_path / "session")
    os.mkfifo(session / "evidence/traces/2.jsonl")
    (session / "evidence/load").mkdir()
    os.mkfifo(session / "evidence/load/pipe.json")
    ended = judge(session).decision.reason
    write_ledger(session, SELECTED, FINISHED)
    (session / "evidence/manifest.json").unlink()

    said = judge(session).decision.reason

    assert "evidence/load/pipe.json cannot be read (it is no regular file)" in ended
    assert "evidence/traces/2.jsonl cannot be read (it is no regular file)" in ended

    assert "a scenario did not finish: 2.jsonl cannot be read (it is no regular file)" in said
    assert "what loads and probes have shown is not whole" in said


def test_a_page_shows_nothing_from_outside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a finding is proved by is read again for the page, and for `--verbose`."""
    session = write(tmp_path / "session", talk=asked().started().close("server", 1011))
    visualizations = session / "monitoring/visualizations"
    visualizations.mkdir(parents=True)
    os.mkfifo(visualizations / "odd.png")

    assert main(["verdict", str(session), "--verbose"]) == 1
    assert "pictures not written: it is no regular file" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["monitoring", "alerts.log"])
def test_no_report_is_written_through_a_link(tmp_path: Path, name: str) -> None:
    session, outside = write(tmp_path / "session"), tmp_path / "outside"
    outside.mkdir()
    (session / name).symlink_to(outside)

    ran = mistaken(tmp_path, "verdict", "session")

    assert (ran.code, ran.err) == (
        3,
        f"greenlight: session/{name}: it is a symbolic link; reports are written into the session folder only\n",
    )
    assert list(outside.iterdir()) == []


def test_a_line_for_which_there_is_no_room_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    append_line(file, b"first")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            append_line(file, b"too long for nine")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    append_line(file, b"second")

    assert file.read_bytes() == b"first\nsecond\n"
