"""Waivers in the evidence of a session, judged by the day on which it began."""

import html
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from greenlight_gate.cli import allure_report
from greenlight_gate.cli.views import judgement as judgement_view
from greenlight_gate.evidence.judge import Judgement, judge
from greenlight_gate.report import ci_summary, ctrf, html_page
from greenlight_gate.report.ctrf import as_ctrf
from greenlight_gate.report.headline import causes
from greenlight_gate.report.json_lines import TargetOptions, as_lines
from greenlight_gate.report.junit import as_junit
from greenlight_gate.report.run_report import as_document
from greenlight_gate.verdict.criteria import Status
from greenlight_gate.verdict.facts import Verdict

from support.tests.evidence.folders import ENDED, FINISHED, KEY, NAME, SELECTED, write
from support.tests.rules.talk import Talk, asked

# How each place shows the state of a criterion.
STATES = (allure_report._STATUS, judgement_view._MARKS, ci_summary._SIGNS, html_page._STATUS, ctrf._STATUS_OF_CRITERION)
OTHER = "functional/answers.feature:20"
# The session began on 2026-01-01.
LAST, PAST = "2026-01-01", "2025-12-31"


def late_event() -> Talk:
    return asked().answer().thinking().close()


def session(folder: Path, *waivers: dict[str, Any], strict: bool = False, rule: str = "") -> Judgement:
    """One scenario has failed: with a finding of LIFECYCLE-3, and a step that named `rule`; another one has passed."""
    selected = {**SELECTED, "key": OTHER, "name": "Another"}
    passed = {**FINISHED, "key": OTHER, "trace": ""}
    failed = {**FINISHED, "outcome": "failed", "reason": "LIFECYCLE-3: too late", "findings": 1, "rule": rule}
    target = {"waivers": list(waivers), "strict_waivers": strict}
    ended = {**ENDED, "allure": [KEY, OTHER]}
    return judge(write(folder, SELECTED, selected, failed, passed, ended, talk=late_event(), session=target))


def waiver(rule: str = "LIFECYCLE-3", until: str = LAST, **more: str) -> dict[str, Any]:
    return {"rule": rule, "because": "it is mended in March", "owner": "Ada", "until": until, **more}


def test_what_is_waived_is_shown_everywhere_and_does_not_block(tmp_path: Path) -> None:
    judgement = session(tmp_path, waiver(scenario=NAME))
    said = f"LIFECYCLE-3 in '{NAME}' until 2026-01-01 (Ada: it is mended in March)"

    assert judgement.decision.verdict is Verdict.APPROVED, judgement.decision.reason
    assert judgement.decision.reason.startswith(f"1 finding waived: {said}. ")
    (cause,) = causes(judgement)
    assert str(cause).endswith(", once, waived (LIFECYCLE-3)")
    document = as_document(judgement)
    assert [each["waived"] for each in document["findings"]] == [said]
    assert document["execution_results"]["categories"]["functional"] == {
        "passed": 1, "failed": 0, "waived": 1, "not_exercised": 0
    }  # fmt: skip
    (waived,) = document["waivers"]
    assert (waived["state"], waived["findings"], waived["waiver"]["until"]) == ("applied", 1, "2026-01-01")
    junit = ET.fromstring(as_junit(judgement))
    assert junit.get("failures") == "0"
    assert [each.get("message") for each in junit.iter("skipped")] == [f"waived: {said}"]
    results = as_ctrf(judgement)["results"]
    assert (results["summary"]["failed"], results["summary"]["skipped"]) == (0, 2)
    assert next(each["message"] for each in results["tests"] if each["rawStatus"] == "waived") == f"waived: {said}"
    lines = [json.loads(line) for line in as_lines(judgement, tmp_path, TargetOptions(), "APPROVED", "")]
    assert [(each["kind"], each.get("waived")) for each in lines] == [("finding", said), ("verdict", None)]
    assert lines[-1]["next"] == ""
    page = html_page.render(judgement, tmp_path, ())
    assert f"Waived: {said}. " in html.unescape(page)
    assert "and waived</span>" in page
    assert "Every waiver is in date" in page


