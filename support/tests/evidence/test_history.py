"""The history: what is kept, what changed, two writers at once, and a file that is damaged."""

import multiprocessing
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from greenlight_gate.evidence.history import HISTORY, Changed, History
from greenlight_gate.evidence.judge import Judgement, judge
from greenlight_gate.evidence.session_folder import Evidence, key_of_repeat
from greenlight_gate.measure.latency_summary import LatencySummary
from greenlight_gate.report.ci_summary import as_markdown
from greenlight_gate.report.run_report import as_document
from greenlight_gate.report.trend import as_html, baseline_of, sparkline
from greenlight_gate.verdict.baseline import Baseline, compare
from greenlight_gate.verdict.facts import Verdict

from support.tests.cli.process import greenlight
from support.tests.evidence.folders import ENDED, FINISHED, KEY, NAME, SELECTED, sealed, write
from support.tests.rules.talk import EPOCH_S, Talk, asked


def session(folder: Path, number: int, talk: Talk | None = None, **more: Any) -> Judgement:
    talk = talk or asked().answer().close()
    found = len(talk.findings())
    entry = {**FINISHED, "findings": found, "outcome": "failed" if found else "passed"}
    changes = {"session_id": f"validation_session_{number}", "started_epoch_s": EPOCH_S + number, **more}
    return judge(write(folder / f"validation_session_{number}", SELECTED, entry, ENDED, talk=talk, session=changes))


def no_thought() -> Talk:
    return asked().started().executing().tool_done().completed()


def open_end() -> Talk:
    return asked().thinking().completed()


def test_sessions_are_kept_once_each_in_order(tmp_path: Path) -> None:
    history = History(tmp_path)
    second, first = session(tmp_path, 2), session(tmp_path, 1, asked().started().close("server", 1011))
    for judgement in (second, first, second):
        history.add(judgement)

    kept = history.sessions("by-hand")
    assert [(past.id, past.verdict, past.events) for past in kept] == [
        ("validation_session_1", "BLOCKED", 1), ("validation_session_2", "APPROVED", 5)
    ]  # fmt: skip
    assert (kept[1].latency, kept[1].samples, kept[1].success_percent) == ("delivery", 5, 100.0)
    assert history.sessions("another") == []
    assert (tmp_path / HISTORY).read_bytes()[18:20] == b"\x02\x02", "it is not in write-ahead mode"


def test_what_is_new_fixed_and_still_there(tmp_path: Path) -> None:
    history = History(tmp_path)
    for number, talk in ((1, no_thought()), (2, open_end())):
        history.add(session(tmp_path, number, talk.close()))
    write(tmp_path / "validation_session_3", SELECTED, session={"session_id": "validation_session_3"})
    history.add(judge(tmp_path / "validation_session_3"))

    changed = history.changed("validation_session_1", "validation_session_2")
    without = history.changed("validation_session_1", "validation_session_3")

    assert ("LIFECYCLE-1", NAME) in changed.new
    assert ("LIFECYCLE-4", NAME) in changed.fixed
    assert history.changed("validation_session_1", "validation_session_1").new == ()
    # The run ended before the scenario: what it had found is not fixed.
    assert (without.fixed, ("LIFECYCLE-4", NAME) in without.not_run) == ((), True)


def test_only_sessions_of_the_same_selection_are_compared(tmp_path: Path) -> None:
    history = History(tmp_path)
    sessions: list[dict[str, Any]] = [
        {}, {"wanted": ["functional", "security"]}, {"available": {"functional": 25}}, {},
    ]  # fmt: skip
    for number, more in enumerate(sessions, 1):
        history.add(session(tmp_path, number, **more))
    first, others, part, last = history.sessions()

    assert first.series == last.series
    assert len({first.series, others.series, part.series}) == 3
    assert part.selection == "1 of 25 functional scenarios"
    assert [past.id for past in history.sessions(series=first.series)] == [first.id, last.id]


