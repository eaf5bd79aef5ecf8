"""Which findings follow from a scenario that left the target ill, and which scenarios failed for one rule alone."""

from greenlight_gate.evidence.attribution import Attributed, BegunTrace, first_ill, followed, only_for
from greenlight_gate.findings import Finding
from greenlight_gate.rules.registry import RULES


def found(rule: str, scenario: str) -> Attributed:
    return Attributed(Finding(rule, RULES[rule].severity, "", "this", "that"), scenario, "traces/1.jsonl")


ILL = (found("CONNECTION-1", "").finding,)
TRACES = [
    BegunTrace("before", 0.0), BegunTrace("hostile", 1.0), BegunTrace("hostile", 2.0, ILL), BegunTrace("beside", 1.5),
    BegunTrace("hostile too", 1.8), BegunTrace("hostile too", 3.0, ILL), BegunTrace("after", 4.0),
]  # fmt: skip


def test_the_first_scenario_after_which_a_healthy_user_is_not_served_left_the_target_ill() -> None:
    assert first_ill(TRACES) == TRACES[2]
    assert first_ill(reversed(TRACES)) == TRACES[2]
    assert first_ill(TRACES[:2]) is None


def test_what_was_broken_before_is_no_illness_that_a_scenario_left() -> None:
    before = BegunTrace("before", 0.0, broken=frozenset({"CONNECTION-1"}))
    assert first_ill([before, *TRACES]) is None
    worse = (*ILL, found("LIFECYCLE-2", "").finding)
    assert first_ill([before, BegunTrace("hostile", 2.0, worse)]) == BegunTrace("hostile", 2.0, worse[1:])


def test_what_an_ill_target_breaks_later_follows_from_that_and_nothing_else_does() -> None:
    rules = ("CONNECTION-1", "TIMELINESS-1", "LIFECYCLE-2", "ISOLATION-1", "CONTENT-4", "PAIRING-1")
    findings = [found(rule, each) for each in dict.fromkeys(trace.scenario for trace in TRACES) for rule in rules]

    marked = {(each.scenario, each.finding.rule) for each in followed(findings, TRACES[2], TRACES) if each.follows}

    assert marked == {(scenario, rule) for scenario in ("hostile too", "after") for rule in rules[:3]}
    assert {each.follows for each in followed(findings, TRACES[2], TRACES)} == {"", "hostile"}


def test_the_scenarios_that_failed_for_one_rule_alone() -> None:
    findings = [found("REFUSAL-4", "a"), found("REFUSAL-4", "a"), found("REFUSAL-4", "b"), found("PAIRING-1", "b")]

    assert only_for([*findings, found("PAIRING-1", "c")]) == {"REFUSAL-4": ("a",), "PAIRING-1": ("c",)}
