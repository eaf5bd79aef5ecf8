"""The verdict as a table: literal facts in, the whole decision out."""

import msgspec
import pytest
from greenlight_gate.categories import CATEGORIES
from greenlight_gate.events import FIVE
from greenlight_gate.findings import Finding, Severity
from greenlight_gate.measure.latency_summary import LatencySummary
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.rules.isolation import IsolationPair
from greenlight_gate.rules.registry import RULES
from greenlight_gate.verdict.baseline import Compared
from greenlight_gate.verdict.criteria import LoadOfScenario, Status
from greenlight_gate.verdict.decision import decide
from greenlight_gate.verdict.facts import Decision, Facts, Ill, Observed, ScenarioOutcome, ScenarioResult, Verdict
from greenlight_gate.verdict.failure_patterns import occurrence
from greenlight_gate.verdict.reason import in_one_line


def scenario(
    outcome: ScenarioOutcome = ScenarioOutcome.PASSED, reason: str = "", category: str = "functional", need: str = ""
) -> ScenarioResult:
    return ScenarioResult(f"{category}/a.feature:{outcome}", f"One that {outcome}", category, outcome, reason, need)


def finding(rule: str = "PAIRING-1", actual: str = "none") -> Finding:
    return Finding(rule, Severity.NORMAL, "Tools are paired.", "a tool", actual)


SEEN = Observed(
    events=50, kinds=tuple(FIVE), expected_events=80, arrived_events=80, connections_tried=20, connections_made=20,
    five_expected=4, five_shown=4, messages=60,
)  # fmt: skip
FACTS = Facts(
    wanted=("functional",),
    tags="",
    scenarios=(scenario(),),
    findings=(),
    observed=SEEN,
    gaps=(),
    absent={},
    accepted={},
)
FAST = LatencySummary(10, 12.0, 10.0, 20.0, 30.0, 40.0)
SLOW = LatencySummary(10, 100.1, 10.0, 20.0, 30.0, 900.0)


def seen(**changes: object) -> Facts:
    return msgspec.structs.replace(FACTS, observed=msgspec.structs.replace(SEEN, **changes))


def facts(**changes: object) -> Facts:
    return msgspec.structs.replace(FACTS, **changes)


def statuses(decision: Decision) -> dict[str, str]:
    return {criterion.id: criterion.status.value for criterion in decision.criteria}


def test_an_approval_as_a_whole() -> None:
    decision = decide(FACTS)

    assert (decision.verdict, decision.verdict.exit_code) == (Verdict.APPROVED, 0)
    assert decision.reason == (
        "The functional category passed. This is not a release decision: integration, performance, resilience, "
        "security, stress were not run. 1 scenario passed, all five events were observed, no findings."
    )
    assert [(c.id, c.threshold, c.measured, c.samples, c.status) for c in decision.criteria] == [
        ("SCENARIOS", "100 %", "1 passed", 1, Status.PASSED),
        ("COMPLETENESS", "100 %", "4 of 4 answers", 4, Status.PASSED),
        ("SUCCESS", ">= 95 %", "100.00 %", 100, Status.PASSED),
        ("PATTERNS", "0 critical", "0 critical, 0 others", 60, Status.PASSED),
        ("EVIDENCE", "all", "nothing is missing", 1, Status.PASSED),
    ]


LEAK = occurrence("MEMORY_LEAK", "grew by 600 MB", (0.0, 9.0))
BURSTS = occurrence("BURST_DELIVERY", "3 answers", (0.0, 9.0))


def test_a_critical_pattern_blocks_and_another_one_is_told() -> None:
    decision = decide(facts(patterns=(BURSTS, LEAK)))

    assert decision.verdict is Verdict.BLOCKED
    assert decision.reason.startswith(
        "PATTERNS: 1 critical, 1 others: MEMORY_LEAK, BURST_DELIVERY (required: 0 critical)."
    )
    assert statuses(decide(facts(patterns=(BURSTS,))))["PATTERNS"] == "passed"


def test_where_nothing_came_no_pattern_could_be_seen() -> None:
    assert statuses(decide(seen(messages=0)))["PATTERNS"] == "inconclusive"