def test_however_much_is_waived_a_summary_says_that_a_part_is_no_release_decision(tmp_path: Path) -> None:
    judgement = session(tmp_path, {**waiver(), "because": "it is\nknown " * 100})

    assert judgement.decision.verdict is Verdict.APPROVED
    assert "This is not a release decision" in judgement.decision.reason.splitlines()[0]
    assert "This is not a release decision" in ci_summary.as_markdown(judgement)


ROWS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("expired", waiver(until=PAST), {}, "1 waiver expired: LIFECYCLE-3 until 2025-12-31"),
    ("another scenario", waiver(scenario="Another"), {}, "1 waiver stale: LIFECYCLE-3 in 'Another'"),
    ("another rule", waiver("CONTENT-2"), {}, "LIFECYCLE-3 (1 finding): expected"),
    ("its step demanded more", waiver(), {"rule": "CONTENT-4"}, "1 finding waived: LIFECYCLE-3 until"),
]


@pytest.mark.parametrize(("used", "how", "said"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_all_else_blocks(tmp_path: Path, used: dict[str, Any], how: dict[str, Any], said: str) -> None:
    decision = session(tmp_path, used, **how).decision

    assert decision.verdict is Verdict.BLOCKED
    assert decision.reason.startswith(said)


def test_what_a_step_demands_is_waived_by_its_rule(tmp_path: Path) -> None:
    assert session(tmp_path, waiver(), waiver("CONTENT-4"), rule="CONTENT-4").decision.verdict is Verdict.APPROVED


def test_a_stale_one_blocks_where_that_is_asked_for(tmp_path: Path) -> None:
    unneeded = waiver("CONTENT-2", scenario="Another")

    assert session(tmp_path / "usual", waiver(), unneeded).decision.verdict is Verdict.APPROVED
    assert session(tmp_path / "strict", waiver(), unneeded, strict=True).decision.verdict is Verdict.BLOCKED


@pytest.mark.parametrize("states", STATES)
def test_every_state_of_a_criterion_is_shown(states: dict[Status, str]) -> None:
    assert set(states) == set(Status)


@pytest.mark.parametrize(
    ("rules", "verdict"), [(["LIFECYCLE-3"], "BLOCKED"), (["LIFECYCLE-3", "CONTENT-4"], "APPROVED")]
)
def test_each_time_that_a_scenario_ran_has_to_be_covered(tmp_path: Path, rules: list[str], verdict: str) -> None:
    again, other = f"{KEY}#2", {**SELECTED, "key": OTHER, "name": "Another"}
    lines: list[dict[str, Any]] = [
        SELECTED, {**SELECTED, "key": again, "repeat": 2}, other,
        {**FINISHED, "outcome": "failed", "findings": 1},
        {**FINISHED, "key": again, "outcome": "failed", "trace": "", "rule": "CONTENT-4"},
        {**FINISHED, "key": OTHER, "trace": ""}, {**ENDED, "allure": [KEY, again, OTHER]},
    ]  # fmt: skip
    target = {"waivers": [waiver(rule) for rule in rules], "repeat": 2}
    judgement = judge(write(tmp_path, *lines, talk=late_event(), session=target))

    assert str(judgement.decision.verdict) == verdict, judgement.decision.reason


@pytest.mark.parametrize(
    ("second", "verdict"), [("broken", "INCONCLUSIVE"), ("not_exercised", "APPROVED"), ("passed", "APPROVED")]
)
def test_a_failure_that_is_waived_hides_no_time_of_which_nothing_is_known(
    tmp_path: Path, second: str, verdict: str
) -> None:
    again, other = f"{KEY}#2", {**SELECTED, "key": OTHER, "name": "Another"}
    lines: list[dict[str, Any]] = [
        SELECTED, {**SELECTED, "key": again, "repeat": 2}, other,
        {**FINISHED, "outcome": "failed", "findings": 1},
        {**FINISHED, "key": again, "outcome": second, "trace": "", "reason": "a step raised"},
        {**FINISHED, "key": OTHER, "trace": ""}, {**ENDED, "allure": [KEY, again, OTHER]},
    ]  # fmt: skip
    judgement = judge(write(tmp_path, *lines, talk=late_event(), session={"waivers": [waiver()], "repeat": 2}))

    assert str(judgement.decision.verdict) == verdict, judgement.decision.reason
