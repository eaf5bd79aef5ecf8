"""Criteria to verdict: a pure function of what was observed. It never guesses.

A criterion that lacks evidence is inconclusive, and inconclusive never approves. BLOCKED before INCONCLUSIVE before
APPROVED.
"""

from collections import Counter
from enum import StrEnum

import msgspec

from greenlight_gate.events import FIVE
from greenlight_gate.findings import Finding, Severity
from greenlight_gate.measure.latency import LatencySummary
from greenlight_gate.measure.load_result import LEAST_SUCCESS
from greenlight_gate.rules.isolation import IsolationPair
from greenlight_gate.rules.registry import RULES
from greenlight_gate.verdict.baseline import Compared
from greenlight_gate.verdict.criteria import (
    Allowed,
    Criterion,
    Loaded,
    Status,
    enough_under_load,
    gaps_of,
    latency,
    memory,
    success_under_load,
)
from greenlight_gate.verdict.failure_patterns import Occurrence
from greenlight_gate.verdict.memory_trend import Watched

__all__ = ["Criterion", "Decision", "Facts", "Observed", "Outcome", "ScenarioResult", "Status", "Verdict", "decide"]

CATEGORIES = ("functional", "integration", "performance", "resilience", "security", "stress")


class Verdict(StrEnum):
    """The three values. `exit_code` is what commands end with."""

    APPROVED = "APPROVED"
    BLOCKED = "BLOCKED"
    INCONCLUSIVE = "INCONCLUSIVE"

    @property
    def exit_code(self) -> int:
        """What a command that gave this verdict ends with."""
        return {"APPROVED": 0, "BLOCKED": 1, "INCONCLUSIVE": 2}[self.value]


class Outcome(StrEnum):
    """Of a scenario. Broken: the suite's own fault. Not exercised: the target does not claim to do this."""

    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"
    NOT_EXERCISED = "not_exercised"
    NOT_RUN = "not_run"


class ScenarioResult(msgspec.Struct, frozen=True):
    """One scenario of the ledger. `category` is the folder below features/."""

    key: str
    name: str
    category: str
    outcome: Outcome
    reason: str = ""


class Observed(msgspec.Struct, frozen=True):
    """What the traces show, counted.

    `expected_events` and `arrived_events` count what the questions asked for; `five_expected` and `five_shown` the
    answers that had to show, and showed, all five kinds. `latency` is from the server's stamp to the receipt;
    `recovery` from a person's first try to come back until they are.
    """

    events: int = 0
    kinds: tuple[str, ...] = ()
    expected_events: int = 0
    arrived_events: int = 0
    connections_tried: int = 0
    connections_made: int = 0
    five_expected: int = 0
    five_shown: int = 0
    messages: int = 0
    unmapped: int = 0
    latency: LatencySummary | None = None
    acknowledgement: LatencySummary | None = None
    recovery: LatencySummary | None = None


class Facts(msgspec.Struct, frozen=True):
    """All that a verdict is made of.

    `gaps` are the reasons why evidence is incomplete; `absent` what the target declares that it cannot do, with the
    reason; `accepted` those of them that somebody answers for. `relations` say who could see whom; `loads` is what came
    of many people at once, `watched` what probes saw; `patterns` what went wrong over many answers. `compared` is what
    came of the baseline, which decides where it is `gated`.
    """

    wanted: tuple[str, ...]
    tags: str
    scenarios: tuple[ScenarioResult, ...]
    findings: tuple[Finding, ...]
    observed: Observed
    gaps: tuple[str, ...]
    absent: dict[str, str]
    accepted: dict[str, str]
    success_percent: float = 95.0
    latency_ms_avg: float = 100.0
    relations: tuple[IsolationPair, ...] = ()
    recover_s: float = 5.0
    latency_ms_p95: float | None = None
    latency_ms_p99: float | None = None
    memory_mb_growth: float = 500.0
    loads: tuple[Loaded, ...] = ()
    watched: tuple[Watched, ...] = ()
    patterns: tuple[Occurrence, ...] = ()
    compared: Compared | None = None
    gated: bool = False


class Decision(msgspec.Struct, frozen=True):
    """The verdict, why, and each criterion."""

    verdict: Verdict
    reason: str
    criteria: tuple[Criterion, ...]


# The categories that watch the privacy of people.
_WATCHFUL = frozenset({"integration", "security"})
MUST_NOT_BE_ABSENT = ("with_tool", "isolation", "authentication", *FIVE)


