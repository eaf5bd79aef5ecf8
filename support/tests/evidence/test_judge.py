"""An evidence folder is judged the same wherever and however often; what is missing in it never approves."""

import json
import shutil
from pathlib import Path

import pytest
from greenlight_gate.evidence.judge import NoEvidence, judge
from greenlight_gate.evidence.session_folder import Evidence
from greenlight_gate.report.run_report import write_report
from greenlight_gate.trace import Crowded, Stalled
from greenlight_gate.verdict.facts import ScenarioOutcome, Verdict
from greenlight_gate.verdict.memory_trend import MemorySamples, Sample

from support.tests.evidence.folders import ENDED, FINISHED, KEY, NAME, SELECTED, sealed, whole_answer, write
from support.tests.rules.talk import Talk, asked


def evidence_of(folder: Path) -> str:
    """What the criterion EVIDENCE says, of a verdict that must not be an approval."""
    judgement = judge(folder)
    assert judgement.decision.verdict is Verdict.INCONCLUSIVE
    return judgement.decision.criteria[-1].measured


def test_a_whole_session_is_approved(tmp_path: Path) -> None:
    judgement = judge(write(tmp_path))

    assert judgement.decision.verdict is Verdict.APPROVED
    assert [(s.key, s.name, s.outcome) for s in judgement.scenarios] == [(KEY, NAME, ScenarioOutcome.PASSED)]
    assert (judgement.observed.five_expected, judgement.observed.five_shown) == (1, 1)
    assert (judgement.observed.expected_events, judgement.observed.arrived_events) == (5, 5)


def test_judged_again_and_elsewhere_it_is_the_same_to_the_byte(tmp_path: Path) -> None:
    here = write(tmp_path / "here", talk=asked().started().thinking().close())
    first = write_report(judge(here), here).read_bytes()
    second = write_report(judge(here), here).read_bytes()
    there = Path(shutil.move(here, tmp_path / "there"))
    third = write_report(judge(there), there).read_bytes()

    assert first == second == third
    assert json.loads(first)["deployment_decision"]["verdict"] == "INCONCLUSIVE"


def test_what_the_trace_shows_counts_and_not_what_the_ledger_says(tmp_path: Path) -> None:
    silent = asked().started().timeout("end", 6.5, request="q1").close()
    passed = {**FINISHED, "findings": len(silent.findings())}

    judgement = judge(write(tmp_path, SELECTED, passed, ENDED, talk=silent))

    assert judgement.decision.verdict is Verdict.BLOCKED
    assert {each.finding.rule for each in judgement.findings} == {"LIFECYCLE-2", "TIMELINESS-2"}
    assert {(each.scenario, each.trace) for each in judgement.findings} == {(NAME, "traces/1.jsonl")}


