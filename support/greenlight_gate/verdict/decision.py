"""Criteria to verdict: a pure function of what was observed. It never guesses.

A criterion that lacks evidence is inconclusive, and inconclusive never approves. BLOCKED before INCONCLUSIVE before
APPROVED.
"""

from collections import Counter
from enum import StrEnum

import msgspec

from greenlight_gate.categories import CATEGORIES
from greenlight_gate.events import FIVE
from greenlight_gate.findings import Finding, Severity
from greenlight_gate.measure.latency import LatencySummary
from greenlight_gate.measure.thresholds import LEAST_SUCCESS, Thresholds, success
from greenlight_gate.rules.isolation import IsolationPair
from greenlight_gate.rules.registry import RULES
from greenlight_gate.verdict.baseline import Compared
from greenlight_gate.verdict.criteria import Criterion, Loaded, Status, gaps_of, latency, losses, memory
from greenlight_gate.verdict.failure_patterns import SLOW, Occurrence
from greenlight_gate.verdict.load_verdict import Workload, excused, isolation, rules
from greenlight_gate.verdict.memory_trend import Watched
from greenlight_gate.verdict.scope import PARTIAL, headline, narrowed, scope_of, unexercised

__all__ = [
    "Criterion",
    "Decision",
    "Facts",
    "Observed",
    "ScenarioOutcome",
    "ScenarioResult",
    "Status",
    "Verdict",
    "decide",
]


class Verdict(StrEnum):
    """The three values. `exit_code` is what commands end with."""

    APPROVED = "APPROVED"
    BLOCKED = "BLOCKED"
    INCONCLUSIVE = "INCONCLUSIVE"

    @property
    def exit_code(self) -> int:
        """What a command that gave this verdict ends with."""
        return {"APPROVED": 0, "BLOCKED": 1, "INCONCLUSIVE": 2}[self.value]


class ScenarioOutcome(StrEnum):
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
    outcome: ScenarioOutcome
    reason: str = ""