def decide(facts: Facts) -> Decision:
    """Judges the criteria that the wanted categories feed; the worst of them is the verdict."""
    criteria = [_scenarios(facts), _completeness(facts), _success(facts)]
    if "performance" in facts.wanted:
        criteria.append(_latency(facts))
    if facts.relations or (not facts.tags and not _WATCHFUL.isdisjoint(facts.wanted)):
        criteria.append(_isolation(facts))
    if facts.observed.recovery is not None or (not facts.tags and "resilience" in facts.wanted):
        criteria.append(_recovery(facts))
    if "stress" in facts.wanted and not {"stress", "memory_probe"} & facts.absent.keys():
        criteria.append(memory(facts.watched, facts.memory_mb_growth))
    criteria.append(_patterns(facts))
    if facts.gated and facts.compared is not None:
        criteria.append(_baseline(facts.compared))
    criteria.append(_evidence(facts))
    statuses = {criterion.status for criterion in criteria}
    if Status.FAILED in statuses:
        verdict = Verdict.BLOCKED
    elif Status.INCONCLUSIVE in statuses:
        verdict = Verdict.INCONCLUSIVE
    else:
        verdict = Verdict.APPROVED
    return Decision(verdict, _reason(verdict, criteria, facts), tuple(criteria))


def _seen(facts: Facts) -> set[str]:
    return {scenario.category for scenario in facts.scenarios if scenario.outcome is not Outcome.NOT_EXERCISED}


def _scenarios(facts: Facts) -> Criterion:
    count = Counter(scenario.outcome for scenario in facts.scenarios)
    ran = count[Outcome.PASSED] + count[Outcome.FAILED] + count[Outcome.BROKEN]
    parts = [f"{count[outcome]} {outcome.replace('_', ' ')}" for outcome in Outcome if count[outcome]]
    measured = ", ".join(parts) or "no scenario"
    seen = _seen(facts)
    unseen = [category for category in facts.wanted if category not in seen and category not in facts.absent]
    if unseen and facts.scenarios:
        measured += f"; nothing of {', '.join(unseen)}"
    if facts.findings:
        measured += f"; {len(facts.findings)} findings"
    if count[Outcome.FAILED] or facts.findings:
        status = Status.FAILED
    elif count[Outcome.BROKEN] or count[Outcome.NOT_RUN] or unseen or not count[Outcome.PASSED]:
        status = Status.INCONCLUSIVE
    else:
        status = Status.PASSED
    requirement = "Every scenario of the wanted categories ran and passed, and no rule objected."
    return Criterion("SCENARIOS", requirement, "100 %", measured, ran, status)


def _completeness(facts: Facts) -> Criterion:
    seen = facts.observed
    expected = seen.five_expected + sum(load.summary.five_expected for load in facts.loads)
    lost = sum(load.summary.five_expected - load.summary.five_shown for load in facts.loads)
    shown = seen.five_shown + sum(load.summary.five_shown for load in facts.loads)
    kinds = {*seen.kinds, *(kind for load in facts.loads for kind in load.summary.kinds)}
    hidden = [kind for kind in FIVE if kind in facts.absent]
    unseen = [kind for kind in FIVE if kind not in kinds and kind not in hidden]
    measured = f"{shown} of {expected} answers"
    if unseen:
        measured += f"; never seen: {', '.join(unseen)}"
    if hidden:
        measured += f"; not observable here: {', '.join(hidden)}"
    if not expected:
        status = Status.PASSED if "with_tool" in facts.accepted else Status.INCONCLUSIVE
    else:
        # What single people lose in a crowd is for SUCCESS to judge.
        enough = seen.five_shown == seen.five_expected and (not lost or _lost_little(facts))
        status = Status.PASSED if enough else Status.FAILED
    requirement = "All five events were observed where the question requires them."
    return Criterion("COMPLETENESS", requirement, "100 %", measured, expected, status)


def _lost_little(facts: Facts) -> bool:
    return enough_under_load(facts.loads) and any(load.summary.five_shown for load in facts.loads)


