"""The verdict on a load as a table: literal facts in, the whole decision out. It approves no release."""

from typing import Any

import msgspec
import pytest
from greenlight_gate.events import FIVE
from greenlight_gate.findings import Finding, Severity
from greenlight_gate.measure.load_result import LoadResult, Offence
from greenlight_gate.measure.thresholds import Thresholds
from greenlight_gate.verdict.criteria import LOAD, LoadOfScenario, gaps_of
from greenlight_gate.verdict.decision import decide
from greenlight_gate.verdict.facts import Facts, Observed, Verdict
from greenlight_gate.verdict.failure_patterns import occurrence
from greenlight_gate.verdict.load_verdict import Workload, excused

from support.tests.verdict.test_criteria import of
from support.tests.verdict.test_decision import statuses

WORKLOAD = Workload(
    users=10, arrival="closed", rate=0.0, poisson=False, duration_s=None, runs_per_user=20, think_s=0.0, ramp_s=0.0,
    hold_s=0.0, ramp_down_s=0.0, prompts=("remember", "recall", "with_tool"), judges_latency=False,
)  # fmt: skip
WHOLE: dict[str, Any] = {
    "users": 10, "connections_tried": 10, "connections_made": 10, "asked": 200, "runs": 200, "events": 990,
    "messages": 1000, "expected_events": 990, "arrived_events": 990, "five_expected": 198, "five_shown": 198,
    "kinds": tuple(FIVE), "canaries_expected": 10, "canaries_seen": 10, "delivery": of(5.0), "raw": of(5.0),
}  # fmt: skip
SLOW = occurrence("SUSTAINED_HIGH_LATENCY", "150 ms on average for 20 s", (0.0, 20.0))
REFUSED = occurrence("CONNECTION_INSTABILITY", "0 connections lost, 4 refused, of 8 attempts", (0.0, 1.0))
USUAL = ("RULES", "COMPLETENESS", "SUCCESS", "ISOLATION", "PATTERNS", "EVIDENCE")


def offence(rule: str, actual: str = "that") -> Offence:
    return Offence(Finding(rule, Severity.NORMAL, "A promise.", "this", actual), f"load/load-{rule}-1.jsonl")


def found(rule: str, times: int) -> dict[str, Any]:
    return {"counts": {rule: times}, "offences": [offence(rule)]}


def facts(*summaries: LoadResult, judges_latency: bool = False, **changes: Any) -> Facts:
    loads = tuple(LoadOfScenario(LOAD, LOAD, str(WORKLOAD), each, fast=judges_latency) for each in summaries)
    given: dict[str, Any] = {
        "findings": tuple(each.finding for load in loads for each in load.summary.convicting()), "gaps": (),
        "absent": {"authentication": "asks nobody", "isolation": "a single persona"}, **changes,
    }  # fmt: skip
    return Facts(
        wanted=(), tags="", scenarios=(), observed=Observed(), accepted={}, loads=loads,
        workload=msgspec.structs.replace(WORKLOAD, judges_latency=judges_latency), **given,
    )  # fmt: skip


def of_a_load(*, judges_latency: bool = False, gaps: tuple[str, ...] = (), patterns: Any = (), **values: Any) -> Facts:
    return facts(LoadResult(**{**WHOLE, **values}), judges_latency=judges_latency, gaps=gaps, patterns=patterns)


def test_an_approval_as_a_whole_says_that_it_approves_no_release() -> None:
    decision = decide(of_a_load())

    assert (decision.verdict, decision.verdict.exit_code) == (Verdict.APPROVED, 0)
    assert decision.reason == (
        "Load of 10 users, 20 requests each: 990 events of 200 runs were checked, without findings. Examined: RULES, "
        "COMPLETENESS, SUCCESS, ISOLATION, PATTERNS, EVIDENCE. Latency was not judged: no threshold was given. A "
        "load approves no release."
    )
    assert [(c.id, c.threshold, c.measured, c.samples, c.status.value) for c in decision.criteria] == [
        ("RULES", "0 findings", "no findings", 990, "passed"),
        ("COMPLETENESS", "100 %", "198 of 198 answers", 198, "passed"),
        ("SUCCESS", "under load >= 99 %", "100.00 % of 1000 under load", 1000, "passed"),
        ("ISOLATION", "0", "0; 10 of 10 users received their own canary", 10, "passed"),
        ("PATTERNS", "0 critical", "0 critical, 0 others", 1000, "passed"),
        ("EVIDENCE", "all", "nothing is missing", 1, "passed"),
    ]


