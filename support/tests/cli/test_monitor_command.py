"""`greenlight monitor` as a process: rounds, exit codes, SIGTERM, and what a kill leaves."""

import re
import signal
from pathlib import Path

import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.evidence.monitor_day import rounds_in

from support.tests.cli.process import ended, greenlight, mistaken, said, started, wait_for
from support.tests.session.test_target_watch import NOBODY, TARGET


def target(folder: Path, url: str) -> tuple[str, ...]:
    (folder / "watched.toml").write_text(
        TARGET.format(url=url, health="" if url == NOBODY else "/health"), encoding="utf-8"
    )
    return ("monitor", "--environment", "watched.toml", "--every", "5", "--output-dir", "reports")


def numbers(folder: Path) -> list[int]:
    """The rounds of all days: one may have ended while the test ran."""
    days = sorted((folder / "reports").glob("monitor_day_*"))
    return [one.number for day in days for one in rounds_in(day)]


def test_a_few_rounds_of_a_healthy_backend_end_with_0(tmp_path: Path, backend: BackendProcess) -> None:
    ran = greenlight(tmp_path, *target(tmp_path, backend.url), "--rounds", "2", "--scenarios", "@functional")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[0] == "Greenlight watches watched every 5 s: with_tool, without_tool"
    (folder, *_) = sorted(Path(tmp_path).glob("reports/monitor_day_*"))
    assert ran.out.splitlines()[1] == f"rounds are kept in {folder.relative_to(tmp_path)}"
    assert ran.out.splitlines()[2].startswith("round 1 passed  2 answers in ")
    # A day may have ended meanwhile.
    assert ran.out.splitlines()[-1].startswith("2 rounds: 2 passed; kept in reports/monitor_day_")
    assert numbers(tmp_path)[-1] in (1, 2)


def test_a_backend_that_cannot_be_reached_ends_with_2(tmp_path: Path) -> None:
    ran = greenlight(tmp_path, *target(tmp_path, NOBODY), "--rounds", "2")
    one = greenlight(tmp_path, *target(tmp_path, NOBODY), "--rounds", "1")

    assert ran.code == 2, ran.err
    assert "round 1 unreachable  Ada could not connect: " in ran.out
    assert "CONNECTION_INSTABILITY (critical): 0 connections lost, 4 refused, of 4 attempts." in ran.out
    assert "2 rounds: 2 unreachable; kept in reports/monitor_day_" in ran.out.splitlines()[-1]
    assert one.out.splitlines()[-1].startswith("1 round: 1 unreachable; ")
    # What a round's line names can be opened from here.
    kept = re.search(r"^round 1 unreachable .* \((\S+\.jsonl)\)$", ran.out, re.MULTILINE)
    assert kept is not None
    assert (tmp_path / kept[1]).is_file()
    # The days are no sessions, and `verdict` says so.
    judged = greenlight(tmp_path, "verdict", "--output-dir", "reports")
    assert (judged.code, "; a monitor's day approves no release: to see" in judged.err) == (3, True), judged.err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--scenarios", "@nothing"), "no part of a round has these tags; there are @functional"),
        (("--scenarios", "@a or ("), "expected an expression like"),
        (("--every", "4.9"), "expected 5 to 86400 seconds, got '4.9'"),
        (("--rounds", "0"), "expected a number greater than 0"),
    ],
)
def test_a_mistake_is_one_line_and_3(tmp_path: Path, options: tuple[str, ...], expected: str) -> None:
    ran = mistaken(tmp_path, *target(tmp_path, NOBODY), *options)

    assert (ran.code, expected in ran.err, len(ran.err.splitlines())) == (3, True, 1), ran.err
    assert not (tmp_path / "reports").exists()


@pytest.mark.slow
def test_killed_and_started_again_it_loses_the_round_under_way_only(tmp_path: Path, backend: BackendProcess) -> None:
    command = target(tmp_path, backend.url)
    with started(tmp_path, *command) as process:
        wait_for(lambda: bool(numbers(tmp_path)), "a round")
        process.kill()
        process.wait()
    before = numbers(tmp_path)

    with started(tmp_path, *command) as process:
        wait_for(lambda: len(numbers(tmp_path)) >= len(before) + 2, "two rounds more")
        process.send_signal(signal.SIGTERM)
        ran = ended(process, tmp_path)

    assert (ran.code, ran.err) == (0, ""), said(tmp_path)
    assert "ended by SIGTERM after " in ran.out
    # One day, or two where midnight has come meanwhile.
    after = numbers(tmp_path)
    assert after[: len(before)] == before
    if len(list((tmp_path / "reports").glob("monitor_day_*"))) == 1:
        assert after == list(range(1, len(after) + 1))
    judged = greenlight(tmp_path, "verdict", str(next((tmp_path / "reports").glob("monitor_day_*"))))
    assert (judged.code, "; no findings; a monitor's day approves no release" in judged.out) == (2, True), judged.out
