"""The verdict as JSON lines: what a program needs to mend a backend stands in each, and nothing of it is a secret."""

import json
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from greenlight_gate.cli.command_line import parser
from greenlight_gate.client.canary_factory import canary_of
from greenlight_gate.evidence.judge import judge
from greenlight_gate.report.json_lines import TargetOptions, as_lines, unjudged
from greenlight_gate.report.schemas import schemas
from greenlight_gate.rules.engine.canary import HALF

from support.tests.evidence.folders import ENDED, FINISHED, KEY, NAME, SELECTED, sealed, write
from support.tests.rules.talk import ANSWER, Talk, asked

OTHER = {**SELECTED, "key": "functional/b.feature:1", "name": "Another one"}
UNMET = {
    **FINISHED,
    "key": OTHER["key"],
    "outcome": "failed",
    "reason": "It was\x1b[2J late.",
    "trace": "",
    "rule": "X-1",
}
BROKEN = asked().started().thinking().completed(result="It is dry.").close("server", 1011)
LINE = jsonschema.Draft202012Validator(schemas()["json-lines"])
MINE = TargetOptions("my targets/a.toml", ("late=1",))


def folder_of(folder: Path, talk: Talk, *more: dict[str, Any]) -> Path:
    """A session with this conversation in one scenario, and what the ledger has of others."""
    finished = {**FINISHED, "outcome": "failed", "findings": len(talk.findings())}
    others = [OTHER] if more else []
    ended = {**ENDED, "allure": [KEY, *(each["key"] for each in others)]}
    return write(folder, SELECTED, *others, finished, *more, ended, talk=talk)


def lines_of(folder: Path, target: TargetOptions = MINE) -> list[dict[str, Any]]:
    """The lines of a session, each as its schema says, and with commands that exist."""
    judgement = judge(folder)
    decision = judgement.decision
    lines = [json.loads(line) for line in as_lines(judgement, folder, target, decision.verdict, decision.reason)]
    for line in lines:
        LINE.validate(line)
        for command in filter(None, (line["next"], line["again"])):
            parser().parse_args(shlex.split(command)[1:])
    return lines


def test_a_finding_has_all_that_is_needed_to_mend_it(tmp_path: Path) -> None:
    session = folder_of(tmp_path / "my session", BROKEN)

    found = [line for line in lines_of(session) if line["kind"] == "finding"]
    dry = next(line for line in found if line["rule"] == "CONTENT-4")

    excerpt, causes = dry.pop("excerpt"), dry.pop("likely_causes")
    assert dry == {
        "kind": "finding", "rule": "CONTENT-4", "severity": "critical", "times": 1,
        "requirement": "The answer contains what the prompt expects. It is no echo and no fallback text, and "
        "holds nothing of a stopped answer.",
        "expected": "an answer with 'rain'", "actual": "'It is dry.'", "user": "Ada", "connection": "c1", "run": "r1",
        "scenario": NAME, "feature": f"features/{KEY}", "follows": "", "waived": "", "excerpt_missing": "",
        "evidence": {"trace": "traces/1.jsonl", "records": [3, 6]},
        "next": f"greenlight verdict --verbose {shlex.quote(str(session))}",
        "again": "greenlight run --environment 'my targets/a.toml' --defect late=1 --categories functional "
        "--format json-lines",
    }  # fmt: skip
    assert "a fallback text is sent" in causes
    assert [(row["n"], row["what"], row["marked"]) for row in excerpt] == [
        (1, "connected", False), (2, "ready", False), (3, "-> start", True), (4, "agent_started", False),
        (5, "agent_thinking", False), (6, "agent_completed", True), (7, "closed", False),
    ]  # fmt: skip
    assert (excerpt[5]["who"], excerpt[5]["text"], excerpt[4]["frame"]) == ("Ada", "It is dry.", "")
    assert json.loads(excerpt[5]["frame"])["type"] == "agent_completed"