@pytest.mark.parametrize(
    ("most", "values", "status", "measured"),
    [
        (0.0, {}, "passed", "0.00 % of 200 requests"),
        (1.0, {"runs": 199, "refused_requests": 1, "failed_runs": 1}, "passed",
         "1.00 % of 200 requests: 1 failed, 1 refused, 0 without an end"),
        (1.0, {"runs": 197}, "failed", "1.50 % of 200 requests: 0 failed, 0 refused, 3 without an end"),
        (1.0, {"runs": 197, "busy": 0.99}, "inconclusive",
         "1.50 % of 200 requests: 0 failed, 0 refused, 3 without an end; the load generator was 99% busy (85% are "
         "allowed)"),
        (1.0, {"runs": 197, "failed_runs": 3, "busy": 0.99}, "failed",
         "3.00 % of 200 requests: 3 failed, 0 refused, 3 without an end"),
        (1.0, {"runs": 197, "refused_requests": 2, "busy": 0.99}, "inconclusive",
         "1.50 % of 200 requests: 0 failed, 2 refused, 1 without an end; the load generator was 99% busy (85% are "
         "allowed)"),
        (1.0, {"runs": 197, "failed_runs": 3, "serves_model": True}, "failed",
         "3.00 % of 200 requests: 3 failed, 0 refused, 3 without an end"),
        (1.0, {"runs": 200, "failed_runs": 3, "serves_model": True, "busy": 0.99}, "inconclusive",
         "1.50 % of 200 requests: 3 failed, 0 refused, 0 without an end; the load generator was 99% busy (85% are "
         "allowed)"),
        (1.0, {"runs": 0, "asked": 0}, "inconclusive", "0.00 % of 0 requests"),
    ],
)  # fmt: skip
def test_failed_runs_are_judged_where_there_is_a_threshold(
    most: float, values: dict[str, Any], status: str, measured: str
) -> None:
    decision = decide(msgspec.structs.replace(of_a_load(**values), thresholds=Thresholds(failed_runs_percent=most)))

    (criterion,) = [each for each in decision.criteria if each.id == "FAILURES"]
    assert (criterion.threshold, criterion.measured, criterion.status.value) == (f"<= {most:g} %", measured, status)
    assert "FAILURES" not in statuses(decide(of_a_load(**values)))


@pytest.mark.parametrize("busy", [{"busy": 0.99}, {"crowded": "other programs used 62%"}])
def test_a_wrong_answer_accuses_nobody_where_the_suites_own_model_may_have_been_too_slow(busy: dict[str, Any]) -> None:
    both = decide(with_gaps(LoadResult(**{**WHOLE, **found("CONTENT-4", 2), **busy, "serves_model": True})))
    assert both.verdict is Verdict.INCONCLUSIVE
    assert "so that CONTENT-4 (2) cannot be judged" in both.reason
    for idle in (busy, {"serves_model": True}):
        assert decide(with_gaps(LoadResult(**{**WHOLE, **found("CONTENT-4", 2), **idle}))).verdict is Verdict.BLOCKED


def with_gaps(summary: LoadResult) -> Facts:
    given = facts(summary)
    return msgspec.structs.replace(given, gaps=tuple(gaps_of(given.loads)))