@pytest.mark.parametrize(
    ("ledger", "said"),
    [
        ([SELECTED, FINISHED], "the run did not come to its end"),
        ([SELECTED, FINISHED, {**ENDED, "interrupted": "SIGTERM"}], "the run was interrupted (SIGTERM)"),
        ([SELECTED, FINISHED, {**ENDED, "fault": "no disk"}], "the suite itself failed: no disk"),
        ([SELECTED, FINISHED, {**ENDED, "unjudged": "it is ill"}], "the target cannot be judged: it is ill"),
        ([SELECTED, FINISHED, {**ENDED, "allure": []}], "Allure has 0 results, the ledger 1 scenario"),
        ([SELECTED, FINISHED, {**ENDED, "allure": [KEY, KEY]}], "Allure has 2 results, the ledger 1 scenario"),
        ([SELECTED, FINISHED, {**ENDED, "allure": ["x"]}], "Allure has 1 result, the ledger 1 scenario"),
        ([SELECTED, {**FINISHED, "findings": 2}, ENDED], f"'{NAME}' had 2 findings live and 0 in the replay"),
        ([SELECTED, {**FINISHED, "outcome": "splendid"}, ENDED], "1 line(s) of the ledger are not whole"),
        ([SELECTED, {**FINISHED, "trace": "traces/2.jsonl"}, ENDED], "2.jsonl cannot be read (No such file"),
        ([SELECTED, {**FINISHED, "trace": ""}, ENDED], "the scenario of 1.jsonl did not finish"),
        ([SELECTED, {**SELECTED, "key": "functional/b.feature:1"}, FINISHED, ENDED], "nothing is missing"),
        ([ENDED], "no scenario was selected"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, ledger: list[dict[str, object]], said: str) -> None:
    assert said in evidence_of(write(tmp_path, *ledger))


@pytest.mark.parametrize(
    ("traces", "said"), [(2, "the scenario of 3.jsonl did not finish"), (6, "nor did those of 2 more")]
)
def test_each_scenario_that_did_not_finish_is_named_and_counts(tmp_path: Path, traces: int, said: str) -> None:
    folder = write(tmp_path) / "evidence/traces"
    for number in range(2, 2 + traces):
        (folder / f"{number}.jsonl").write_bytes((folder / "1.jsonl").read_bytes())

    judgement = judge(sealed(tmp_path))

    assert said in judgement.decision.criteria[-1].measured
    assert judgement.observed.events == 5 * (1 + traces)


def test_a_torn_last_line_of_the_ledger(tmp_path: Path) -> None:
    path = write(tmp_path) / "evidence/ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-20])

    assert evidence_of(sealed(tmp_path)).startswith(
        "1 line(s) of the ledger are not whole; the run did not come to its end"
    )


@pytest.mark.parametrize("left", [0, 10, -7])
def test_a_trace_that_is_not_whole(tmp_path: Path, left: int) -> None:
    path = write(tmp_path) / "evidence/traces/1.jsonl"
    path.write_bytes(path.read_bytes()[:left])

    assert "1.jsonl is not whole (" in evidence_of(sealed(tmp_path))


@pytest.mark.parametrize(("left", "said"), [(0, "0 are left"), (3, "3 are left"), (-1, "are left")])
def test_a_trace_that_lost_whole_records(tmp_path: Path, left: int, said: str) -> None:
    records = len(whole_answer().records)
    folder = write(tmp_path, SELECTED, {**FINISHED, "records": records}, ENDED)
    assert judge(folder).decision.verdict is Verdict.APPROVED
    trace = folder / "evidence/traces/1.jsonl"
    header, *lines = trace.read_bytes().splitlines(keepends=True)

    trace.write_bytes(b"".join([header, *lines[:left]]))

    decision = judge(sealed(folder)).decision
    assert decision.verdict is not Verdict.APPROVED
    assert f"of {records} records of '{NAME}'" in str(decision)
    assert said in str(decision)


def test_a_ledger_that_is_gone(tmp_path: Path) -> None:
    (write(tmp_path) / "evidence/ledger.jsonl").unlink()

    assert "no scenario was selected; the run did not come to its end" in evidence_of(sealed(tmp_path))


@pytest.mark.parametrize("unreadable", [0, 1, 2])
def test_more_than_a_twentieth_unreadable_is_no_evidence(tmp_path: Path, unreadable: int) -> None:
    talk = asked().answer()
    for _ in range(20):
        talk.frame({"type": "pong", "nonce": "n"})
    for _ in range(unreadable):
        talk.frame({"type": "who_knows"})
    judgement = judge(write(tmp_path, talk=talk.close()))
    said = judgement.decision.criteria[-1].measured

    assert said == ("2 of 28 messages could not be read with the profile" if unreadable == 2 else "nothing is missing")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "evidence/session.json is missing"),
        (lambda path: path.write_text("{"), "evidence/session.json is not whole: "),
        (lambda path: path.write_text(path.read_text().replace("[frame]", "[fame]")), "the profile in its evidence "),
        (lambda path: path.write_text(path.read_text().replace('"thresholds"', '"limits"')), "is not whole: "),
    ],
    ids=["gone", "torn", "no-profile", "no-thresholds"],
)
def test_a_session_that_does_not_say_what_was_judged_is_undecided(tmp_path: Path, spoil: object, said: str) -> None:
    assert callable(spoil)
    spoil(write(tmp_path) / "evidence/session.json")
    sealed(tmp_path)

    judgement = judge(tmp_path)

    assert judgement.decision.verdict is Verdict.INCONCLUSIVE
    assert said in judgement.decision.reason
    assert [criterion.id for criterion in judgement.decision.criteria] == ["EVIDENCE"]
    assert write_report(judgement, tmp_path).read_bytes() == write_report(judge(tmp_path), tmp_path).read_bytes()