TABLE = [
    (
        "a failed scenario",
        facts(scenarios=(scenario(), scenario(ScenarioOutcome.FAILED, "no"))),
        {"SCENARIOS": "failed"},
    ),
    ("a finding", facts(findings=(finding(),)), {"SCENARIOS": "failed"}),
    (
        "a broken scenario",
        facts(scenarios=(scenario(), scenario(ScenarioOutcome.BROKEN))),
        {"SCENARIOS": "inconclusive"},
    ),
    ("one not run", facts(scenarios=(scenario(), scenario(ScenarioOutcome.NOT_RUN))), {"SCENARIOS": "inconclusive"}),
    ("none that passed", facts(scenarios=(scenario(ScenarioOutcome.NOT_EXERCISED),)), {"SCENARIOS": "inconclusive"}),
    ("nothing selected", facts(scenarios=(), gaps=("no scenario was selected",)),
     {"SCENARIOS": "inconclusive", "EVIDENCE": "inconclusive"}),
    ("one not exercised", facts(scenarios=(scenario(), scenario(ScenarioOutcome.NOT_EXERCISED))), {}),
    ("a wanted category of which nothing ran", facts(wanted=("functional", "resilience")),
     {"SCENARIOS": "inconclusive", "RECOVERY": "inconclusive"}),
    ("stress of which nothing ran", facts(wanted=("functional", "stress")),
     {"SCENARIOS": "inconclusive", "MEMORY": "inconclusive"}),
    ("stress that the target does not allow", facts(wanted=("functional", "stress"), absent={"stress": "x says no"}),
     {}),
    ("four of five answers whole", seen(five_expected=5), {"COMPLETENESS": "failed"}),
    ("no answer that needs all five", seen(five_expected=0, five_shown=0), {"COMPLETENESS": "inconclusive"}),
    ("94.99 percent", seen(arrived_events=7499, expected_events=7900, connections_tried=100, connections_made=100),
     {"SUCCESS": "failed"}),
    ("exactly 95 percent", seen(arrived_events=75), {}),
    ("a connection that did not come about", seen(connections_made=14), {"SUCCESS": "failed"}),
    ("nothing asked", seen(expected_events=0, arrived_events=0, connections_tried=0, connections_made=0),
     {"SUCCESS": "inconclusive"}),
    ("an interruption", facts(gaps=("the run was interrupted (SIGINT)",)), {"EVIDENCE": "inconclusive"}),
    ("tools declared away", facts(absent={"with_tool": "x has none"}), {"EVIDENCE": "inconclusive"}),
    ("a target that runs no tools", facts(accepted=dict.fromkeys(("tool_executing", "tool_completed"), "a gateway"),
     observed=msgspec.structs.replace(SEEN, five_expected=0, five_shown=0)), {}),
    ("isolation declared away", facts(absent={"isolation": "one persona"}), {"EVIDENCE": "inconclusive"}),
    ("isolation accepted", facts(absent={"isolation": "one persona"}, accepted={"isolation": "a kiosk"}), {}),
    ("a gap that needs nobody's word", facts(absent={"resume": "x cannot"}), {}),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_each_criterion(given: Facts, expected: dict[str, str]) -> None:
    decision = decide(given)
    worst = "failed" if "failed" in expected.values() else "inconclusive" if expected else "passed"
    usual = dict.fromkeys(("SCENARIOS", "COMPLETENESS", "SUCCESS", "PATTERNS", "EVIDENCE"), "passed")

    assert statuses(decision) == usual | expected
    verdict = {"failed": Verdict.BLOCKED, "inconclusive": Verdict.INCONCLUSIVE, "passed": Verdict.APPROVED}[worst]
    assert (decision.verdict, decision.verdict.exit_code) == (verdict, list(Verdict).index(verdict))


@pytest.mark.parametrize(
    ("latency", "acknowledgement", "status", "measured"),
    [
        (FAST, SLOW, "passed", "12.0 ms delivery; p50 10.0, p95 20.0, p99 30.0, max 40.0 ms"),
        (SLOW, FAST, "failed", "100.1 ms delivery; p50 10.0, p95 20.0, p99 30.0, max 900.0 ms"),
        (None, FAST, "passed", "12.0 ms acknowledgement (no known server clock); p50 10.0, p95 20.0, p99 30.0, max 4"),
        (None, None, "inconclusive", "no latency was measured"),
    ],
)
def test_latency_is_judged_where_performance_was_wanted(
    latency: LatencySummary | None, acknowledgement: LatencySummary | None, status: str, measured: str
) -> None:
    observed = msgspec.structs.replace(SEEN, latency=latency, acknowledgement=acknowledgement)
    both = (scenario(), scenario(category="performance"))
    decision = decide(facts(wanted=("functional", "performance"), scenarios=both, observed=observed))
    (criterion,) = [each for each in decision.criteria if each.id == "LATENCY"]

    assert (criterion.status, criterion.threshold) == (status, "<= 100 ms")
    assert criterion.measured.startswith(measured)


def test_blocked_comes_before_inconclusive() -> None:
    decision = decide(facts(findings=(finding(),), gaps=("no end",)))

    assert decision.verdict is Verdict.BLOCKED
    assert decision.reason.startswith(
        "PAIRING-1 (1 finding): expected a tool, got none; SCENARIOS: 1 passed; 1 finding"
    )


def test_the_most_frequent_rule_stands_first_with_its_first_finding() -> None:
    found = (finding("LIFECYCLE-2"), finding("PAIRING-1", "the first"), finding("PAIRING-1", "the second"))

    reason = decide(facts(findings=found)).reason

    assert reason.startswith("PAIRING-1 (2 findings): expected a tool, got the first; also LIFECYCLE-2 (1); ")


def test_the_gravest_rule_stands_first_and_is_not_hidden_behind_a_frequent_one() -> None:
    grave = msgspec.structs.replace(finding("ISOLATION-1"), severity=Severity.CRITICAL, user="Ada")
    found = (*(finding("PAIRING-1", f"number {n}") for n in range(20)), grave)

    reason = decide(facts(findings=found)).reason

    assert reason.startswith("ISOLATION-1 (1 finding): expected a tool, got none [Ada]; also PAIRING-1 (20); ")


@pytest.mark.parametrize(("ended_early", "status"), [(True, "inconclusive"), (False, "failed")])
def test_the_latency_of_a_run_that_ended_early_blocks_nothing(*, ended_early: bool, status: str) -> None:
    slow = msgspec.structs.replace(SEEN, latency=SLOW, recovery=LatencySummary(3, 9e3, 9e3, 9e3, 9e3, 9e3))
    gaps = ("the run was interrupted (SIGINT)",) if ended_early else ()
    decision = decide(facts(wanted=("performance",), observed=slow, ended_early=ended_early, gaps=gaps))

    assert (statuses(decision)["LATENCY"], statuses(decision)["RECOVERY"]) == (status, status)
    assert ("the run ended early, so that this does not count" in decision.reason) is ended_early
    # A finding of a run that ended early is as true as any.
    found = decide(facts(wanted=("performance",), findings=(finding(),), ended_early=ended_early, gaps=gaps))
    assert found.verdict is Verdict.BLOCKED


def test_what_somebody_answers_for_stands_first() -> None:
    given = facts(absent={"with_tool": "none"}, accepted={"with_tool": "no tools yet", "resume": "later"},
                  observed=msgspec.structs.replace(SEEN, five_expected=0, five_shown=0))  # fmt: skip
    decision = decide(given)

    assert decision.verdict is Verdict.APPROVED
    assert decision.reason.startswith(
        "Accepted gap: resume (later). Accepted gap: with_tool (no tools yet). The functional category passed. "
    )


def test_tags_and_what_was_not_exercised_are_said() -> None:
    decision = decide(facts(scenarios=(scenario(), scenario(ScenarioOutcome.NOT_EXERCISED)), tags="@a and not @b"))

    assert " 1 scenario was not exercised: 1 of functional (no reason given). " in decision.reason
    assert decision.reason.endswith(" Only scenarios tagged @a and not @b.")


@pytest.mark.parametrize(("outcome", "said"), [(ScenarioOutcome.FAILED, "failed"), (ScenarioOutcome.BROKEN, "broken")])
def test_a_scenario_without_a_finding_says_why(outcome: ScenarioOutcome, said: str) -> None:
    reason = "\nExpected: an answer\n     but: no agent_completed after that:\n   0.1 agent_started"

    decision = decide(facts(scenarios=(scenario(), scenario(outcome, reason))))

    assert decision.reason.startswith(
        f"'One that {said}' {said}: Expected: an answer but: no agent_completed after that:; SCENARIOS: "
    )


@pytest.mark.parametrize(
    ("reason", "line"),
    [("", "no reason given"), (" \n\n one \n two", "one"), ("Expected: a\n  but: b\n c", "Expected: a but: b")],
)
def test_a_reason_in_one_line(reason: str, line: str) -> None:
    assert in_one_line(reason) == line


@pytest.mark.parametrize(
    ("recovery", "status", "measured"),
    [
        (LatencySummary(8, 90.0, 80.0, 4_999.0, 5_000.0, 9_000.0), "passed", "p95 5.00 s; p50 0.08, max 9.00 s"),
        (LatencySummary(8, 90.0, 80.0, 5_001.0, 5_002.0, 9_000.0), "failed", "p95 5.00 s; p50 0.08, max 9.00 s"),
        (None, "inconclusive", "no user had to reconnect"),
    ],
)
def test_users_who_lose_their_line_are_back_soon(recovery: LatencySummary | None, status: str, measured: str) -> None:
    wanted = msgspec.structs.replace(seen(recovery=recovery), wanted=("functional", "resilience"))
    criterion = next(each for each in decide(wanted).criteria if each.id == "RECOVERY")
    assert (criterion.status.value, criterion.measured, criterion.threshold) == (status, measured, "<= 5 s")


def test_coming_back_is_judged_where_resilience_is_wanted() -> None:
    assert "RECOVERY" not in statuses(decide(FACTS))
    assert "RECOVERY" not in statuses(decide(facts(wanted=("resilience",), tags="@dead_lines")))
    assert "RECOVERY" in statuses(decide(facts(wanted=("resilience",))))
    slow = msgspec.structs.replace(seen(recovery=SLOW), wanted=("resilience",), recover_s=0.02)
    assert statuses(decide(slow))["RECOVERY"] == "passed"
    assert statuses(decide(msgspec.structs.replace(slow, recover_s=0.019)))["RECOVERY"] == "failed"


def test_an_approval_of_all_categories_is_a_release_decision() -> None:
    decision = decide(facts(wanted=CATEGORIES, absent={"stress": "not allowed", "performance": "one at a time"}))

    assert "release decision" not in decision.reason
    assert " Not examined: performance, stress." in decision.reason


def test_a_part_of_a_category_need_not_have_the_evidence_of_the_whole() -> None:
    """As one shard of several, or what failed before: another part has it."""
    whole, part = (dict.fromkeys(("security", "resilience", "stress"), count) for count in (1, 2))
    chosen = tuple(scenario(category=category) for category in whole)
    given = {"wanted": tuple(whole), "scenarios": chosen, "relations": (), "watched": ()}

    assert {"ISOLATION", "RECOVERY", "MEMORY"} <= statuses(decide(facts(**given, available=whole))).keys()
    assert {"ISOLATION", "RECOVERY", "MEMORY"}.isdisjoint(statuses(decide(facts(**given, available=part))))
    # Where nothing was selected, nothing is known of the whole.
    assert "MEMORY" in statuses(decide(facts(**{**given, "scenarios": ()}, available=part)))


def test_what_narrowed_the_selection_is_in_the_headline() -> None:
    decision = decide(facts(available={"functional": 25}))
    blocked = decide(facts(available={"functional": 25}, scenarios=(scenario(ScenarioOutcome.FAILED),)))

    assert decision.reason.startswith("1 of 25 functional scenarios passed. This is not a release decision: ")
    assert " Only 1 of 25 functional scenarios were selected." in blocked.reason


def test_what_was_not_exercised_is_counted_by_category_and_declaration() -> None:
    skipped = [
        ScenarioResult(f"{category}/{number}", "x", category, ScenarioOutcome.NOT_EXERCISED, reason)
        for category, reason, count in (("resilience", "no resume", 3), ("security", "no errors", 2))
        for number in range(count)
    ]

    said = " 5 scenarios were not exercised: 2 of security (no errors), 3 of resilience (no resume)."

    # Security first, and whatever the verdict is.
    assert said in decide(facts(scenarios=(scenario(), *skipped))).reason
    assert said in decide(facts(scenarios=(scenario(), *skipped), findings=(finding(),))).reason


def test_the_three_most_frequent_reasons_are_named_and_the_others_counted() -> None:
    reasons = [
        ("resilience", "no resume", 9), ("security", "no resume", 2), ("functional", "no stop", 4),
        ("security", "no errors", 3), ("security", "no logout", 1), ("stress", "no stress", 2),
    ]  # fmt: skip
    skipped = [
        ScenarioResult(f"{category}/{reason}/{number}", "x", category, ScenarioOutcome.NOT_EXERCISED, reason)
        for category, reason, count in reasons
        for number in range(count)
    ]

    said = (
        " 21 scenarios were not exercised: 2 of security and 9 of resilience (no resume), 3 of security (no errors), "
        "4 of functional (no stop), and 1 of security and 2 of stress for 2 other reasons (verdict.html lists all "
        "under 'What was not exercised')."
    )
    assert said in decide(facts(scenarios=(scenario(), *skipped))).reason


NO_STOP = scenario(ScenarioOutcome.NOT_EXERCISED, "x declares capabilities.stop = false", need="stop")
NO_ERRORS = scenario(ScenarioOutcome.NOT_EXERCISED, "x declares capabilities.errors = false", need="errors")
NO_APPROVAL = scenario(ScenarioOutcome.NOT_EXERCISED, "x has no [prompts.approval]", need="approval")
NO_USERS = scenario(ScenarioOutcome.NOT_EXERCISED, "x has 8 users, 25 are needed")


@pytest.mark.parametrize(
    ("missing", "accepted", "status"),
    [
        ([NO_STOP, NO_ERRORS], {}, "passed"),
        ([NO_STOP, NO_ERRORS, *[NO_APPROVAL] * 9], {}, "passed"),
        ([NO_STOP, NO_ERRORS, NO_ERRORS, *[NO_APPROVAL] * 9], {}, "inconclusive"),
        ([NO_STOP, NO_ERRORS, NO_ERRORS], {}, "inconclusive"),
        ([NO_STOP, NO_ERRORS, NO_USERS], {}, "inconclusive"),
        ([NO_STOP, NO_ERRORS, NO_USERS], {"ping": "another one"}, "inconclusive"),
        ([NO_STOP, NO_ERRORS, NO_ERRORS], {"stop": "answers are short"}, "passed"),
        ([NO_STOP, *[NO_ERRORS] * 4], {"stop": "answers are short"}, "inconclusive"),
        ([NO_STOP, *[NO_ERRORS] * 4], {"stop": "answers are short", "errors": "a gateway answers"}, "passed"),
    ],
)
def test_a_category_of_which_most_is_missing_needs_reasons(
    missing: list[ScenarioResult], accepted: dict[str, str], status: str
) -> None:
    given = facts(scenarios=(scenario(), scenario(), *missing), accepted=accepted)

    assert statuses(decide(given))["SCENARIOS"] == status
    assert statuses(decide(msgspec.structs.replace(given, wanted=("security",))))["SCENARIOS"] == "inconclusive"


def test_it_says_what_is_missing_and_because_of_which_declaration() -> None:
    decision = decide(facts(scenarios=(scenario(), NO_STOP, NO_ERRORS, NO_ERRORS)))

    assert decision.verdict is Verdict.INCONCLUSIVE
    assert (
        "1 of 4 functional scenarios were exercised, fewer than half, and accepted_gaps gives no reason for "
        "2 of functional (x declares capabilities.errors = false), 1 of functional (x declares capabilities.stop = "
        "false)"
    ) in decision.reason


def test_categories_of_which_most_is_missing_are_said_in_one_sentence() -> None:
    security = msgspec.structs.replace(NO_ERRORS, category="security")
    reason = decide(
        facts(wanted=("functional", "security"), scenarios=(scenario(), NO_STOP, NO_ERRORS, security))
    ).reason

    said = (
        "1 of 3 functional and 0 of 1 security scenarios were exercised, fewer than half of each, and accepted_gaps "
        "gives no reason for 1 of security and 1 of functional (x declares capabilities.errors = false), 1 of "
        "functional (x declares capabilities.stop = false); if that is intended, say why in the target file: "
        '[accepted_gaps] errors = "why"; stop = "why"'
    )
    assert said in reason


def test_what_is_missing_is_not_said_beside_what_is_wrong() -> None:
    blocked = decide(facts(scenarios=(scenario(), NO_STOP, NO_ERRORS, NO_ERRORS), findings=(finding(),)))

    assert (blocked.verdict, "fewer than half" in blocked.reason) == (Verdict.BLOCKED, False)


def test_scenarios_of_an_optional_ability_are_no_part_of_what_was_to_be_exercised() -> None:
    decision = decide(facts(scenarios=(scenario(), NO_STOP, NO_ERRORS, NO_APPROVAL, NO_APPROVAL)))

    assert "1 of 3 functional scenarios were exercised, fewer than half" in decision.reason
    only = decide(facts(wanted=("functional",), scenarios=(NO_APPROVAL,)))
    assert only.verdict is Verdict.INCONCLUSIVE


def test_a_category_that_the_target_rules_out_is_not_examined() -> None:
    stress = [scenario(ScenarioOutcome.NOT_EXERCISED, "x does not allow it", "stress")] * 3
    given = facts(wanted=("functional", "stress"), scenarios=(scenario(), *stress), absent={"stress": "not allowed"})

    assert decide(given).verdict is Verdict.APPROVED
    assert " Not examined: stress." in decide(given).reason


def test_the_gravest_finding_leads_and_not_the_most_frequent() -> None:
    bad_input = Finding("REFUSAL-4", Severity.NORMAL, "", "a clear error", "nothing", "Ada", "c1")
    canary = Finding("ISOLATION-1", Severity.CRITICAL, "", "no canary of another user", "canary of Ada", "Bashir", "c2")

    reason = decide(facts(findings=(*[bad_input] * 20, canary))).reason

    assert reason.startswith("ISOLATION-1 (1 finding): expected no canary of another user, got canary of Ada")
    assert "also REFUSAL-4 (20)" in reason


def broken(rule: str) -> Finding:
    return Finding(rule, RULES[rule].severity, "", "this", f"that of {rule}")


def test_what_exposes_a_user_is_graver_than_any_other_critical_rule() -> None:
    frequent, grave = [broken("CONNECTION-1")] * 51, [broken("PAIRING-1"), broken("ISOLATION-1")]

    reason = decide(facts(findings=(*frequent, *grave), only={"ISOLATION-1": 2, "CONNECTION-1": 20})).reason

    assert reason.startswith("ISOLATION-1 (1 finding, 2 scenarios failed for this alone): expected this, got that of ")
    assert "; also CONNECTION-1 (51), PAIRING-1 (1)" in reason


def test_the_scenario_that_left_the_target_ill_is_named_with_what_may_follow() -> None:
    ill = Ill("One byte too many", broken("CONNECTION-1"), 51)
    decision = decide(facts(findings=(broken("REFUSAL-4"),), ill=ill))

    assert decision.reason.startswith(
        "after 'One byte too many' the target was ill (CONNECTION-1: expected this, got that of CONNECTION-1), 51 "
        "findings of later scenarios may follow from that; REFUSAL-4 (1 finding): "
    )
    assert decision.criteria[0].measured.endswith("; 52 findings")


@pytest.mark.parametrize(("busy", "status"), [(0.1, "failed"), (0.99, "passed")])
def test_a_pattern_of_latency_does_not_block_on_a_machine_that_was_busy(busy: float, status: str) -> None:
    load = LoadOfScenario("performance/a", "performance", "25 users", LoadResult(busy=busy), fast=True)
    slow = occurrence("SUSTAINED_HIGH_LATENCY", "300 ms on average for 12 s", (0.0, 12.0))

    decision = decide(facts(wanted=("performance",), loads=(load,), patterns=(slow,)))

    assert statuses(decision)["PATTERNS"] == status
    assert statuses(decision)["LATENCY"] != "failed"


BUSY = "other programs used 62% of its CPU time"
STALLS = occurrence("SILENT_STALLS", "3 answers: TIMELINESS-1 3 times", (0.0, 12.0))
REFUSED = occurrence("CONNECTION_INSTABILITY", "0 connections lost, 4 refused, of 8 attempts", (0.0, 1.0))


@pytest.mark.parametrize(
    ("given", "criterion"),
    [
        (facts(wanted=("performance",), observed=msgspec.structs.replace(SEEN, latency=SLOW)), "LATENCY"),
        (seen(recovery=LatencySummary(20, 6e3, 6e3, 7e3, 8e3, 9e3)), "RECOVERY"),
        (facts(compared=Compared("40 ms, and 10 ms before", True), gated=True), "BASELINE"),
        (facts(patterns=(occurrence("SUSTAINED_HIGH_LATENCY", "300 ms for 12 s", (0.0, 12.0)),)), "PATTERNS"),
        (facts(patterns=(STALLS,)), "PATTERNS"),
        (facts(patterns=(REFUSED,)), "PATTERNS"),
    ],
)
def test_no_criterion_of_time_blocks_on_a_crowded_machine(given: Facts, criterion: str) -> None:
    idle, busy = decide(given), decide(msgspec.structs.replace(given, crowded=BUSY))

    assert statuses(idle)[criterion] == "failed"
    assert statuses(busy)[criterion] == "inconclusive"
    measured = next(each.measured for each in busy.criteria if each.id == criterion)
    assert f"; this machine was busy: {BUSY}" in measured
    assert measured.endswith("; run again when it is idle")


@pytest.mark.parametrize("given", [facts(findings=(finding(),)), facts(patterns=(LEAK,)), seen(five_shown=3)])
def test_what_is_wrong_blocks_on_a_crowded_machine_as_well(given: Facts) -> None:
    assert decide(msgspec.structs.replace(given, crowded=BUSY)).verdict is Verdict.BLOCKED


def test_a_crowded_machine_on_which_all_was_fast_approves() -> None:
    fast = msgspec.structs.replace(SEEN, latency=FAST)

    assert decide(facts(wanted=("performance",), observed=fast, crowded=BUSY, scenarios=(
        scenario(category="performance"),))).verdict is Verdict.APPROVED  # fmt: skip


def test_a_weak_target_file_is_named() -> None:
    weak = ("thresholds.latency_ms_avg = 900 (usual 100)", "a single user")

    said = " The target file asks for less than usual: thresholds.latency_ms_avg = 900 (usual 100), a single user."
    assert said in decide(facts(weak=weak)).reason


@pytest.mark.parametrize(("accepted", "status"), [({}, "inconclusive"), ({"broadcast": "a shared room"}, "passed")])
def test_frames_of_others_by_design_need_somebody_who_answers_for_them(accepted: dict[str, str], status: str) -> None:
    relation = IsolationPair("two users", ("Ada", "Bashir"), own_seen=("Ada", "Bashir"), by_design=3)

    decision = decide(facts(wanted=("security",), relations=(relation,), accepted=accepted))

    assert statuses(decision)["ISOLATION"] == status
    assert ("Accepted gap: broadcast (a shared room). " in decision.reason) == bool(accepted)


@pytest.mark.parametrize(("ping_ms", "is_far"), [(60.0, True), (1.0, False)])
def test_latency_stands_beside_the_round_trip_of_a_ping(ping_ms: float, is_far: bool) -> None:
    slow = LatencySummary(9, 113.0, 113.0, 120.0, 130.0, 140.0)
    ping = LatencySummary(9, ping_ms, ping_ms, ping_ms, ping_ms, ping_ms)
    observed = msgspec.structs.replace(SEEN, latency=None, acknowledgement=slow, ping=ping)

    decision = decide(facts(wanted=("performance",), observed=observed))
    measured = next(each.measured for each in decision.criteria if each.id == "LATENCY")

    assert statuses(decision)["LATENCY"] == "failed"
    assert f"ping round trip p50 {ping_ms:.1f} ms" in measured
    assert ("the distance to the target is the cause, not the backend" in measured) == is_far


def test_a_backend_that_asks_the_model_of_its_target_nothing_is_not_approved() -> None:
    unasked = scenario(ScenarioOutcome.NOT_EXERCISED, "the backend did not ask the scripted model", need="model_calls")
    silent = decide(facts(scenarios=(scenario(), unasked, unasked)))
    assert silent.verdict is Verdict.INCONCLUSIVE
    assert (
        "the target has a [model], and the backend asked it nothing: 2 scenarios could not see a model fail; let the "
        "backend use it as its provider (OPENAI_BASE_URL or ANTHROPIC_BASE_URL), or remove [model]"
    ) in silent.reason

    asked = msgspec.structs.replace(SEEN, model_calls=1)
    assert decide(facts(scenarios=(scenario(), unasked), observed=asked)).verdict is Verdict.APPROVED