@pytest.mark.parametrize(
    ("idle", "busy", "status"),
    [
        ({"runs": 150}, {}, "failed"),
        ({"failed_runs": 18}, {"asked": 2000, "runs": 2000}, "failed"),
        ({}, {"runs": 150}, "inconclusive"),
        ({"failed_runs": 2}, {}, "passed"),
    ],
)
def test_a_busy_generator_excuses_the_failed_requests_of_its_own_load_only(
    idle: dict[str, Any], busy: dict[str, Any], status: str
) -> None:
    both = LoadResult(**{**WHOLE, **idle}), LoadResult(**{**WHOLE, "busy": 0.99, **busy})
    decision = decide(msgspec.structs.replace(facts(*both), thresholds=Thresholds(failed_runs_percent=1.0)))

    (criterion,) = [each for each in decision.criteria if each.id == "FAILURES"]
    assert (criterion.status.value, "85% are allowed" in criterion.measured) == (status, status == "inconclusive")


def test_a_load_says_its_stages() -> None:
    rising = msgspec.structs.replace(WORKLOAD, runs_per_user=None, duration_s=70.0, stages=((10.0, 5.0), (60.0, 5.0)))
    assert str(rising) == "10 users in stages of users who ask (10 s to 5, 60 s to 5), 70 s"
    rate = msgspec.structs.replace(rising, arrival="open")
    assert str(rate) == "10 users in stages of requests a second (10 s to 5, 60 s to 5), 70 s"


LOSSES = {"arrived_events": 900, **found("TIMELINESS-1", 40)}
TABLE: list[tuple[str, Facts, dict[str, str | None]]] = [
    ("a finding", of_a_load(**found("CONTENT-5", 1)), {"RULES": "failed"}),
    ("single losses", of_a_load(arrived_events=985, five_shown=197, **found("LIFECYCLE-2", 1)), {}),
    ("many losses", of_a_load(arrived_events=900, five_shown=180, **found("LIFECYCLE-2", 18)),
     {"RULES": "failed", "SUCCESS": "failed", "COMPLETENESS": "failed"}),
    ("late, and the generator as well", of_a_load(busy=0.9, **found("TIMELINESS-2", 40)), {}),
    ("lost, and the generator late", of_a_load(busy=0.9, **LOSSES), {"SUCCESS": "inconclusive"}),
    ("lost, and the generator in time", of_a_load(**LOSSES), {"RULES": "failed", "SUCCESS": "failed"}),
    ("a leak", of_a_load(**found("ISOLATION-1", 1)), {"RULES": "failed", "ISOLATION": "failed"}),
    ("a canary of their own that nobody saw", of_a_load(canaries_seen=9),
     {"ISOLATION": "inconclusive", "EVIDENCE": "inconclusive"}),
    ("no canary in play", of_a_load(canaries_expected=0, canaries_seen=0), {"ISOLATION": None}),
    ("no request that needs all five", of_a_load(five_expected=0, five_shown=0), {"COMPLETENESS": None}),
    ("slow without a threshold", of_a_load(delivery=of(500), patterns=(SLOW,)), {}),
    ("slow for a while, with a threshold", of_a_load(judges_latency=True, patterns=(SLOW,)),
     {"LATENCY": "passed", "PATTERNS": "failed"}),
    ("slow on average, with a threshold", of_a_load(judges_latency=True, raw=of(500)), {"LATENCY": "failed"}),
    ("fast, with a threshold", of_a_load(judges_latency=True), {"LATENCY": "passed"}),
    ("slow, but the generator was busy", of_a_load(judges_latency=True, delivery=of(500), busy=0.9),
     {"LATENCY": "inconclusive"}),
    ("nothing timed, with a threshold", of_a_load(judges_latency=True, raw=None, delivery=None),
     {"LATENCY": "inconclusive"}),
    ("a critical pattern", of_a_load(patterns=(REFUSED,)), {"PATTERNS": "failed"}),
    ("an interruption", of_a_load(interrupted=True), {"EVIDENCE": "inconclusive"}),
    ("a shard that died", of_a_load(lost=("shard 1 of 2 died",)), {"EVIDENCE": "inconclusive"}),
    ("no certificate verified", of_a_load(gaps=("the certificate was not verified",)), {"EVIDENCE": "inconclusive"}),
    ("a count that no finding shows", of_a_load(counts={"PAIRING-1": 1}), {"EVIDENCE": "inconclusive"}),
    ("no answer", facts(LoadResult(connections_tried=1, connections_made=1)),
     {"RULES": "inconclusive", "COMPLETENESS": None, "ISOLATION": None, "PATTERNS": "inconclusive",
      "EVIDENCE": "inconclusive"}),
    ("no load in the evidence", facts(gaps=("load/load.json is missing",)),
     {"RULES": "inconclusive", "COMPLETENESS": None, "SUCCESS": "inconclusive", "ISOLATION": None,
      "PATTERNS": "inconclusive", "EVIDENCE": "inconclusive"}),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_each_criterion(given: Facts, expected: dict[str, str | None]) -> None:
    decision = decide(given)
    worst = next((s for s in ("failed", "inconclusive") if s in expected.values()), "passed")

    wanted = dict.fromkeys(USUAL, "passed") | expected
    assert statuses(decision) == {name: status for name, status in wanted.items() if status is not None}
    assert decision.verdict == {"failed": "BLOCKED", "inconclusive": "INCONCLUSIVE", "passed": "APPROVED"}[worst]
    assert decision.reason.startswith("Load of 10 users, 20 requests each: ")
    assert ("approves no release" in decision.reason) is (worst == "passed")


def test_a_blocked_load_says_how_often_which_rule_objected_and_what_showed() -> None:
    both: dict[str, Any] = {
        "counts": {"CONTENT-5": 9, "PAIRING-1": 2},
        "offences": [offence("PAIRING-1"), offence("CONTENT-5", "x")],
    }

    assert decide(of_a_load(**both, patterns=(REFUSED,), connections_made=6)).reason == (
        "Load of 10 users, 20 requests each: CONTENT-5 (9 findings): expected this, got x; also PAIRING-1 (2); "
        "CONNECTION_INSTABILITY: 0 connections lost, 4 refused, of 8 attempts."
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, ""),
        (found("LIFECYCLE-2", 1), "runs or connections lost: 1, within the 1 % allowed"),
        ({"busy": 0.9}, ""),
        (
            {"busy": 0.9, **found("TIMELINESS-1", 40)},
            "late: 40, which the load generator may have caused itself, 90% busy (85% are allowed)",
        ),
        (
            {"crowded": "other programs used 62%", **found("TIMELINESS-1", 40)},
            "late: 40, but this machine was busy: other programs used 62%",
        ),
        (found("CONTENT-5", 40), ""),
    ],
)
def test_what_is_excused_is_said_with_its_reason(values: dict[str, Any], said: str) -> None:
    summary = LoadResult(**{**WHOLE, **values})

    assert excused(summary) == said
    assert said in decide(facts(summary)).criteria[0].measured


