"""Whatever a backend does, the real commands say what was expected and what came, and never approves."""

import re

import pytest

from support.tests.cli import cases
from support.tests.cli.cases import Case
from support.tests.cli.conftest import PATIENCE_S, Meetings
from support.tests.cli.process import REASONS, SECRET
from support.tests.hostile.conduct import ESCAPES

pytestmark = pytest.mark.timeout(PATIENCE_S + 20)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
ALL = [
    *cases.AT_THE_HEALTH_CHECK,
    *cases.AT_THE_DOOR,
    *cases.IN_THE_FRAMES,
    *cases.IN_EXCESS,
    *cases.IN_THE_CONVERSATION,
    *cases.BY_HTTP,
    *cases.BY_HTTP2,
]
EACH = [pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.is_slow else []) for case in ALL]
_RIGHT = Case("right", 0, fail_fast=False, more=REASONS)


def the(name: str) -> Case:
    return next(case for case in ALL if case.name == name)


@pytest.mark.parametrize("case", EACH)
def test_what_is_wrong_is_said(case: Case, meetings: Meetings) -> None:
    ran = meetings[case.name].result(PATIENCE_S).ran

    assert "Traceback" not in ran.out + ran.err
    assert not _UNPRINTABLE.search(ran.out + ran.err)
    assert ran.code == (min(case.code, 1) if case.is_bare else case.code), ran.out + ran.err
    assert ran.peak_mb < case.peak_mb
    if case.code == 3:
        assert ran.err.count("\n") == 1
        assert case.says in ran.err
        return
    assert case.is_bare or ran.err == ""
    assert ran.verdict == {1: "BLOCKED", 2: "INCONCLUSIVE"}[case.code]
    assert case.says in ran.report["deployment_decision"]["reason"]
    assert {rule for rule, piece in case.rules.items() if piece not in ran.found(rule)} == set()


@pytest.mark.parametrize(
    "case", [_RIGHT, cases.PROTOTYPES, cases.RIGHT_BY_HTTP, cases.RIGHT_BY_HTTP2], ids=lambda case: case.name
)
def test_the_same_server_is_approved_when_it_does_everything_right(case: Case, meetings: Meetings) -> None:
    ran = meetings[case.name].result(PATIENCE_S).ran

    assert (ran.code, ran.verdict, ran.report["findings"]) == (0, "APPROVED", [])


@pytest.mark.parametrize("case", EACH)
def test_no_credential_is_written_down(case: Case, meetings: Meetings) -> None:
    met = meetings[case.name].result(PATIENCE_S)
    signatures = {token.rpartition(".")[2] for token in met.tokens}
    secrets = [each.encode() for each in {SECRET, *met.tokens, *signatures}]
    files = [path for path in met.ran.folder.rglob("*") if path.is_file() and path.suffix != ".key"]

    assert {path.name: secret for path in files for secret in secrets if secret in path.read_bytes()} == {}


@pytest.mark.parametrize("case", [the("token_echoed")], ids=lambda case: case.name)
def test_an_echoed_token_is_marked_as_whose_it_is(case: Case, meetings: Meetings) -> None:
    met = meetings[case.name].result(PATIENCE_S)
    (trace,) = (met.ran.session / "evidence/traces").iterdir()
    frames = [path for path in (met.ran.folder / "allure-results").iterdir() if b"[token of Ada]" in path.read_bytes()]

    assert met.tokens
    assert trace.read_text("utf-8").count("[token of Ada]") == 3
    assert frames


@pytest.mark.parametrize("case", [the("escapes")], ids=lambda case: case.name)
def test_hostile_text_is_shown_and_does_nothing(case: Case, meetings: Meetings) -> None:
    ran = meetings[case.name].result(PATIENCE_S).ran
    tables = [path.read_text("utf-8") for path in (ran.folder / "allure-results").glob("*.txt")]
    log = (ran.session / "validation_execution.log").read_text("utf-8")
    everything = [
        *(ran.folder / "allure-results").iterdir(),
        *ran.session.rglob("monitoring/*.*"),
        *ran.session.glob("*.*"),
    ]
    reports = [path for path in everything if path.is_file() and path.suffix != ".png"]

    assert {path.name for path in reports if _UNPRINTABLE.search(path.read_text("utf-8"))} == set()
    assert any("\\x1b[31mred" in table for table in tables)
    assert [text for text in (*tables, log) if _UNPRINTABLE.search(text)] == []
    assert "\nINJECTED" not in "".join((*tables, log, ran.out))
    assert ESCAPES not in (ran.session / "comprehensive_validation_report.json").read_text("utf-8")


@pytest.mark.parametrize("case", [the("path_tricks")], ids=lambda case: case.name)
def test_ids_never_become_paths(case: Case, meetings: Meetings) -> None:
    ran = meetings[case.name].result(PATIENCE_S).ran
    traces = [path.name for path in (ran.session / "evidence/traces").iterdir()]

    assert traces == ["0001-functional-1-work-began-feature-7.jsonl"] * len(traces) or len(traces) > 1
    assert [path for path in ran.folder.rglob("*") if "greenlight-was-here" in path.name] == []
