"""The reason of a decision, in words: what decided comes first."""

from collections import Counter
from collections.abc import Mapping

from greenlight_gate.categories import categories_with
from greenlight_gate.events import FIVE
from greenlight_gate.findings import Finding, numbered
from greenlight_gate.rules.registry import gravity
from greenlight_gate.verdict.criteria import Criterion, Status
from greenlight_gate.verdict.facts import Facts, Ill, ScenarioOutcome, Verdict
from greenlight_gate.verdict.load_verdict import Workload, convicting, excused
from greenlight_gate.verdict.scope import PARTIAL, headline, narrowed, scope_of, unexercised


def reason_of(verdict: Verdict, criteria: list[Criterion], facts: Facts) -> str:
    """Why a session of scenarios has its verdict, and what it did not examine."""
    accepted = "".join(f"Accepted gap: {need} ({reason}). " for need, reason in sorted(facts.accepted.items()))
    seen = facts.seen
    scope = scope_of(facts.wanted, facts.tags, facts.selected, facts.available, is_load=False)
    leads = scope == PARTIAL and verdict is Verdict.APPROVED
    every = categories_with(facts.available)
    # What was not wanted or not selected stands in the headline of a partial approval.
    unexamined = [
        each for each in every
        if (not leads if each not in facts.wanted else each in facts.absent and each not in seen)
    ]  # fmt: skip
    beyond = f" Not examined: {', '.join(unexamined)}." if unexamined else ""
    if facts.tags:
        beyond += f" Only scenarios tagged {facts.tags}."
    parts_of = narrowed(facts.selected, facts.available)
    if parts_of and not leads:
        beyond += f" Only {', '.join(parts_of)} were selected."
    if facts.weak:
        beyond += f" The target file asks for less than usual: {', '.join(facts.weak)}."
    missing = [scenario for scenario in facts.scenarios if scenario.is_missing]
    if missing:
        were = "was" if len(missing) == 1 else "were"
        reasons = [(scenario.category, in_one_line(scenario.reason)) for scenario in missing]
        why = unexercised(reasons, listed="verdict.html lists all under 'What was not exercised'")
        beyond = f" {numbered(len(missing), 'scenario')} {were} not exercised: {why}.{beyond}"
    if verdict is Verdict.APPROVED:
        passed = sum(scenario.outcome is ScenarioOutcome.PASSED for scenario in facts.scenarios)
        accepted += headline(facts.wanted, parts_of, every) if leads else ""
        hidden = [kind for kind in FIVE if kind in facts.absent]
        five = f"all but {' and '.join(hidden)} of the five events were" if hidden else "all five events were"
        due = facts.observed.five_expected + sum(load.summary.five_expected for load in facts.loads)
        shown = f"{five} observed" if due else "no request needed a tool"
        no = "no other findings" if facts.waived else "no findings"
        return f"{accepted}{numbered(passed, 'scenario')} passed, {shown}, {no}.{beyond}"
    parts = _open(verdict, criteria)
    if verdict is Verdict.BLOCKED and facts.findings:
        parts.insert(0, _first_findings(facts.findings, only=facts.only))
        parts[:0] = [_in_words(facts.ill)] if facts.ill is not None else []
    elif verdict is Verdict.BLOCKED:
        parts[:0] = _first_of(ScenarioOutcome.FAILED, facts)
    else:
        parts[:0] = _first_of(ScenarioOutcome.BROKEN, facts)
    return f"{accepted}{'; '.join(parts)}.{beyond}"


def _open(verdict: Verdict, criteria: list[Criterion]) -> list[str]:
    """The criteria that prevent an approval, each in words."""
    wanted = Status.FAILED if verdict is Verdict.BLOCKED else Status.INCONCLUSIVE
    # Missing evidence is why the others are unknown, so it stands first.
    worst_first = sorted(criteria, key=lambda c: verdict is not Verdict.BLOCKED and c.id != "EVIDENCE")
    return [f"{c.id}: {c.measured} (required: {c.threshold})" for c in worst_first if c.status is wanted]


