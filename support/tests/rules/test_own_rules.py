"""Rules of a team's own on literal traces: what they see of a run, and what becomes of what they say."""

import itertools
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import greenlight_gate
import pytest
from greenlight_gate.findings import Severity
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.rules.own import Breach, OwnRule, SettledRun
from greenlight_gate.rules.registry import RULES, Rule

from support.tests.rules.talk import ANSWER, EPOCH_S, Talk, asked

SOURCE = "acme-rules 1.0, acme_rules:Noted"


class _Noted(OwnRule):
    """Notes each run, and says what it is told to say of it."""

    id = "ACME-1"
    severity = Severity.NORMAL
    requirement = "Every run is as the team wants it."

    def __init__(self) -> None:
        self.runs: list[SettledRun] = []

    def on_settled(self, run: SettledRun) -> Iterable[Breach]:
        self.runs.append(run)
        return ()


class _Objecting(_Noted):
    def on_settled(self, run: SettledRun) -> Iterable[Breach]:
        yield Breach("another answer", f"{run.answer} by {', '.join(run.tools)}")
        yield Breach("a later one", f"number {len(run.events)}", run.records[-1:])


def judged(talk: Talk, check: type[OwnRule]) -> TraceChecker:
    rule = Rule(check.id, check.severity, check.requirement, check, SOURCE)
    checker = TraceChecker(talk.profile, talk.budgets, EPOCH_S, rules={**RULES, rule.id: rule})
    for record in talk.records:
        checker.feed(record)
    checker.finish()
    return checker


def seen(talk: Talk) -> list[SettledRun]:
    runs: list[SettledRun] = []

    class Shared(_Noted):
        def __init__(self) -> None:
            self.runs = runs

    checker = judged(talk, Shared)
    assert checker.own_checks.failed == []
    return runs


def test_a_rule_sees_each_run_whole_once() -> None:
    (run,) = seen(asked().answer().thinking().close())

    assert (run.user, run.connection, run.run, run.thread) == ("Ada", "c1", "r1", "t1")
    assert (run.prompt, run.answer, run.tools) == ("What is the weather in Oslo?", ANSWER, ("weather",))
    kinds = [f"{each.event.kind} in {each.record}" for each in run.events]
    assert kinds == [
        "agent_started in 4", "agent_thinking in 5", "tool_executing in 6", "tool_completed in 7",
        "agent_completed in 8",
    ]  # fmt: skip
    assert run.is_complete
    assert run.records == (3, 8)


def test_a_run_that_did_not_end_is_seen_when_nothing_more_can_come() -> None:
    (run,) = seen(asked().started().close("nobody", None))

    assert (run.ended_by, run.answer, run.is_complete, len(run.events)) == (None, None, False, 1)


def test_a_request_that_the_suite_sent_to_be_refused_is_not_judged() -> None:
    talk = Talk().open().ask("q1", None, foreign="Bashir", thread="t9").frame({"type": "error", "code": "forbidden"})

    assert seen(talk.close()) == []


def test_what_a_rule_says_becomes_findings_of_its_own_id() -> None:
    first, second = [each for each in judged(asked().answer().close(), _Objecting).findings if each.rule == "ACME-1"]

    assert (first.requirement, first.severity) == ("Every run is as the team wants it.", Severity.NORMAL)
    assert (first.expected, first.actual) == ("another answer", f"{ANSWER} by weather")
    assert (first.user, first.run, first.evidence, second.evidence) == ("Ada", "r1", (3, 8), (8,))


def test_what_a_rule_says_is_bounded() -> None:
    class Endless(_Noted):
        def on_settled(self, run: SettledRun) -> Iterable[Breach]:
            return itertools.repeat(Breach("x", "y"))

    class Lengthy(_Noted):
        def on_settled(self, run: SettledRun) -> Iterable[Breach]:
            yield Breach("x", "y" * 10_000)

    (failed,) = judged(asked().answer().close(), Endless).own_checks.failed
    (finding,) = judged(asked().answer().close(), Lengthy).findings

    assert str(failed).endswith("failed: ValueError: one run has more than 1,000 breaches")
    assert len(finding.actual) == 4_000


def test_the_rule_in_the_guide_is_one() -> None:
    guide = (Path(greenlight_gate.__file__).parent / "bdd/README.md").read_text(encoding="utf-8")
    start = guide.index("    from collections.abc import Iterable")
    found: dict[str, Any] = {}
    exec(textwrap.dedent(guide[start : guide.index("\nIts package", start)]), found)  # the repository's own text
    short, long = (judged(asked().answer(result="rain " * times).close(), found["ShortAnswers"]) for times in (9, 90))

    assert [each.rule for each in short.findings] == []
    assert [f"{each.rule}: {each.actual}" for each in long.findings] == ["ACME-1: 450 of them"]


BAD: list[tuple[Any, str]] = [
    (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
    (SystemExit(0), "SystemExit: 0"),
    ("too long", "TypeError: on_settled has to return breaches with two texts, and 'too long' is none"),
    (Breach("x", "y", (99,)), "ValueError: the trace has 8 records, and a breach names (99,)"),
    (Breach("x", None), "TypeError: on_settled has to return breaches with two texts, and"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("said", "why"), BAD, ids=["raises", "ends the process", "no breach", "no record", "no text"])
def test_a_rule_that_fails_is_named_and_the_others_go_on(said: Any, why: str) -> None:
    class Broken(_Noted):
        def on_settled(self, run: SettledRun) -> Iterable[Breach]:
            if isinstance(said, BaseException):
                raise said
            return [said]

    checker = judged(asked().answer(result="no idea").close(), Broken)

    (failed,) = checker.own_checks.failed
    assert str(failed).startswith(f"the rule ACME-1 ({SOURCE}) failed: {why}")
    assert {each.rule for each in checker.findings} == {"CONTENT-4"}