@pytest.mark.parametrize("name", ["empty", "absent", "a-file"])
def test_what_is_no_session(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a-file").touch()

    with pytest.raises(NoEvidence, match=r"expected a session folder with evidence/session\.json$"):
        judge(tmp_path / name)


def test_a_run_that_was_killed_in_a_scenario_keeps_what_it_saw(tmp_path: Path) -> None:
    judgement = judge(write(tmp_path, SELECTED, talk=whole_answer()))

    assert judgement.decision.verdict is Verdict.INCONCLUSIVE
    assert [scenario.outcome for scenario in judgement.scenarios] == [ScenarioOutcome.NOT_RUN]
    assert judgement.observed.events == 5


@pytest.mark.parametrize(("kb_a_run", "patterns"), [(0, []), (64, ["MEMORY_LEAK"])])
def test_a_backend_that_fills_up_while_it_is_watched_is_a_pattern(
    tmp_path: Path, kb_a_run: int, patterns: list[str]
) -> None:
    folder = write(tmp_path)
    samples = tuple(Sample(at=i / 2, rss_bytes=1e8 + i * 10 * kb_a_run * 1e3, done=i * 10.0) for i in range(40))
    Evidence(folder).watch(
        "soak", MemorySamples(scenario=KEY, kind="soak", unit="run", by="process 1", samples=samples)
    )

    judgement = judge(sealed(folder))

    assert [seen.pattern for seen in judgement.patterns] == patterns
    assert all("soak: leaks 64.0 KB a run" in seen.measured for seen in judgement.patterns)


@pytest.mark.parametrize("noted", [True, False])
def test_a_judge_that_was_frozen_blames_nobody_and_approves_nothing_that_it_lost(noted: bool, tmp_path: Path) -> None:
    talk = asked().started().thinking().wait(8.0)
    talk = (talk.add(Stalled, "", for_s=8.0) if noted else talk).close("server", 1011)
    finished = {**FINISHED, "findings": len(talk.findings())}
    judgement = judge(write(tmp_path, SELECTED, finished, ENDED, talk=talk))

    assert judgement.decision.verdict is (Verdict.INCONCLUSIVE if noted else Verdict.BLOCKED)
    said = f"in '{NAME}' the suite itself stood still for 8.0 s, so that LIFECYCLE-2 (1)"
    assert (said in judgement.decision.reason) is noted


def test_a_judge_that_was_frozen_and_lost_nothing_approves(tmp_path: Path) -> None:
    talk = asked().started().thinking().wait(8.0).add(Stalled, "", for_s=8.0)
    judgement = judge(write(tmp_path, talk=talk.executing().tool_done().completed().close()))

    assert judgement.decision.verdict is Verdict.APPROVED
    assert judgement.observed.five_shown == 1


@pytest.mark.parametrize(("busy", "verdict"), [(True, Verdict.INCONCLUSIVE), (False, Verdict.BLOCKED)])
def test_a_crowded_machine_makes_what_was_late_inconclusive_and_says_so(
    tmp_path: Path, *, busy: bool, verdict: Verdict
) -> None:
    why = "other programs used 62% of its CPU time"
    talk = Talk().add(Crowded, "", for_s=1.0, why=why) if busy else Talk()
    talk.open().ask().wait(6.0).answer().close()
    finished = {**FINISHED, "findings": len(talk.findings())}
    judgement = judge(write(tmp_path, SELECTED, finished, ENDED, talk=talk))

    assert judgement.decision.verdict is verdict
    said = f"in '{NAME}' this machine was busy: {why}, so that TIMELINESS-1 (1) cannot be judged; run again when"
    assert (said in judgement.decision.reason) is busy


def test_a_crowded_machine_on_which_nothing_was_late_approves(tmp_path: Path) -> None:
    talk = Talk().add(Crowded, "", for_s=1.0, why="other programs").open().ask().answer().close()

    assert judge(write(tmp_path, talk=talk)).decision.verdict is Verdict.APPROVED


def test_a_connection_that_was_waited_for_in_vain_on_a_crowded_machine_is_not_counted(tmp_path: Path) -> None:
    talk = Talk().add(Crowded, "", for_s=1.0, why="other programs").open().ask().answer()
    talk.close("nobody", None, "c2", during="handshake", user="Bashir", unanswered=True)
    judgement = judge(write(tmp_path, talk=talk))

    assert (judgement.observed.connections_tried, judgement.observed.connections_made) == (1, 1)
    assert judgement.decision.verdict is Verdict.INCONCLUSIVE
