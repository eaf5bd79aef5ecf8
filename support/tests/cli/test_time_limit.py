"""What could go on for ever has an end: judging is bounded, and counts in the time limit of a run."""

import json
from pathlib import Path

from greenlight_gate.evidence.judge import judge

from support.tests.cli.process import greenlight
from support.tests.evidence.folders import PROFILE_TOML, write
from support.tests.rules.talk import asked

# Doubles its work with each letter: forty of them keep it busy for years.
ENDLESS = '[[ignore]]\nwhen = { type = { regex = "^(a+)+$" } }\nbecause = "never mind"\n'


def test_a_regular_expression_that_does_not_come_to_its_end_is_inconclusive(tmp_path: Path) -> None:
    session = write(
        tmp_path / "session", talk=asked().frame({"type": "a" * 40 + "!"}).answer().close(),
        session={"profile_toml": PROFILE_TOML + ENDLESS},
    )  # fmt: skip

    ran = greenlight(tmp_path, "verdict", str(session), "--timeout", "1", "--ci-mode")
    report = json.loads((session / "comprehensive_validation_report.json").read_bytes())

    assert (ran.code, ran.out.splitlines()[0]) == (2, "VALIDATION_RESULT=INCONCLUSIVE"), ran.err
    assert "judging the evidence took longer than 1 s" in report["deployment_decision"]["reason"]


def test_the_same_expression_on_what_it_fits_is_judged(tmp_path: Path) -> None:
    session = write(
        tmp_path / "session", talk=asked().frame({"type": "aaa"}).answer().close(),
        session={"profile_toml": PROFILE_TOML + ENDLESS},
    )  # fmt: skip

    assert judge(session).decision.verdict == "APPROVED"
