"""A day's folder: what is kept of rounds, what is left after a kill, and what `greenlight verdict` says of it."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from greenlight_gate.cli.main import main
from greenlight_gate.evidence.judge import judge
from greenlight_gate.evidence.monitor_day import (
    CAVEAT,
    InUse,
    MonitorDay,
    TraceOfRound,
    days_in,
    folders_of,
    rounds_in,
    seal_earlier_days,
)
from greenlight_gate.evidence.session_folder import Ended, JudgedTarget, Measurements
from greenlight_gate.findings import Finding, Severity
from greenlight_gate.monitor.round import Round, RoundOutcome
from greenlight_gate.trace import Header, encode_header, encode_record
from greenlight_gate.verdict.criteria import Status

from support.tests.evidence.folders import SESSION
from support.tests.rules.talk import EPOCH_S, asked

TODAY = date(2026, 1, 1)
TARGET = msgspec.convert({**SESSION, "wanted": [], "caveats": [CAVEAT]}, JudgedTarget)
MEASURED = Measurements(9.0, 1.0, 70.0)


def played(number: int, *findings: Finding, **more: Any) -> Round:
    failed = {"outcome": RoundOutcome.FAILED, "why": str(findings[0])} if findings else {}
    fields: dict[str, Any] = {"outcome": RoundOutcome.PASSED} | failed | more
    return Round(number=number, began_epoch_s=EPOCH_S + 60 * number, took_s=0.5, findings=findings, **fields)


def broken() -> tuple[Finding, TraceOfRound]:
    """An answer that never ended, with the finding that its trace proves."""
    records = asked().answer().close().records
    kept = [record for record in records if "agent_completed" not in str(record)]
    lines = [encode_header(Header("round of x", EPOCH_S)), *map(encode_record, kept)]
    finding = Finding("LIFECYCLE-2", Severity.CRITICAL, "It ends.", "an end", "none", "Ada", "c1", "r1", (3,))
    return finding, TraceOfRound(b"".join(lines), len(kept))


@contextmanager
def day(folder: Path, on: date = TODAY, session: JudgedTarget = TARGET) -> Iterator[MonitorDay]:
    with closing(MonitorDay.of(folder, on, session)) as opened:
        yield opened


def test_the_history_counts_the_rounds_of_each_day(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finding, trace = broken()
    with day(tmp_path, date(2025, 12, 31)) as before:
        before.add(played(1))
    with day(tmp_path) as today:
        for one in (played(1), played(2, finding), played(3, finding), played(4, outcome=RoundOutcome.UNREACHABLE)):
            today.add(one, trace if one.findings else None)
    (tmp_path / "monitor_day_2026-01-02_torn").mkdir()

    assert [each[1:] for each in days_in(tmp_path, None, 20)] == [
        ("2025-12-31", TARGET.environment, {"passed": 1}, {}),
        ("2026-01-01", TARGET.environment, {"passed": 1, "failed": 2, "unreachable": 1}, {"LIFECYCLE-2": 2}),
    ]
    assert [each.day for each in days_in(tmp_path, TARGET.environment, 1)] == ["2026-01-01"]
    assert days_in(tmp_path, "another", 20) == []

    assert main(["history", "--output-dir", str(tmp_path)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-2:]]
    assert rows == [["2025-12-31", "1", "1"], ["2026-01-01", "4", "1", "2", "1", "LIFECYCLE-2", "2"]]


def test_rounds_are_lines_and_only_findings_leave_a_trace(tmp_path: Path) -> None:
    finding, trace = broken()
    with day(tmp_path) as today:
        kept = [today.add(played(1)), today.add(played(2, finding), trace), today.add(played(3))]

    assert [one.evidence for one in kept] == [
        "", "monitor_day_2026-01-01_by-hand/evidence/traces/round-000002.jsonl", "",
    ]  # fmt: skip
    assert list(rounds_in(today.folder)) == kept
    assert [path.name for path in (today.folder / "evidence/traces").iterdir()] == ["round-000002.jsonl"]
    assert (tmp_path / kept[1].evidence).read_bytes() == trace.lines


def test_a_day_with_findings_is_blocked_and_one_without_approves_nothing(tmp_path: Path) -> None:
    finding, trace = broken()
    with day(tmp_path) as today:
        today.add(played(1))
        today.seal(EPOCH_S + 99, MEASURED)
    judgement = judge(today.folder)
    assert (judgement.decision.verdict, judgement.findings) == ("INCONCLUSIVE", ())
    assert judgement.decision.reason == "1 round: 1 passed; no findings; a monitor's day approves no release."

    with day(tmp_path, date(2026, 1, 2)) as today:
        today.add(played(1, finding), trace)
        today.add(played(2, outcome=RoundOutcome.UNREACHABLE, why="away"))
        today.seal(EPOCH_S + 99, MEASURED)
    judgement = judge(today.folder)
    assert judgement.decision.verdict == "BLOCKED"
    assert judgement.decision.reason == (
        "2 rounds: 1 failed, 1 unreachable; findings: LIFECYCLE-2 (1); a monitor's day approves no release."
    )
    assert [(each.id, each.status) for each in judgement.decision.criteria] == [
        ("ROUNDS", Status.FAILED), ("EVIDENCE", Status.PASSED),
    ]  # fmt: skip
    assert {(each.scenario, each.trace) for each in judgement.findings} == {
        ("round of 2026-01-01 00:01:00Z", "traces/round-000001.jsonl")
    }
    # What is sealed shows what was changed in it.
    today.rounds.write_bytes(b"")
    assert "evidence/rounds.jsonl" in judge(today.folder).decision.reason


def test_a_kill_loses_the_round_under_way_only(tmp_path: Path) -> None:
    finding, trace = broken()
    with day(tmp_path) as today:
        today.add(played(1))
        today.add(played(2, finding), trace)
        whole = today.rounds.read_bytes()
    # Killed while it wrote the third round: its trace is there, its line is torn.
    (today.folder / "evidence/traces/round-000003.jsonl").write_bytes(trace.lines)
    today.rounds.write_bytes(whole + b'{"number":3,"beg')

    with day(tmp_path) as again:
        assert (again.folder, again.last_number) == (today.folder, 2)
        assert again.rounds.read_bytes() == whole
        again.add(played(3))
    assert [one.number for one in rounds_in(again.folder)] == [1, 2, 3]
    assert [path.name for path in (again.folder / "evidence/traces").iterdir()] == ["round-000002.jsonl"]


def test_a_round_that_is_in_the_ledger_and_not_among_the_rounds_gives_its_number_to_no_other(tmp_path: Path) -> None:
    finding, trace = broken()
    with day(tmp_path) as today:
        today.add(played(1, finding), trace)
    today.rounds.unlink()

    with day(tmp_path) as again:
        assert again.last_number == 1
        again.add(played(2, finding), trace)
        again.seal(EPOCH_S + 99, MEASURED)
    assert judge(again.folder).decision.verdict == "BLOCKED"


def test_two_monitors_cannot_write_to_one_day(tmp_path: Path) -> None:
    with day(tmp_path), pytest.raises(InUse, match="another monitor of this target writes to it"), day(tmp_path):
        pass
    with day(tmp_path):
        pass


def test_another_target_or_a_sealed_day_has_a_folder_of_its_own(tmp_path: Path) -> None:
    with day(tmp_path) as first:
        first.add(played(1))
    changed = msgspec.structs.replace(TARGET, url="ws://127.0.0.1:2/ws")
    with day(tmp_path, session=changed) as second:
        second.seal(EPOCH_S, MEASURED)
    with day(tmp_path, session=changed) as third:
        pass
    with day(tmp_path, session=msgspec.structs.replace(TARGET, environment="by-hand-2")) as other:
        pass
    with day(tmp_path, session=msgspec.structs.replace(TARGET, started_epoch_s=5.0, target_version="2")) as same:
        pass

    name = "monitor_day_2026-01-01_by-hand"
    assert [each.folder.name for each in (first, second, third, other, same)] == [
        name, f"{name}_2", f"{name}_3", f"{name}-2", name,
    ]  # fmt: skip
    assert folders_of(tmp_path, "by-hand", TODAY) == [first.folder, second.folder, third.folder]
    assert folders_of(tmp_path, "by-hand", date(2026, 1, 2)) == []


def test_a_day_that_nobody_watched_to_its_end_is_sealed_by_the_next(tmp_path: Path) -> None:
    with day(tmp_path) as left:
        left.add(played(1))
    with day(tmp_path, session=msgspec.structs.replace(TARGET, url="ws://127.0.0.1:2/ws")) as used:
        assert seal_earlier_days(tmp_path, "by-hand", TODAY, EPOCH_S) == ([], {})
        assert seal_earlier_days(tmp_path, "by-hand", date(2026, 1, 2), EPOCH_S) == ([left.folder], {})
        assert not used.is_sealed

    reason = judge(left.folder).decision.reason
    assert reason.endswith("approves no release (the monitor was not running at the end of the day).")


def no_session(folder: Path) -> Path:
    (folder / "monitor_day_2025-12-31_by-hand").mkdir()
    return folder / "monitor_day_2025-12-31_by-hand"


def no_date(folder: Path) -> Path:
    with day(folder) as made:
        made.add(played(1))
    return made.folder.rename(folder / "monitor_day_2025-12-40_by-hand")


def manifest_is_a_folder(folder: Path) -> Path:
    with day(folder, date(2025, 12, 31)) as made:
        (made.evidence.folder / "manifest.json").mkdir()
    return made.folder


def folder_in_traces(folder: Path) -> Path:
    with day(folder, date(2025, 12, 31)) as made:
        (made.evidence.traces / "mine").mkdir()
    return made.folder


def pipe_as_session(folder: Path) -> Path:
    made = no_session(folder)
    (made / "evidence").mkdir()
    os.mkfifo(made / "evidence/session.json")
    return made


ODD = (no_session, no_date, manifest_is_a_folder, folder_in_traces, pipe_as_session)


@pytest.mark.parametrize("make", ODD)
def test_a_folder_that_is_no_day_is_named_and_left_alone(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    odd = make(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in odd.rglob("*")}
    with day(tmp_path, date(2026, 1, 1)) as whole:
        whole.add(played(1))

    sealed, left = seal_earlier_days(tmp_path, "by-hand", date(2026, 1, 2), EPOCH_S)

    assert (sealed, list(left)) == ([whole.folder], [odd])
    assert "" not in left.values()
    assert {path: path.stat().st_mtime_ns for path in odd.rglob("*")} == before


@pytest.mark.parametrize("make", [manifest_is_a_folder, folder_in_traces])
def test_a_folder_of_today_that_nothing_can_be_written_to_has_another_beside_it(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    odd = make(tmp_path)

    with day(tmp_path, date(2025, 12, 31)) as other:
        other.add(played(1))

    assert (other.folder.name, list(other.left)) == (f"{odd.name}_2", [odd])


def test_a_torn_line_of_the_ledger_is_taken_away(tmp_path: Path) -> None:
    finding, trace = broken()
    with day(tmp_path) as today:
        today.add(played(1, finding), trace)
        whole = today.evidence.ledger.read_bytes()
    today.evidence.ledger.write_bytes(whole + b'{"entry":"selected","key":"monitor/round-000')

    with day(tmp_path) as again:
        assert again.evidence.ledger.read_bytes() == whole
        again.add(played(2, finding), trace)
        again.seal(EPOCH_S + 99, MEASURED)
    decision = judge(again.folder).decision
    assert (decision.verdict, decision.reason) == (
        "BLOCKED", "2 rounds: 2 failed; findings: LIFECYCLE-2 (2); a monitor's day approves no release.",
    )  # fmt: skip


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_kill_between_the_end_and_the_manifest_leaves_one_end(tmp_path: Path, *, goes_on: bool) -> None:
    finding, trace = broken()
    with day(tmp_path) as today:
        today.add(played(1, finding), trace)
        today.evidence.append(Ended(epoch_s=EPOCH_S + 99, interrupted="", fault="", allure=()))

    if goes_on:
        with day(tmp_path) as again:
            assert again.folder.name == f"{today.folder.name}_2"
    else:
        assert seal_earlier_days(tmp_path, "by-hand", date(2026, 1, 2), EPOCH_S) == ([today.folder], {})
    assert sum(isinstance(line.entry, Ended) for line in today.evidence.lines()) == 1
    assert judge(today.folder).decision.reason.startswith("1 round: 1 failed; findings: LIFECYCLE-2 (1); a monitor's")


def test_enough_traces_are_kept_of_a_day_and_no_defect_hides_another(tmp_path: Path) -> None:
    finding, trace = broken()
    other = msgspec.structs.replace(finding, rule="CONTENT-1")
    with day(tmp_path) as today:
        today.most_alike = 2
        kept = [today.add(played(number, finding), trace) for number in (1, 2, 3)]
    with day(tmp_path) as again:
        again.most_alike, again.most_traces = 2, 3
        kept += [again.add(played(number, found), trace) for number, found in ((4, finding), (5, other), (6, other))]

    assert [bool(one.evidence) for one in kept] == [True, True, False, False, True, False]
    assert [len(one.findings) for one in rounds_in(today.folder)] == [1] * 6
