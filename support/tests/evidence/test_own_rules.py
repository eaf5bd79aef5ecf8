"""A session that was judged by rules of a team's own is judged again by the same ones, or not at all."""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.evidence.judge import Judgement, judge
from greenlight_gate.findings import Severity
from greenlight_gate.own_rules import GROUP
from greenlight_gate.report.run_report import as_document
from greenlight_gate.rules.own import Breach, OwnRule, SettledRun
from greenlight_gate.verdict.facts import Verdict

from support.tests.evidence.folders import ENDED, FINISHED, SELECTED, write


class Objects(OwnRule):
    """It objects to every answer, or fails where `FAILS`."""

    id = "ACME-1"
    severity = Severity.CRITICAL
    requirement = "Nobody says anything."
    fails = False

    def on_settled(self, run: SettledRun) -> Iterable[Breach]:
        if self.fails:
            raise LookupError("no such order")
        return [Breach("silence", str(run.answer))]


class Fails(Objects):
    fails = True


def judged_by(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, **recorded: Any) -> Judgement:
    """A session that was judged by ACME-1, where the class of this name is installed now; "" for none."""
    points = EntryPoints([EntryPoint("one", f"{__name__}:{name}", GROUP)] if name else [])
    monkeypatch.setattr("importlib.metadata.entry_points", points.select)
    rule = {
        "id": "ACME-1", "severity": "critical", "requirement": Objects.requirement, "source": f"{__name__}:Objects"
    }  # fmt: skip
    found = {**FINISHED, "outcome": "failed", "findings": 1} if name == "Objects" else FINISHED
    return judge(write(folder, SELECTED, found, ENDED, session={"own_rules": [{**rule, **recorded}]}))


def test_its_findings_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judgement = judged_by(tmp_path, "Objects", monkeypatch)

    assert judgement.decision.verdict is Verdict.BLOCKED
    assert judgement.decision.reason.startswith("ACME-1 (1 finding): expected silence, got There is rain in Oslo.")
    document = as_document(judgement)
    (finding,) = document["findings"]
    assert (finding["rule"], finding["requirement"]) == ("ACME-1", "Nobody says anything.")
    assert [each["id"] for each in document["validation_session"]["own_rules"]] == ["ACME-1"]


@pytest.mark.parametrize(
    ("name", "recorded", "why"),
    [
        ("", {}, f"the rule ACME-1 of the team's own is of {__name__}:Objects; it is not installed here"),
        ("Objects", {"source": "acme-rules 0.9"}, f"is of acme-rules 0.9; here it is of {__name__}:Objects"),
        (
            "Fails",
            {"source": f"{__name__}:Fails"},
            f"the suite's own fault: the rule ACME-1 ({__name__}:Fails) failed: LookupError: no such order",
        ),
        ("Missing", {}, f"the rules of the team's own cannot be judged: {__name__}:Missing: the rule cannot be loaded"),
    ],
    ids=["not installed", "another version", "fails", "cannot be loaded"],
)
def test_where_it_cannot_judge_nothing_is_approved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, recorded: dict[str, str], why: str
) -> None:
    decision = judged_by(tmp_path, name, monkeypatch, **recorded).decision

    (evidence,) = [criterion for criterion in decision.criteria if criterion.id == "EVIDENCE"]
    assert why in evidence.measured
    assert decision.verdict is not Verdict.APPROVED


def test_a_rule_that_was_installed_since_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints([EntryPoint("one", f"{__name__}:Objects", GROUP)])
    monkeypatch.setattr("importlib.metadata.entry_points", points.select)

    assert judge(write(tmp_path)).findings == ()