def reason_of_a_load(verdict: Verdict, criteria: list[Criterion], facts: Facts, workload: Workload) -> str:
    """Begins with what was asked of the load; an approval says that it approves no release."""
    what = f"Load of {workload}"
    if verdict is Verdict.BLOCKED:
        # Their findings say more than that these criteria are not met.
        parts = _open(verdict, [criterion for criterion in criteria if criterion.id not in ("RULES", "PATTERNS")])
        parts[:0] = [f"{seen.pattern}: {seen.measured}" for seen in facts.critical_patterns]
        if facts.findings:
            parts.insert(0, _first_findings(facts.findings, convicting(facts.loads)))
        return f"{what}: {'; '.join(parts)}."
    if verdict is Verdict.INCONCLUSIVE:
        return f"{what}: {'; '.join(_open(verdict, criteria))}."
    runs, events = (sum(getattr(load.summary, name) for load in facts.loads) for name in ("runs", "events"))
    excuses = [text for load in facts.loads if (text := excused(load.summary))]
    but = f"; allowed exceptions: {'; '.join(excuses)}" if excuses else ""
    busy = next((load.summary.saturated for load in facts.loads if load.summary.saturated), "")
    untimed = f" The measured latency is not reliable: the load generator was {busy}." if busy else ""
    if not workload.judges_latency and not busy:
        untimed = " Latency was not judged: no threshold was given."
    examined = ", ".join(criterion.id for criterion in criteria)
    return (
        f"{what}: {events:,} events of {runs:,} runs were checked, without findings{but}. Examined: {examined}."
        f"{untimed} A load approves no release."
    )


def _first_of(outcome: ScenarioOutcome, facts: Facts) -> list[str]:
    concerned = [scenario for scenario in facts.scenarios if scenario.outcome is outcome and not scenario.waived]
    return [f"'{scenario.name}' {outcome}: {in_one_line(scenario.reason)}" for scenario in concerned[:1]]


def _in_words(ill: Ill) -> str:
    finding = ill.finding
    what = f"{finding.rule}: expected {finding.expected}, got {finding.actual}"
    follow = f", {numbered(ill.consequences, 'finding')} of later scenarios may follow from that"
    return f"after '{ill.scenario}' the target was ill ({what}){follow if ill.consequences else ''}"


def _first_findings(
    findings: tuple[Finding, ...], counted: Counter[str] | None = None, only: Mapping[str, int] | None = None
) -> str:
    """The gravest rule with its first finding, then the others; of the same gravity, the most frequent first.

    `counted`: all findings of each rule; `only`: how many scenarios failed for no other rule.
    """
    count = counted or Counter(finding.rule for finding in findings)
    first = {finding.rule: finding for finding in reversed(findings)}
    (rule, times), *others = sorted(
        count.most_common(), key=lambda each: (gravity(each[0], first[each[0]].severity), -each[1])
    )
    example, alone = first[rule], (only or {}).get(rule, 0)
    failed = f", {numbered(alone, 'scenario')} failed for this alone" if alone > 1 else ""
    more = f"; also {', '.join(f'{other} ({n})' for other, n in others)}" if others else ""
    whom = f" [{example.user}]" if example.user else ""
    return (
        f"{rule} ({numbered(times, 'finding')}{failed}): expected {example.expected}, got {example.actual}{whom}{more}"
    )


def in_one_line(reason: str) -> str:
    """The first line of the reason why a scenario did not pass, and what a matcher received instead."""
    # behave puts the class before the message.
    lines = [line.strip().removeprefix("SuiteFault: ") for line in reason.splitlines() if line.strip()]
    return " ".join(lines[:2] if lines[1:] and lines[1].startswith("but:") else lines[:1]) or "no reason given"