def test_a_busy_generator_is_told_in_an_approval() -> None:
    reason = decide(of_a_load(busy=0.9)).reason

    assert "The measured latency is not reliable: the load generator was 90% busy (85% are allowed)." in reason


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "10 users, 20 requests each"),
        ({"users": 1, "runs_per_user": 1}, "1 user, 1 request each"),
        ({"users": 2500, "runs_per_user": None, "duration_s": 30.0}, "2,500 users, 30 s"),
        ({"arrival": "open", "rate": 12.5, "runs_per_user": None, "duration_s": 1.0},
         "10 users at 12.5 requests a second, 1 s"),
    ],
)  # fmt: skip
def test_a_load_in_words(changes: dict[str, Any], said: str) -> None:
    assert str(msgspec.structs.replace(WORKLOAD, **changes)) == said


def test_what_several_loads_have_found_is_added_up() -> None:
    first, second = LoadResult(**{**WHOLE, **found("ISOLATION-1", 2)}), LoadResult(**{**WHOLE, **found("PAIRING-2", 4)})
    criteria = {each.id: each for each in decide(facts(first, second, first)).criteria}

    assert criteria["RULES"].measured == "ISOLATION-1 (4); PAIRING-2 (4)"
    assert criteria["ISOLATION"].measured.startswith("ISOLATION-1 (4); ")