class Observed(msgspec.Struct, frozen=True):
    """What the traces show, counted.

    `expected_events` and `arrived_events` count what the questions asked for; `five_expected` and `five_shown` the
    answers that had to show, and showed, all five kinds. `latency` is from the server's stamp to the receipt;
    `recovery` from a person's first try to come back until they are; `ping` from an application ping to its pong.
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
    ping: LatencySummary | None = None


class Facts(msgspec.Struct, frozen=True):
    """All that a verdict is made of.

    `gaps` are the reasons why evidence is incomplete; `absent` what the target declares that it cannot do, with the
    reason; `accepted` those of them that somebody answers for. `relations` say who could see whom; `loads` is what came
    of many people at once, `watched` what probes saw; `patterns` what went wrong over many answers. `compared` is what
    came of the baseline, which decides where it is `gated`. `workload` says that it is a load session, and which load
    was asked for: it has no scenarios, and approves no release. `available`: how many scenarios each wanted category
    has; `weak`: in what the target file asks for less than usual.
    """

    wanted: tuple[str, ...]
    tags: str
    scenarios: tuple[ScenarioResult, ...]
    findings: tuple[Finding, ...]
    observed: Observed
    gaps: tuple[str, ...]
    absent: dict[str, str]
    accepted: dict[str, str]
    thresholds: Thresholds = Thresholds()
    relations: tuple[IsolationPair, ...] = ()
    recover_s: float = 5.0
    loads: tuple[Loaded, ...] = ()
    watched: tuple[Watched, ...] = ()
    patterns: tuple[Occurrence, ...] = ()
    compared: Compared | None = None
    gated: bool = False
    workload: Workload | None = None
    available: dict[str, int] = {}
    weak: tuple[str, ...] = ()

    @property
    def selected(self) -> Counter[str]:
        """How many scenarios of each category were selected."""
        return Counter(scenario.category for scenario in self.scenarios)


class Decision(msgspec.Struct, frozen=True):
    """The verdict, why, and each criterion."""

    verdict: Verdict
    reason: str
    criteria: tuple[Criterion, ...]


# The categories that watch the privacy of people.
_WATCHFUL = frozenset({"integration", "security"})
MUST_NOT_BE_ABSENT = ("with_tool", "isolation", "authentication", *FIVE)


def decide(facts: Facts) -> Decision:
    """Judges the criteria that apply; the worst of them is the verdict."""
    criteria = _of_scenarios(facts) if facts.workload is None else _of_a_load(facts, facts.workload)
    statuses = {criterion.status for criterion in criteria}
    if Status.FAILED in statuses:
        verdict = Verdict.BLOCKED
    elif Status.INCONCLUSIVE in statuses:
        verdict = Verdict.INCONCLUSIVE
    else:
        verdict = Verdict.APPROVED
    if facts.workload is None:
        reason = _reason(verdict, criteria, facts)
    else:
        reason = _reason_of_a_load(verdict, criteria, facts, facts.workload)
    return Decision(verdict, reason, tuple(criteria))


def _of_scenarios(facts: Facts) -> list[Criterion]:
    """The criteria that the wanted categories feed."""
    criteria = [_scenarios(facts), _completeness(facts), _success(facts)]
    if "performance" in facts.wanted:
        criteria.append(_latency(facts))
    if facts.relations or (not facts.tags and not _WATCHFUL.isdisjoint(facts.wanted)):
        criteria.append(_isolation(facts))
    if facts.observed.recovery is not None or (not facts.tags and "resilience" in facts.wanted):
        criteria.append(_recovery(facts))
    if "stress" in facts.wanted and not {"stress", "memory_probe"} & facts.absent.keys():
        criteria.append(memory(facts.watched, facts.thresholds.memory_mb_growth))
    criteria.append(_patterns(facts))
    if facts.gated and facts.compared is not None:
        criteria.append(_baseline(facts.compared))
    criteria.append(_evidence(facts))
    return criteria


def _of_a_load(facts: Facts, workload: Workload) -> list[Criterion]:
    """The criteria that a load feeds: those of scenarios, of lost connections and of memory over time it does not."""
    criteria = [rules(facts.loads)]
    if any(load.summary.five_expected for load in facts.loads):
        criteria.append(_completeness(facts))
    criteria.append(_success(facts))
    if workload.judges_latency:
        criteria.append(latency(facts.loads, {}, facts.thresholds))
    isolated = isolation(facts.loads)
    if isolated is not None:
        criteria.append(isolated)
    return [*criteria, _patterns(facts), _evidence(facts)]


def _seen(facts: Facts) -> set[str]:
    return {scenario.category for scenario in facts.scenarios if scenario.outcome is not ScenarioOutcome.NOT_EXERCISED}


def _scenarios(facts: Facts) -> Criterion:
    count = Counter(scenario.outcome for scenario in facts.scenarios)
    ran = count[ScenarioOutcome.PASSED] + count[ScenarioOutcome.FAILED] + count[ScenarioOutcome.BROKEN]
    parts = [f"{count[outcome]} {outcome.replace('_', ' ')}" for outcome in ScenarioOutcome if count[outcome]]
    measured = ", ".join(parts) or "no scenario"
    seen = _seen(facts)
    unseen = [category for category in facts.wanted if category not in seen and category not in facts.absent]
    if unseen and facts.scenarios:
        measured += f"; nothing of {', '.join(unseen)}"
    if facts.findings:
        measured += f"; {len(facts.findings)} findings"
    if count[ScenarioOutcome.FAILED] or facts.findings:
        status = Status.FAILED
    elif count[ScenarioOutcome.BROKEN] or count[ScenarioOutcome.NOT_RUN] or unseen or not count[ScenarioOutcome.PASSED]:
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
    # A load counts whole answers only, and does not know which kinds the others had.
    if unseen and facts.workload is None:
        measured += f"; never seen: {', '.join(unseen)}"
    if hidden:
        measured += f"; not observable here: {', '.join(hidden)}"
    if not expected:
        status = Status.PASSED if "with_tool" in facts.accepted else Status.INCONCLUSIVE
    else:
        # What single people lose in a crowd is for SUCCESS to judge.
        status = Status.PASSED if seen.five_shown == seen.five_expected else Status.FAILED
        if status is Status.PASSED and lost:
            any_shown = any(load.summary.five_shown for load in facts.loads)
            status = losses(facts.loads) if any_shown else Status.FAILED
    requirement = "All five events were observed where the question requires them."
    return Criterion("COMPLETENESS", requirement, "100 %", measured, expected, status)


def _success(facts: Facts) -> Criterion:
    traced, loaded = success(facts.observed), success(*(load.summary for load in facts.loads))
    requirement = "Expected events arrived and were valid, and connections were accepted."
    required, measured, statuses, samples = [], [], [], 0
    if traced is not None or facts.workload is None:
        required.append(f">= {facts.thresholds.success_percent:g} %")
    if traced is not None:
        enough = traced.percent >= facts.thresholds.success_percent
        measured.append(f"{traced.percent:.2f} %")
        statuses.append(Status.PASSED if enough else Status.FAILED)
        samples += traced.of
    if loaded is not None:
        required.append(f"under load >= {LEAST_SUCCESS:g} %")
        measured.append(f"{loaded.percent:.2f} % of {loaded.of} under load")
        statuses.append(losses(facts.loads))
        samples += loaded.of
    if not statuses:
        measured, statuses = ["nothing was asked"], [Status.INCONCLUSIVE]
    worst = next(status for status in (Status.FAILED, Status.INCONCLUSIVE, Status.PASSED) if status in statuses)
    return Criterion("SUCCESS", requirement, ", ".join(required), ", ".join(measured), samples, worst)


def _latency(facts: Facts) -> Criterion:
    seen = facts.observed
    traced = {"delivery": seen.latency, "acknowledgement (no known server clock)": seen.acknowledgement}
    known = {name: figures for name, figures in traced.items() if figures is not None}
    first = dict(list(known.items())[:1])
    return _beside_the_ping(latency(facts.loads, first, facts.thresholds), first, facts)


def _beside_the_ping(criterion: Criterion, traced: dict[str, LatencySummary], facts: Facts) -> Criterion:
    """LATENCY with the round trip of a ping beside it, which says how far away the target is."""
    ping = facts.observed.ping
    if ping is None:
        return criterion
    said = f"{criterion.measured}; ping round trip p50 {ping.p50_ms:.1f} ms"
    slowest_ms = max((each.avg_ms for each in traced.values()), default=0.0)
    if criterion.status is Status.FAILED and slowest_ms - ping.p50_ms <= facts.thresholds.latency_ms_avg < slowest_ms:
        said += ", without which it would be within the threshold: the distance to the target is the cause, not the "
        said += "backend; judge it from a machine that is nearer"
    return msgspec.structs.replace(criterion, measured=said)


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
    if by_design and "broadcast" not in facts.accepted and not broken:
        measured += ' (foreign = "broadcast-by-design" in the profile), which accepted_gaps.broadcast has to accept'
        status = Status.INCONCLUSIVE
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
    critical, others = _critical(facts), [seen for seen in facts.patterns if seen not in _critical(facts)]
    measured = f"{len(critical)} critical, {len(others)} others"
    if facts.patterns:
        measured += f": {', '.join(seen.pattern for seen in (*critical, *others))}"
    status = Status.FAILED if critical else Status.PASSED
    messages = facts.observed.messages + sum(load.summary.messages for load in facts.loads)
    if not critical and not messages:
        measured, status = "nothing came in which one could be seen", Status.INCONCLUSIVE
    requirement = "No critical failure pattern over all answers and all the time."
    return Criterion("PATTERNS", requirement, "0 critical", measured, messages, status)


def _critical(facts: Facts) -> list[Occurrence]:
    """The patterns that block. How fast a load has to be is asked only with a threshold."""
    untimed = facts.workload is not None and not facts.workload.judges_latency
    critical = [seen for seen in facts.patterns if seen.severity is Severity.CRITICAL]
    return [seen for seen in critical if not (untimed and seen.pattern == SLOW)]


def _baseline(compared: Compared) -> Criterion:
    status = {True: Status.FAILED, False: Status.PASSED, None: Status.INCONCLUSIVE}[compared.slower]
    requirement = "It is not slower than the sessions that were approved before."
    return Criterion("BASELINE", requirement, "within their noise", compared.said, 1, status)


def _evidence(facts: Facts) -> Criterion:
    gaps = [*facts.gaps, *gaps_of(facts.loads)]
    if facts.workload is None:
        requirement = "Nothing is missing: run finished, traces whole, counts agree with Allure."
        samples = len(facts.scenarios)
        gaps += [
            f"{need} is declared absent and not accepted: {facts.absent[need]}"
            for need in MUST_NOT_BE_ABSENT
            if need in facts.absent and need not in facts.accepted
        ]
    else:
        requirement = "Nothing is missing: the load finished, and its files are those that were written."
        samples = len(facts.loads)
        if facts.loads and not any(load.summary.runs for load in facts.loads):
            gaps.append("no request was answered")
    measured = "; ".join(gaps) if gaps else "nothing is missing"
    status = Status.INCONCLUSIVE if gaps else Status.PASSED
    return Criterion("EVIDENCE", requirement, "all", measured, samples, status)


def _reason(verdict: Verdict, criteria: list[Criterion], facts: Facts) -> str:
    accepted = "".join(f"Accepted gap: {need} ({reason}). " for need, reason in sorted(facts.accepted.items()))
    seen = _seen(facts)
    scope = scope_of(facts.wanted, facts.tags, facts.selected, facts.available, is_load=False)
    leads = scope == PARTIAL and verdict is Verdict.APPROVED
    # What was not wanted or not selected stands in the headline of a partial approval.
    unexamined = [
        each for each in CATEGORIES
        if (not leads if each not in facts.wanted else each in facts.absent and each not in seen)
    ]  # fmt: skip
    beyond = f" Not examined: {', '.join(unexamined)}." if unexamined else ""
    if facts.tags:
        beyond += f" Only scenarios with {facts.tags}."
    parts_of = narrowed(facts.selected, facts.available)
    if parts_of and not leads:
        beyond += f" Only {', '.join(parts_of)} were selected."
    if facts.weak:
        beyond += f" The target file asks for less than usual: {', '.join(facts.weak)}."
    if verdict is Verdict.APPROVED:
        passed = sum(scenario.outcome is ScenarioOutcome.PASSED for scenario in facts.scenarios)
        spared = sum(scenario.outcome is ScenarioOutcome.NOT_EXERCISED for scenario in facts.scenarios)
        were = "scenario was" if spared == 1 else "scenarios were"
        why = unexercised([
            (scenario.category, in_one_line(scenario.reason)) for scenario in facts.scenarios
            if scenario.outcome is ScenarioOutcome.NOT_EXERCISED
        ])  # fmt: skip
        beyond = (f" {spared} {were} not exercised: {why}." if spared else "") + beyond
        accepted += headline(facts.wanted, parts_of) if leads else ""
        hidden = [kind for kind in FIVE if kind in facts.absent]
        five = f"all but {' and '.join(hidden)} of the five events were" if hidden else "all five events were"
        due = facts.observed.five_expected + sum(load.summary.five_expected for load in facts.loads)
        shown = f"{five} observed" if due else "no question needed a tool"
        scenarios = "scenario" if passed == 1 else "scenarios"
        return f"{accepted}{passed} {scenarios} passed, {shown}, no rule objected.{beyond}"
    parts = _open(verdict, criteria)
    if verdict is Verdict.BLOCKED and facts.findings:
        parts.insert(0, _first_findings(facts.findings))
    elif verdict is Verdict.BLOCKED:
        parts[:0] = _first_of(ScenarioOutcome.FAILED, facts)
    else:
        parts[:0] = _first_of(ScenarioOutcome.BROKEN, facts)
    return f"{accepted}{'; '.join(parts)}.{beyond}"


def _open(verdict: Verdict, criteria: list[Criterion]) -> list[str]:
    """The criteria that are why the verdict is no approval, each in words."""
    wanted = Status.FAILED if verdict is Verdict.BLOCKED else Status.INCONCLUSIVE
    # Where evidence is missing, that is why the others are unknown, so it is said first.
    worst_first = sorted(criteria, key=lambda c: verdict is not Verdict.BLOCKED and c.id != "EVIDENCE")
    return [f"{c.id}: {c.measured} (required: {c.threshold})" for c in worst_first if c.status is wanted]


def _reason_of_a_load(verdict: Verdict, criteria: list[Criterion], facts: Facts, workload: Workload) -> str:
    """Begins with what the load was, and says of an approval that it is none of a release."""
    what = f"Load of {workload}"
    if verdict is Verdict.BLOCKED:
        # What they have found says more than that they are broken.
        parts = _open(verdict, [criterion for criterion in criteria if criterion.id not in ("RULES", "PATTERNS")])
        parts[:0] = [f"{seen.pattern}: {seen.measured}" for seen in _critical(facts)]
        if facts.findings:
            parts.insert(0, _first_findings(facts.findings, _counts(facts.loads)))
        return f"{what}: {'; '.join(parts)}."
    if verdict is Verdict.INCONCLUSIVE:
        return f"{what}: {'; '.join(_open(verdict, criteria))}."
    runs, events = (sum(getattr(load.summary, name) for load in facts.loads) for name in ("runs", "events"))
    excuses = [text for load in facts.loads if (text := excused(load.summary))]
    but = f", but for what is allowed: {'; '.join(excuses)}" if excuses else ""
    busy = next((load.summary.saturated for load in facts.loads if load.summary.saturated), "")
    untimed = f" Latency is not to be trusted: the generator was {busy}." if busy else ""
    if not workload.judges_latency and not busy:
        untimed = " Latency was not judged: no threshold was given."
    examined = ", ".join(criterion.id for criterion in criteria)
    return (
        f"{what}: {events:,} events of {runs:,} runs were checked, no rule objected{but}. Examined: {examined}."
        f"{untimed} This is a load, and approves no release."
    )


def _counts(loads: tuple[Loaded, ...]) -> Counter[str]:
    """How often each rule objected that no allowance covers."""
    guilty: Counter[str] = Counter()
    for load in loads:
        # In an order that is the same in every process: the reason names them in it.
        for rule in sorted({offence.finding.rule for offence in load.summary.convicting()}):
            guilty[rule] += load.summary.counts[rule]
    return guilty


def _first_of(outcome: ScenarioOutcome, facts: Facts) -> list[str]:
    concerned = [scenario for scenario in facts.scenarios if scenario.outcome is outcome]
    return [f"'{scenario.name}' {outcome}: {in_one_line(scenario.reason)}" for scenario in concerned[:1]]


def _first_findings(findings: tuple[Finding, ...], counted: Counter[str] | None = None) -> str:
    """The most frequent rule with its first finding, and the others. `counted`: how often each objected in fact."""
    count = counted or Counter(finding.rule for finding in findings)
    first = {finding.rule: finding for finding in reversed(findings)}
    (rule, times), *others = count.most_common()
    example = first[rule]
    more = f", and {', '.join(f'{other} ({n})' for other, n in others)}" if others else ""
    return f"{rule} ({times}): expected {example.expected}, got {example.actual}{more}"


def in_one_line(reason: str) -> str:
    """Why a scenario did not pass, in short: the first line, and what came instead where a matcher says it."""
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    return " ".join(lines[:2] if lines[1:] and lines[1].startswith("but:") else lines[:1]) or "no reason given"
