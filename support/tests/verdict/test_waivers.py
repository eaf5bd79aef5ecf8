"""Waivers: what becomes of each, and what the verdict makes of it. Literal facts in, whole results out."""

from datetime import date

import pytest
from greenlight_gate.findings import Finding, Severity
from greenlight_gate.rules.isolation import IsolationPair
from greenlight_gate.verdict.criteria import Status
from greenlight_gate.verdict.decision import decide
from greenlight_gate.verdict.facts import Decision, Facts, ScenarioOutcome, ScenarioResult, Verdict
from greenlight_gate.verdict.failure_patterns import occurrence
from greenlight_gate.verdict.waivers import JudgedWaiver, Waiver, WaiverState, in_force, judged

from support.tests.verdict.test_decision import FACTS, SEEN, facts, finding, seen, statuses

WAIVER = Waiver(rule="PAIRING-1", because="the new proxy comes in January", owner="Ada", until=date(2027, 1, 31))
ELSEWHERE = Waiver(rule="PAIRING-1", scenario="One", because="known", owner="Bashir", until=date(2027, 1, 31))
SAID = "PAIRING-1 until 2027-01-31 (Ada: the new proxy comes in January)"
BROKEN = [("PAIRING-1", "One"), ("PAIRING-1", "Two"), ("CONTENT-2", "One")]
NAMES = ["One", "Two", "Three and four"]


def test_it_holds_to_the_end_of_its_day_for_its_rule_and_scenario() -> None:
    last, after = date(2027, 1, 31), date(2027, 2, 1)

    assert in_force([ELSEWHERE, WAIVER], last, "PAIRING-1", "Two") == WAIVER
    assert in_force([ELSEWHERE], last, "PAIRING-1", "One") == ELSEWHERE
    assert in_force([ELSEWHERE], last, "PAIRING-1", "Two") is None
    assert in_force([WAIVER], last, "PAIRING-2", "Two") is None
    assert in_force([WAIVER], after, "PAIRING-1", "Two") is None


def of(rule: str, scenario: str = "") -> Waiver:
    return Waiver(rule=rule, scenario=scenario, because="x", owner="Ada", until=date(2027, 1, 31))


ROWS = [
    ("covers all", of("PAIRING-1"), {}, (WaiverState.APPLIED, 2, "")),
    ("covers one", of("PAIRING-1", "One"), {}, (WaiverState.APPLIED, 1, "")),
    ("too late", of("PAIRING-1"), {"today": date(2027, 2, 1)}, (WaiverState.EXPIRED, 2, "")),
    ("covers nothing", of("CONTENT-3"), {}, (WaiverState.STALE, 0, "")),
    ("nothing there", of("CONTENT-3", "Two"), {"whole": False}, (WaiverState.STALE, 0, "")),
    ("a part ran", of("CONTENT-3"), {"whole": False}, (WaiverState.NOT_RUN, 0, "")),
    ("it did not run", of("CONTENT-3", "Three and four"), {}, (WaiverState.NOT_RUN, 0, "")),
    ("no such name", of("CONTENT-3", "Three or four"), {}, (WaiverState.STALE, 0, "Three and four")),
    ("perhaps", of("CONTENT-3", "Three or four"), {"whole": False}, (WaiverState.NOT_RUN, 0, "")),
]