def _success(facts: Facts) -> Criterion:
    seen = facts.observed
    wanted = seen.expected_events + seen.connections_tried
    loaded = success_under_load(facts.loads)
    requirement = "Expected events arrived and were valid, and connections were accepted."
    threshold = f">= {facts.success_percent:g} %"
    if not wanted and loaded is None:
        return Criterion("SUCCESS", requirement, threshold, "nothing was asked", 0, Status.INCONCLUSIVE)
    percent = success_percent(seen) if wanted else 100.0
    measured = [f"{percent:.2f} %"] if wanted else []
    if loaded is not None:
        threshold += f", under load >= {LEAST_SUCCESS:g} %"
        measured.append(f"{loaded[0]:.2f} % of {loaded[1]} under load")
        wanted += loaded[1]
    passed = percent >= facts.success_percent and enough_under_load(facts.loads)
    status = Status.PASSED if passed else Status.FAILED
    return Criterion("SUCCESS", requirement, threshold, ", ".join(measured), wanted, status)


def success_percent(seen: Observed) -> float:
    """Of the events that were expected and the connections that were tried; 0 when there was neither."""
    wanted = seen.expected_events + seen.connections_tried
    return 100.0 * (seen.arrived_events + seen.connections_made) / wanted if wanted else 0.0


def _latency(facts: Facts) -> Criterion:
    seen = facts.observed
    traced = {"delivery": seen.latency, "acknowledgement (no known server clock)": seen.acknowledgement}
    known = {name: figures for name, figures in traced.items() if figures is not None}
    first = dict(list(known.items())[:1])
    return latency(facts.loads, first, Allowed(facts.latency_ms_avg, facts.latency_ms_p95, facts.latency_ms_p99))


def _isolation(facts: Facts) -> Criterion:
    broken = [finding for finding in facts.findings if finding.rule.startswith("ISOLATION")]
    unproven = [f"{person} in '{relation.name}'" for relation in facts.relations for person in relation.unproven]
    people = max((len(relation.people) for relation in facts.relations), default=0)
    pairs = sum(relation.pairs for relation in facts.relations)
    by_design = sum(relation.by_design for relation in facts.relations)
    measured = f"{len(broken)} in {len(facts.relations)} scenarios with up to {people} people"
    status = Status.FAILED if broken else Status.PASSED
    if unproven:
        more = f" and {len(unproven) - 1} more" if unproven[1:] else ""
        measured += f"; {RULES['ISOLATION-3'].requirement} Not so for {unproven[0]}{more}"
    elif not facts.relations:
        measured = _unwatched(facts)
    if by_design:
        measured += f"; {by_design} frames of others by design"
    if not broken and (unproven or (not facts.relations and "isolation" not in facts.accepted)):
        status = Status.INCONCLUSIVE
    requirement = "Nobody sees anything of anybody else, and everybody was seen to see their own."
    return Criterion("ISOLATION", requirement, "0", measured, pairs, status)


def _recovery(facts: Facts) -> Criterion:
    took = facts.observed.recovery
    requirement = "People whose line was lost are back soon: 95 of 100, from their first try."
    threshold = f"<= {facts.recover_s:g} s"
    if took is None:
        return Criterion("RECOVERY", requirement, threshold, "nobody had to come back", 0, Status.INCONCLUSIVE)
    measured = f"p95 {took.p95_ms / 1e3:.2f} s; p50 {took.p50_ms / 1e3:.2f}, max {took.max_ms / 1e3:.2f} s"
    status = Status.PASSED if took.p95_ms <= facts.recover_s * 1e3 else Status.FAILED
    return Criterion("RECOVERY", requirement, threshold, measured, took.samples, status)


def _unwatched(facts: Facts) -> str:
    if "isolation" in facts.accepted:
        return f"not exercised, accepted: {facts.accepted['isolation']}"
    lacking = [facts.absent[need] for need in ("isolation", "remember", "recall") if need in facts.absent]
    why = lacking[0] if lacking else "no scenario that does so was run as far as that"
    return f"nobody's privacy was watched: {why}"


def _patterns(facts: Facts) -> Criterion:
    critical = [seen for seen in facts.patterns if seen.severity is Severity.CRITICAL]
    others = [seen for seen in facts.patterns if seen.severity is not Severity.CRITICAL]
    measured = f"{len(critical)} critical, {len(others)} others"
    if facts.patterns:
        measured += f": {', '.join(seen.pattern for seen in (*critical, *others))}"
    status = Status.FAILED if critical else Status.PASSED
    messages = facts.observed.messages + sum(load.summary.messages for load in facts.loads)
    if not critical and not messages:
        measured, status = "nothing came in which one could be seen", Status.INCONCLUSIVE
    requirement = "No critical failure pattern over all answers and all the time."
    return Criterion("PATTERNS", requirement, "0 critical", measured, messages, status)