def test_what_failed_without_a_finding_and_what_is_not_met_has_a_line_and_the_verdict_is_last(tmp_path: Path) -> None:
    session = folder_of(tmp_path, BROKEN, UNMET)
    lines = lines_of(session)

    kinds = list(dict.fromkeys(line["kind"] for line in lines))
    assert kinds == ["finding", "scenario", "criterion", "verdict"]
    (unmet,) = [line for line in lines if line["kind"] == "scenario"]
    assert (unmet["scenario"], unmet["feature"], unmet["outcome"], unmet["reason"], unmet["rule"]) == (
        "Another one", "features/functional/b.feature:1", "failed", r"It was\x1b[2J late.", "X-1"
    )  # fmt: skip
    criteria = {line["criterion"]: line["status"] for line in lines if line["kind"] == "criterion"}
    assert (criteria["SCENARIOS"], "EVIDENCE" in criteria) == ("failed", False)
    last = lines[-1]
    found = [line for line in lines if line["kind"] == "finding"]
    assert (last["verdict"], last["scope"], last["findings"]) == ("BLOCKED", "partial", len(found))
    assert last["rules"]["CONTENT-4"] == 1
    assert last["session"] == str(session)
    assert last["next"] == found[0]["next"]


def test_an_approval_is_one_line(tmp_path: Path) -> None:
    (only,) = lines_of(write(tmp_path))

    assert (only["kind"], only["verdict"], only["next"], only["findings"]) == ("verdict", "APPROVED", "", 0)


def test_the_first_findings_of_all_rules_come_first_and_later_ones_have_no_excerpt(tmp_path: Path) -> None:
    talk = Talk().open()
    for number in range(12):
        of = {"request": f"q{number}", "run": f"r{number}", "thread": f"t{number}"}
        talk = talk.ask(of["request"]).started(**of).completed(**of, result="It is dry.")
    found = [line for line in lines_of(folder_of(tmp_path, talk.close())) if line["kind"] == "finding"]

    rules = [line["rule"] for line in found]
    first = list(dict.fromkeys(rules))
    assert rules[: len(first)] == first
    often = [line for line in found if line["rule"] == max(first, key=rules.count)]
    assert len(often) > 10
    assert {line["times"] for line in often} == {len(often)}
    assert [bool(line["excerpt"]) for line in often] == [place < 10 for place in range(len(often))]
    assert often[-1]["excerpt_missing"] == "only the first 10 findings of a rule have one"


def test_a_session_alone_knows_no_file_of_its_target(tmp_path: Path) -> None:
    again = {line["again"] for line in lines_of(folder_of(tmp_path, BROKEN), TargetOptions())}

    assert again == {"greenlight run --environment FILE.toml --categories functional --format json-lines"}


def test_a_canary_is_named_and_what_acts_on_a_terminal_is_escaped(tmp_path: Path) -> None:
    canary = canary_of("Bashir")
    talk = asked().started().thinking().completed(result=f"{ANSWER} \x1b[2J{canary}").close()
    lines = lines_of(folder_of(tmp_path, talk))

    text = json.dumps(lines, ensure_ascii=False)
    assert "canary of Bashir" in text
    assert HALF.decode() not in text.lower()
    assert [char for char in text if not char.isprintable()] == []


def test_a_trace_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    session = folder_of(tmp_path, BROKEN)
    judgement = judge(session)
    (session / "evidence/traces/1.jsonl").unlink()
    lines = [json.loads(line) for line in as_lines(judgement, session, MINE, "BLOCKED", "")]

    assert lines[0]["excerpt"] is None
    assert lines[0]["excerpt_missing"].startswith("the trace cannot be read: ")


def test_evidence_that_was_changed_is_no_approval(tmp_path: Path) -> None:
    session = write(tmp_path)
    (session / "evidence/measurements.json").write_text("{}", encoding="utf-8")
    criterion, last = lines_of(session)

    assert (criterion["criterion"], criterion["status"], last["verdict"]) == (
        "EVIDENCE", "inconclusive", "INCONCLUSIVE"
    )  # fmt: skip
    assert last["next"] == "greenlight run --environment 'my targets/a.toml'"
    sealed(session)


def test_a_mistake_is_one_line() -> None:
    line = json.loads(unjudged("MISCONFIGURED", "no.toml\x1b: none"))

    LINE.validate(line)
    assert (line["kind"], line["verdict"], line["reason"]) == ("verdict", "MISCONFIGURED", r"no.toml\x1b: none")


@pytest.mark.parametrize("change", [{"kind": "hint"}, {"next": 1}, {"verdict": "GREEN"}])
def test_the_schema_refuses_other_lines(tmp_path: Path, change: dict[str, Any]) -> None:
    (line,) = lines_of(write(tmp_path))

    with pytest.raises(jsonschema.ValidationError):
        LINE.validate({**line, **change})