@pytest.mark.parametrize(("waiver", "how", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_becomes_of_it(waiver: Waiver, how: dict[str, object], expected: tuple[WaiverState, int, str]) -> None:
    today, whole = how.get("today", date(2027, 1, 1)), how.get("whole", True)
    assert isinstance(today, date)
    (found,) = judged([waiver], today, BROKEN, ["One", "Two"], NAMES, whole=bool(whole))

    assert (found.state, found.findings, found.hint) == expected


def waived_facts(state: WaiverState = WaiverState.APPLIED, **changes: object) -> Facts:
    """One scenario has failed, and one has passed; of the first, a finding is waived."""
    failed = ScenarioResult("functional/a.feature:2", "Two", "functional", ScenarioOutcome.FAILED, "no", waived=SAID)
    return facts(**{
        "scenarios": (*FACTS.scenarios, failed), "waived": (finding(),),
        "waivers": (JudgedWaiver(WAIVER, state, 1),), **changes,
    })  # fmt: skip


def test_a_waived_finding_is_named_first_and_does_not_block() -> None:
    decision = decide(waived_facts())

    assert decision.verdict is Verdict.APPROVED
    assert decision.reason.startswith(f"1 finding waived: {SAID}. The functional category passed.")
    assert "1 scenario passed, all five events were observed, no other findings." in decision.reason
    assert statuses(decision)["SCENARIOS"] == "waived"
    assert [c.measured for c in decision.criteria if c.id in ("SCENARIOS", "WAIVERS")] == [
        "1 passed, 1 failed and waived", "1 applied"
    ]  # fmt: skip


def test_another_finding_blocks_all_the_same() -> None:
    decision = decide(waived_facts(findings=(finding("CONTENT-2"),)))

    assert decision.verdict is Verdict.BLOCKED
    assert decision.reason.startswith(f"1 finding waived: {SAID}. CONTENT-2 (1 finding): expected a tool, got none")


def test_an_expired_one_blocks_and_says_so() -> None:
    decision = decide(facts(findings=(finding(),), waivers=(JudgedWaiver(WAIVER, WaiverState.EXPIRED, 1),)))

    assert decision.verdict is Verdict.BLOCKED
    assert decision.reason.startswith(f"1 waiver expired: {SAID}. PAIRING-1 (1 finding)")
    assert statuses(decision)["WAIVERS"] == "failed"


def test_a_stale_one_is_said_and_blocks_where_that_is_asked_for() -> None:
    def decided(*, strict: bool) -> Decision:
        stale = JudgedWaiver(WAIVER, WaiverState.STALE, 0, "One that passed")
        return decide(facts(waivers=(stale,), strict_waivers=strict))

    usual, strict = decided(strict=False), decided(strict=True)
    assert usual.verdict is Verdict.APPROVED
    assert usual.reason.startswith(f"1 waiver stale: {SAID}. ")
    assert strict.verdict is Verdict.BLOCKED
    assert (
        f"WAIVERS: 1 stale; covers nothing any longer: {SAID}; there is no such scenario, the nearest is "
        "'One that passed' (required: none expired, none stale)"
    ) in strict.reason


def test_what_is_counted_of_a_waived_finding_does_not_block_either() -> None:
    lost = Finding("LIFECYCLE-5", Severity.CRITICAL, "It shows all five.", "five", "three")
    events = occurrence("MISSING_EVENT_SEQUENCES", "3 answers", (0.0, 9.0))
    short = seen(five_shown=3, arrived_events=60).observed
    alone = decide(waived_facts(waived=(lost,), observed=short, patterns=(events,)))
    more = decide(waived_facts(waived=(lost,), findings=(finding("LIFECYCLE-2"),), observed=short, patterns=(events,)))

    assert SEEN.five_shown > short.five_shown
    names = ("COMPLETENESS", "SUCCESS", "PATTERNS")
    assert [statuses(alone)[name] for name in names] == ["waived", "waived", "passed"]
    assert alone.verdict is Verdict.APPROVED
    assert [statuses(more)[name] for name in names] == ["failed", "failed", "failed"]


def test_users_who_received_what_is_another_ones_are_not_said_to_be_isolated() -> None:
    leak = Finding("ISOLATION-1", Severity.CRITICAL, "No user receives it.", "Ada's own", "Bashir's secret")
    relation = IsolationPair("two users", ("Ada", "Bashir"), own_seen=("Ada", "Bashir"))
    decision = decide(waived_facts(wanted=("functional", "security"), waived=(leak,), relations=(relation,)))

    (isolation,) = [criterion for criterion in decision.criteria if criterion.id == "ISOLATION"]
    assert isolation.status is Status.WAIVED
    assert isolation.measured == "0 findings in 1 scenario with up to 2 users; 1 finding waived"


def test_nothing_passes_where_all_is_waived() -> None:
    decision = decide(waived_facts(scenarios=waived_facts().scenarios[1:]))

    assert decision.verdict is Verdict.INCONCLUSIVE