def _baseline(compared: Compared) -> Criterion:
    status = {True: Status.FAILED, False: Status.PASSED, None: Status.INCONCLUSIVE}[compared.slower]
    requirement = "It is not slower than the sessions that were approved before."
    return Criterion("BASELINE", requirement, "within their noise", compared.said, 1, status)


def _evidence(facts: Facts) -> Criterion:
    gaps = [*facts.gaps, *gaps_of(facts.loads)]
    gaps += [
        f"{need} is declared absent and not accepted: {facts.absent[need]}"
        for need in MUST_NOT_BE_ABSENT
        if need in facts.absent and need not in facts.accepted
    ]
    measured = "; ".join(gaps) if gaps else "nothing is missing"
    status = Status.INCONCLUSIVE if gaps else Status.PASSED
    requirement = "Nothing is missing: run finished, traces whole, counts agree with Allure."
    return Criterion("EVIDENCE", requirement, "all", measured, len(facts.scenarios), status)


def _reason(verdict: Verdict, criteria: list[Criterion], facts: Facts) -> str:
    accepted = "".join(f"Accepted gap: {need} ({reason}). " for need, reason in sorted(facts.accepted.items()))
    seen = _seen(facts)
    unexamined = [
        each for each in CATEGORIES if each not in facts.wanted or (each in facts.absent and each not in seen)
    ]
    beyond = f" Not examined: {', '.join(unexamined)}." if unexamined else ""
    if facts.tags:
        beyond += f" Only scenarios with {facts.tags}."
    if verdict is Verdict.APPROVED:
        passed = sum(scenario.outcome is Outcome.PASSED for scenario in facts.scenarios)
        spared = sum(scenario.outcome is Outcome.NOT_EXERCISED for scenario in facts.scenarios)
        were = "scenario was" if spared == 1 else "scenarios were"
        beyond = (f" {spared} {were} not exercised." if spared else "") + beyond
        hidden = [kind for kind in FIVE if kind in facts.absent]
        five = f"all but {' and '.join(hidden)} of the five events were" if hidden else "all five events were"
        due = facts.observed.five_expected + sum(load.summary.five_expected for load in facts.loads)
        shown = f"{five} observed" if due else "no question needed a tool"
        scenarios = "scenario" if passed == 1 else "scenarios"
        return f"{accepted}{passed} {scenarios} passed, {shown}, no rule objected.{beyond}"
    wanted = Status.FAILED if verdict is Verdict.BLOCKED else Status.INCONCLUSIVE
    # Where evidence is missing, that is why the others are unknown, so it is said first.
    worst_first = sorted(criteria, key=lambda c: verdict is not Verdict.BLOCKED and c.id != "EVIDENCE")
    parts = [f"{c.id}: {c.measured} (required: {c.threshold})" for c in worst_first if c.status is wanted]
    if verdict is Verdict.BLOCKED and facts.findings:
        parts.insert(0, _first_findings(facts.findings))
    elif verdict is Verdict.BLOCKED:
        parts[:0] = _first_of(Outcome.FAILED, facts)
    else:
        parts[:0] = _first_of(Outcome.BROKEN, facts)
    return f"{accepted}{'; '.join(parts)}.{beyond}"


def _first_of(outcome: Outcome, facts: Facts) -> list[str]:
    concerned = [scenario for scenario in facts.scenarios if scenario.outcome is outcome]
    return [f"'{scenario.name}' {outcome}: {in_one_line(scenario.reason)}" for scenario in concerned[:1]]


def _first_findings(findings: tuple[Finding, ...]) -> str:
    count = Counter(finding.rule for finding in findings)
    first = {finding.rule: finding for finding in reversed(findings)}
    (rule, times), *others = count.most_common()
    example = first[rule]
    more = f", and {', '.join(f'{other} ({n})' for other, n in others)}" if others else ""
    return f"{rule} ({times}): expected {example.expected}, got {example.actual}{more}"


def in_one_line(reason: str) -> str:
    """Why a scenario did not pass, in short: the first line, and what came instead where a matcher says it."""
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    return " ".join(lines[:2] if lines[1:] and lines[1].startswith("but:") else lines[:1]) or "no reason given"