def test_a_baseline_begins_with_sessions_that_lacked_nothing_else(tmp_path: Path) -> None:
    """The first ones cannot be compared: that alone makes none of them unfit to be compared with."""
    history = History(tmp_path)
    for number in range(1, 4):
        folder = write(
            tmp_path / f"validation_session_{number}", session={"session_id": f"validation_session_{number}"}
        )
        before = baseline_of(history.sessions(), latency="delivery", jobs=1, gate=True)
        Evidence(folder).compared_with(before)
        judgement = judge(sealed(folder))
        history.add(judgement)
        assert judgement.decision.verdict is Verdict.INCONCLUSIVE
        assert len(before.sessions) == number - 1

    assert len(baseline_of(history.sessions(), latency="delivery", jobs=1, gate=True).sessions) == 3


def _write_many(folder: Path, judgement: Judgement, numbers: range) -> None:
    for number in numbers:
        changed = msgspec.structs.replace(judgement.session, session_id=f"s{number}")
        History(folder).add(msgspec.structs.replace(judgement, session=changed))


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    judgement = session(tmp_path, 1)
    context = multiprocessing.get_context("fork")
    writers = [
        context.Process(target=_write_many, args=(tmp_path, judgement, range(start, start + 20))) for start in (0, 20)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert [writer.exitcode for writer in writers] == [0, 0]
    history = History(tmp_path)
    assert {past.id for past in history.sessions()} == {f"s{number}" for number in range(40)}
    assert history.warning == ""


@pytest.mark.parametrize("damage", ["garbage", "half", "foreign"])
def test_a_damaged_file_is_moved_aside(tmp_path: Path, damage: str) -> None:
    path = tmp_path / HISTORY
    judgement = session(tmp_path, 1)
    if damage == "garbage":
        path.write_bytes(b"this is no database at all, but some text" * 100)
    elif damage == "half":
        History(tmp_path).add(judgement)
        path.write_bytes(path.read_bytes()[:6000])
    else:
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE session (id TEXT)")
        database.close()
    before = path.read_bytes()

    history = History(tmp_path)
    history.add(judgement)

    assert [past.id for past in history.sessions()] == ["validation_session_1"]
    assert history.warning.endswith(f"is now {HISTORY}.damaged-1; a new one has been begun")
    aside = (tmp_path / f"{HISTORY}.damaged-1").read_bytes()
    assert len(aside) == len(before)
    assert damage == "foreign" or aside == before


def test_what_was_kept_before_scenarios_ran_side_by_side_stays(tmp_path: Path) -> None:
    History(tmp_path).add(session(tmp_path, 1))
    with sqlite3.connect(tmp_path / HISTORY) as database:
        database.execute("ALTER TABLE session DROP COLUMN selection")
        database.execute("ALTER TABLE session DROP COLUMN jobs")
    database.close()

    history = History(tmp_path)
    history.add(session(tmp_path, 2, jobs=4))

    assert [(past.id, past.jobs) for past in history.sessions()] == [
        ("validation_session_1", 1), ("validation_session_2", 4)
    ]  # fmt: skip
    assert history.warning == ""


def figures(avg: float, p95: float = 20.0) -> LatencySummary:
    return LatencySummary(100, avg, 5.0, p95, 30.0, 40.0)


def baseline(*averages: float, gate: bool = False) -> Baseline:
    return Baseline(tuple(f"s{n}" for n in range(len(averages))), "delivery", averages, (20.0,) * len(averages), gate)


@pytest.mark.parametrize(
    ("before", "now", "slower"),
    [
        ((10.0, 10.0, 10.0), figures(12.4), False),
        ((10.0, 10.0, 10.0), figures(12.6), True),
        ((10.0, 14.0, 6.0), figures(20.0), False),
        ((10.0, 14.0, 6.0), figures(28.0), True),
        ((0.5, 0.5, 0.5), figures(2.4), False),
        ((10.0, 10.0, 10.0), figures(10.0, p95=26.0), True),
        ((10.0, 10.0), figures(99.0), None),
        ((10.0, 10.0, 10.0), None, None),
    ],
)
def test_slower_is_what_is_beyond_the_noise(
    before: tuple[float, ...], now: LatencySummary | None, slower: bool | None
) -> None:
    assert compare(baseline(*before), now, None).slower is slower


def test_the_comparison_in_words() -> None:
    said = compare(baseline(10.0, 10.0, 12.0), figures(20.0), None).said

    assert said == (
        "average 20.0 ms against 10.0 ± 0.0 ms (+100 %) SLOWER, p95 20.0 ms against 20.0 ± 0.0 ms (+0 %), "
        "of the last 3 approved sessions"
    )


@pytest.mark.parametrize(("gate", "verdict"), [(True, Verdict.BLOCKED), (False, Verdict.APPROVED)])
def test_the_baseline_is_part_of_the_evidence_and_decides_only_where_it_gates(
    tmp_path: Path, gate: bool, verdict: Verdict
) -> None:
    folder = tmp_path / "s"
    talk = asked().answer().close()
    write(folder, talk=talk)
    slow = Baseline(("a", "b", "c"), "acknowledgement", (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), gate)
    (folder / "evidence/baseline.json").write_bytes(msgspec.json.encode(slow))

    judgement = judge(sealed(folder))

    assert judgement.compared is not None
    assert judgement.compared.slower is True
    assert judgement.decision.verdict is verdict
    assert ("BASELINE" in {c.id for c in judgement.decision.criteria}) is gate
    assert "⚠️ Slower than before: average 100.0 ms against" in as_markdown(judgement)


def test_a_baseline_that_gates_and_cannot_be_told_never_approves(tmp_path: Path) -> None:
    folder = write(tmp_path / "s")
    (folder / "evidence/baseline.json").write_bytes(msgspec.json.encode(baseline(1.0, gate=True)))
    decision = judge(sealed(folder)).decision
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "1 of the 3 earlier sessions that are needed met all other criteria: 2 are missing" in decision.reason

    (folder / "evidence/baseline.json").write_bytes(b"{")
    assert "baseline.json is not whole" in judge(sealed(folder)).decision.reason


def test_only_approved_sessions_of_the_same_kind_are_a_baseline(tmp_path: Path) -> None:
    history = History(tmp_path)
    for number, talk in enumerate((asked().answer(), asked().started(), asked().answer()), 1):
        history.add(session(tmp_path, number, talk.close()))
    kept = history.sessions()

    found = baseline_of(kept, latency="delivery", jobs=1, gate=False)
    assert found.sessions == ("validation_session_1", "validation_session_3")
    assert baseline_of(kept, latency="acknowledgement", jobs=1, gate=False).sessions == ()
    assert baseline_of(kept, latency="delivery", jobs=2, gate=False).sessions == ()


def test_the_trend_shows_capacity_and_hostile_names_as_text(tmp_path: Path) -> None:
    history = History(tmp_path)
    for number in (1, 2):
        history.add(session(tmp_path, number))
    html = as_html(history.sessions(), Changed((("X-1", "<script>"),), (), ()), "slower <b>")

    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert "slower &lt;b&gt;" in html
    assert "users at a time" in html
    assert as_html(history.sessions()[:1], None) == ""
    assert sparkline([1.0, None, 3.0, 2.0]) == "▁ █▅"
    assert sparkline([50.1, 50.4, 50.2]) == "▁▁▁", "a bit of noise looks like a leak"


def test_the_command_shows_the_trend(tmp_path: Path) -> None:
    History(tmp_path / "reports").add(session(tmp_path / "reports", 1, no_thought().close()))
    session(tmp_path / "reports", 2)
    assert greenlight(tmp_path, "verdict", "reports/validation_session_2").code == 0

    ran = greenlight(tmp_path, "history", "--output-dir", "reports", fresh=True)
    nothing = greenlight(tmp_path, "history", "--output-dir", "elsewhere")

    assert (ran.code, ran.err) == (0, "")
    assert "2026-01-01 00:00  BLOCKED" in ran.out
    assert "2026-01-01 00:00  APPROVED" in ran.out
    assert f"fixed        LIFECYCLE-4 in '{NAME}'" in ran.out
    writes = "has no history; `greenlight run`, `greenlight load` and `greenlight monitor` write one"
    assert (nothing.code, writes in nothing.err) == (3, True)


def repeated(folder: Path, number: int, passes: int, times: int) -> Judgement:
    """A session in which one scenario passed so often."""
    lines: list[dict[str, Any]] = [{**SELECTED, "key": key_of_repeat(KEY, n), "repeat": n} for n in range(1, times + 1)]
    lines += [
        {**FINISHED, "key": key_of_repeat(KEY, n), "trace": "", "outcome": "passed" if n <= passes else "failed"}
        for n in range(1, times + 1)
    ]
    lines.append({**ENDED, "allure": [key_of_repeat(KEY, n) for n in range(1, times + 1)]})
    changes = {"session_id": f"validation_session_{number}", "repeat": times}
    return judge(write(folder / f"validation_session_{number}", *lines, session=changes))


def test_a_scenario_that_ran_several_times_is_one_result_and_its_worst(tmp_path: Path) -> None:
    judgement = repeated(tmp_path, 1, passes=4, times=5)

    (scenario,) = judgement.scenarios
    assert (scenario.key, str(scenario.outcome), scenario.passes, scenario.times) == (KEY, "failed", 4, 5)
    assert scenario.reason == "passed 4 of 5 times (95 % interval 38-96 %)"
    assert judgement.durations == {KEY: 2.5}
    assert judgement.decision.verdict is Verdict.BLOCKED
    assert "REPEATS" in judgement.decision.reason
    assert as_document(judgement)["execution_results"]["repeats"] == {
        "times": 5, "pass_hat": {"1": 0.8, "2": 0.6, "3": 0.4, "4": 0.2, "5": 0.0}, "always": 0, "sometimes": 1,
        "never": 0, "unstable": [
            {"scenario": NAME, "category": "functional", "passes": 4, "times": 5, "interval": [0.3755, 0.9638],
             "passed": "sometimes"}
        ],
    }  # fmt: skip
    steady = repeated(tmp_path, 2, passes=5, times=5)
    assert {c.id: str(c.status) for c in steady.decision.criteria}["REPEATS"] == "passed"


@pytest.mark.parametrize(
    ("before", "after", "code", "said"),
    [
        (
            (5, 5),
            (0, 5),
            1,
            "regression   'An answer, from question to end' of functional: 5 of 5 before, 0 of 5 after",
        ),
        ((5, 5), (4, 5), 2, "maybe noise"),
        ((4, 5), (5, 5), 0, "nothing passed less often"),
    ],
)
def test_two_sessions_are_compared(
    tmp_path: Path, before: tuple[int, int], after: tuple[int, int], code: int, said: str
) -> None:
    reports = tmp_path / "reports"
    for number, (passes, times) in enumerate((before, after), 1):
        History(reports).add(repeated(reports, number, passes, times))
    names = ("reports/validation_session_1", "validation_session_2")

    ran = greenlight(tmp_path, "history", "--output-dir", "reports", "compare", *names)
    other_order = greenlight(tmp_path, "history", "compare", "--output-dir", "reports", *names)

    assert (ran.code, ran.err) == (code, ""), ran.out
    assert said in ran.out
    assert (other_order.code, other_order.out) == (ran.code, ran.out)


def test_sessions_that_are_not_alike_are_named(tmp_path: Path) -> None:
    """That nothing passed less often says nothing of another target, and nothing of what did not run."""
    reports = tmp_path / "reports"
    before, after = (repeated(reports, number, 1, 1) for number in (1, 2))
    more = msgspec.structs.replace(before.scenarios[0], key="functional/other.feature:3", name="Another")
    elsewhere = msgspec.structs.replace(after.session, environment="elsewhere")
    History(reports).add(msgspec.structs.replace(before, scenarios=(*before.scenarios, more)))
    History(reports).add(msgspec.structs.replace(after, session=elsewhere))

    ran = greenlight(
        tmp_path, "history", "--output-dir", "reports", "compare", "validation_session_1", "validation_session_2"
    )

    assert (ran.code, ran.err) == (0, ""), ran.out
    assert "They judged different targets: by-hand and elsewhere\n" in ran.out
    assert "1 scenario of validation_session_1 neither passed nor failed in validation_session_2\n" in ran.out


def test_what_cannot_be_compared_is_named(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    History(reports).add(repeated(reports, 1, 1, 1))
    with sqlite3.connect(reports / HISTORY) as database:
        database.execute("DROP TABLE passed")
    database.close()

    unknown = greenlight(tmp_path, "history", "--output-dir", "reports", "compare", "nothing", "validation_session_1")
    earlier = greenlight(
        tmp_path, "history", "--output-dir", "reports", "compare", "validation_session_1", "validation_session_1"
    )

    assert unknown.code == 3
    assert "nothing: the history has no such session; the latest are validation_session_1" in unknown.err
    assert earlier.code == 3
    assert "`greenlight verdict FOLDER` keeps a session anew" in earlier.err
