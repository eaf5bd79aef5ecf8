"""From criteria to the verdict: a pure function of what was observed. It never guesses.

A criterion that lacks evidence is inconclusive, and inconclusive never approves. BLOCKED before INCONCLUSIVE before
APPROVED.
"""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from greenlight_gate.categories import categories_with
from greenlight_gate.events import FIVE
from greenlight_gate.findings import Finding, Severity, numbered
from greenlight_gate.measure.latency_summary import LatencySummary
from greenlight_gate.measure.thresholds import LEAST_SUCCESS, Thresholds, success
from greenlight_gate.rules.engine.suite_stalls import AGAIN, busy
from greenlight_gate.rules.isolation import IsolationPair
from greenlight_gate.rules.registry import RULES, gravity
from greenlight_gate.verdict.baseline import Compared
from greenlight_gate.verdict.criteria import Criterion, LoadOfScenario, Status, gaps_of, latency, losses, memory
from greenlight_gate.verdict.failure_patterns import SLOW, Occurrence
from greenlight_gate.verdict.load_verdict import Workload, excused, isolation, rules
from greenlight_gate.verdict.memory_trend import MemorySamples
from greenlight_gate.verdict.repeats import Repeated, repeats
from greenlight_gate.verdict.scope import PARTIAL, headline, narrowed, scope_of, too_few, unexercised

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
    """The three values, each with its exit code."""

    APPROVED = "APPROVED"
    BLOCKED = "BLOCKED"
    INCONCLUSIVE = "INCONCLUSIVE"

    @property
    def exit_code(self) -> int:
        """The exit code of a command with this verdict."""
        return {"APPROVED": 0, "BLOCKED": 1, "INCONCLUSIVE": 2}[self.value]


class ScenarioOutcome(StrEnum):
    """The outcome of a scenario. Broken: the suite failed. Not exercised: the target cannot do this."""

    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"
    NOT_EXERCISED = "not_exercised"
    NOT_RUN = "not_run"


class ScenarioResult(msgspec.Struct, frozen=True):
    """One scenario of the ledger. `category` is the folder below features/; `need`: see `evidence.Finished`.

    `rule`: the rule or criterion that a step of a failed scenario named, where no finding said why. A scenario that ran
    several times has the worst outcome of all; `passes` of the `times` that it passed or failed it passed.
    """

    key: str
    name: str
    category: str
    outcome: ScenarioOutcome
    reason: str = ""
    need: str = ""
    rule: str = ""
    passes: int = 0
    times: int = 0

    @property
    def repeated(self) -> Repeated | None:
        """How often it passed; None if it neither passed nor failed at any time."""
        return Repeated(self.name, self.category, self.passes, self.times) if self.times else None


class Observed(msgspec.Struct, frozen=True):
    """Counts over the traces.

    `expected_events` and `arrived_events` count the events that the requests call for; `five_expected` and `five_shown`
    the answers that had to have, and had, all five kinds. `latency` is from the server's timestamp to the receipt;
    `recovery` from a user's first attempt to reconnect until it succeeds; `ping` from an application ping to its pong.
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


class Ill(msgspec.Struct, frozen=True):
    """The first scenario after which a healthy user was not served, what was found then, and how much followed."""

    scenario: str
    finding: Finding
    consequences: int


class Facts(msgspec.Struct, frozen=True):
    """Everything that the verdict depends on.

    `gaps` are the reasons why evidence is incomplete; `absent` what the target declares that it cannot do, with the
    reason; `accepted` the gaps that were accepted, with the reason. `relations` say which users received data of which;
    `loads` are the results of loads, `watched` those of probes, `patterns` failures over many answers. `compared` is
    the comparison with the baseline, which decides only if `gated`. `workload`: this is a load session, of this load;
    it has no scenarios and approves no release. `available`: how many scenarios each wanted category has; `weak`: in
    what the target file asks for less than usual. `ended_early`: the run was interrupted or killed. `crowded`: why
    other programs left the suite's machine too little CPU time in some of it; "" if they did not. `only`: how many
    scenarios have findings of no other rule; `ill`: which one left the target ill. What may have followed from that is
    counted there, and is not among the `findings`. `repeat`: how often each scenario ran.
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
    loads: tuple[LoadOfScenario, ...] = ()
    watched: tuple[MemorySamples, ...] = ()
    patterns: tuple[Occurrence, ...] = ()
    compared: Compared | None = None
    gated: bool = False
    workload: Workload | None = None
    available: dict[str, int] = {}
    weak: tuple[str, ...] = ()
    ended_early: bool = False
    crowded: str = ""
    only: dict[str, int] = {}
    ill: Ill | None = None
    repeat: int = 1

    @property
    def selected(self) -> Counter[str]:
        """How many scenarios of each category were selected."""
        return Counter(scenario.category for scenario in self.scenarios)


class Decision(msgspec.Struct, frozen=True):
    """The verdict, its reason, and each criterion."""

    verdict: Verdict
    reason: str
    criteria: tuple[Criterion, ...]


# The categories whose scenarios check isolation.
_WATCHFUL = frozenset({"integration", "security"})
# The criteria of figures over a whole run, which the beginning of one does not show.
_OVER_A_RUN = frozenset({"LATENCY", "RECOVERY", "BASELINE"})
# Failure patterns of what was late or did not come in time, which a busy machine may cause as well.
_LATE_PATTERNS = frozenset({SLOW, "SILENT_STALLS", "CONNECTION_INSTABILITY"})
MUST_NOT_BE_ABSENT = ("with_tool", "isolation", "authentication", *FIVE)


def decide(facts: Facts) -> Decision:
    """Judges the criteria that apply; the worst of them decides the verdict."""
    criteria = _of_scenarios(facts) if facts.workload is None else _of_a_load(facts, facts.workload)
    if facts.ended_early:
        criteria = [_unless(criterion, "the run ended early, so that this does not count") for criterion in criteria]
    elif facts.crowded:
        criteria = [_unless(criterion, f"{busy(facts.crowded)}; {AGAIN}") for criterion in criteria]
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


def _unless(criterion: Criterion, why: str) -> Criterion:
    """A criterion of speed that is not met, but blocks nothing: a few samples do not, nor does a busy machine."""
    if criterion.id not in _OVER_A_RUN or criterion.status is not Status.FAILED:
        return criterion
    return msgspec.structs.replace(criterion, measured=f"{criterion.measured}; {why}", status=Status.INCONCLUSIVE)


def _of_scenarios(facts: Facts) -> list[Criterion]:
    """The criteria of the selected categories."""
    criteria = [_scenarios(facts), _completeness(facts), _success(facts)]
    if facts.repeat > 1:
        criteria.append(repeats([each.repeated for each in facts.scenarios if each.repeated], facts.repeat))
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
    """The criteria of a load: it says nothing of scenarios, lost connections, or memory over time."""
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
    return {scenario.category for scenario in facts.scenarios if not _is_missing(scenario)}


def _scenarios(facts: Facts) -> Criterion:
    count = Counter(scenario.outcome for scenario in facts.scenarios)
    ran = count[ScenarioOutcome.PASSED] + count[ScenarioOutcome.FAILED] + count[ScenarioOutcome.BROKEN]
    parts = [f"{count[outcome]} {outcome.replace('_', ' ')}" for outcome in ScenarioOutcome if count[outcome]]
    measured = ", ".join(parts) or "no scenario ran"
    seen = _seen(facts)
    unseen = [category for category in facts.wanted if category not in seen and category not in facts.absent]
    if unseen and facts.scenarios:
        measured += f"; none of category {', '.join(unseen)}"
    missing = [(each.category, in_one_line(each.reason), each.need) for each in facts.scenarios if _is_missing(each)]
    # A category that the target rules out as a whole is said to be not examined.
    judged = {
        each: count for each, count in facts.selected.items() if each in facts.wanted and each not in facts.absent
    }
    thin = too_few(judged, missing, facts.accepted)
    measured += "".join(f"; {said}" for said in thin)
    found = len(facts.findings) + (facts.ill.consequences if facts.ill is not None else 0)
    if found:
        measured += f"; {numbered(found, 'finding')}"
    if count[ScenarioOutcome.FAILED] or found:
        status = Status.FAILED
    elif (
        unseen or thin or count[ScenarioOutcome.BROKEN] or count[ScenarioOutcome.NOT_RUN]
        or not count[ScenarioOutcome.PASSED]
    ):  # fmt: skip
        status = Status.INCONCLUSIVE
    else:
        status = Status.PASSED
    requirement = "Every scenario of the selected categories ran and passed, without findings."
    return Criterion("SCENARIOS", requirement, "100 %", measured, ran, status)


def _is_missing(scenario: ScenarioResult) -> bool:
    return scenario.outcome is ScenarioOutcome.NOT_EXERCISED


def _completeness(facts: Facts) -> Criterion:
    seen = facts.observed
    expected = seen.five_expected + sum(load.summary.five_expected for load in facts.loads)
    lost = sum(load.summary.five_expected - load.summary.five_shown for load in facts.loads)
    shown = seen.five_shown + sum(load.summary.five_shown for load in facts.loads)
    kinds = {*seen.kinds, *(kind for load in facts.loads for kind in load.summary.kinds)}
    hidden = [kind for kind in FIVE if kind in facts.absent]
    unseen = [kind for kind in FIVE if kind not in kinds and kind not in hidden]
    measured = f"{shown} of {expected} answers"
    # A load counts complete answers only: which kinds the others lack is not known.
    if unseen and facts.workload is None:
        measured += f"; never received: {', '.join(unseen)}"
    if hidden:
        measured += f"; not observable here: {', '.join(hidden)}"
    if not expected:
        status = Status.PASSED if "with_tool" in facts.accepted else Status.INCONCLUSIVE
    else:
        # Single losses among many users are judged by SUCCESS.
        status = Status.PASSED if seen.five_shown == seen.five_expected else Status.FAILED
        if status is Status.PASSED and lost:
            any_shown = any(load.summary.five_shown for load in facts.loads)
            status = losses(facts.loads) if any_shown else Status.FAILED
    requirement = "Every answer that requires all five events had them."
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
        measured, statuses = ["no request was sent"], [Status.INCONCLUSIVE]
    worst = next(status for status in (Status.FAILED, Status.INCONCLUSIVE, Status.PASSED) if status in statuses)
    return Criterion("SUCCESS", requirement, ", ".join(required), ", ".join(measured), samples, worst)


def _latency(facts: Facts) -> Criterion:
    seen = facts.observed
    traced = {"delivery": seen.latency, "acknowledgement (no known server clock)": seen.acknowledgement}
    known = {name: figures for name, figures in traced.items() if figures is not None}
    first = dict(list(known.items())[:1])
    return latency(facts.loads, first, facts.thresholds, seen.ping)


def _isolation(facts: Facts) -> Criterion:
    broken = [finding for finding in facts.findings if finding.rule.startswith("ISOLATION")]
    unproven = [f"{user} in '{relation.name}'" for relation in facts.relations for user in relation.unproven]
    users = max((len(relation.users) for relation in facts.relations), default=0)
    pairs = sum(relation.pairs for relation in facts.relations)
    by_design = sum(relation.by_design for relation in facts.relations)
    found, scenarios = numbered(len(broken), "finding"), numbered(len(facts.relations), "scenario")
    measured = f"{found} in {scenarios} with up to {numbered(users, 'user')}"
    status = Status.FAILED if broken else Status.PASSED
    if unproven:
        more = f" and {len(unproven) - 1} more" if unproven[1:] else ""
        measured += f"; {RULES['ISOLATION-3'].requirement} This is not shown for {unproven[0]}{more}"
    elif not facts.relations:
        measured = _unwatched(facts)
    if by_design:
        measured += f"; {numbered(by_design, 'message')} of other users, which the profile allows"
    if by_design and "broadcast" not in facts.accepted and not broken:
        measured += ' (foreign = "broadcast-by-design"), which accepted_gaps.broadcast has to accept'
        status = Status.INCONCLUSIVE
    if not broken and (unproven or (not facts.relations and "isolation" not in facts.accepted)):
        status = Status.INCONCLUSIVE
    requirement = "No user receives data of another user, and each received their own."
    return Criterion("ISOLATION", requirement, "0", measured, pairs, status)


def _recovery(facts: Facts) -> Criterion:
    took = facts.observed.recovery
    requirement = "95 % of the users who lost their connection recover in time, counted from their first attempt."
    threshold = f"<= {facts.recover_s:g} s"
    if took is None:
        return Criterion("RECOVERY", requirement, threshold, "no user had to reconnect", 0, Status.INCONCLUSIVE)
    measured = f"p95 {took.p95_ms / 1e3:.2f} s; p50 {took.p50_ms / 1e3:.2f}, max {took.max_ms / 1e3:.2f} s"
    status = Status.PASSED if took.p95_ms <= facts.recover_s * 1e3 else Status.FAILED
    return Criterion("RECOVERY", requirement, threshold, measured, took.samples, status)


def _unwatched(facts: Facts) -> str:
    if "isolation" in facts.accepted:
        return f"not exercised, accepted: {facts.accepted['isolation']}"
    lacking = [facts.absent[need] for need in ("isolation", "remember", "recall") if need in facts.absent]
    why = lacking[0] if lacking else "no scenario that checks it ran far enough"
    return f"isolation was not checked: {why}"


def _patterns(facts: Facts) -> Criterion:
    critical, others = _critical(facts), [seen for seen in facts.patterns if seen not in _critical(facts)]
    measured = f"{len(critical)} critical, {len(others)} others"
    if facts.patterns:
        measured += f": {', '.join(seen.pattern for seen in (*critical, *others))}"
    status = Status.FAILED if critical else Status.PASSED
    if not critical and facts.crowded and (late := [seen.pattern for seen in others if seen.pattern in _LATE_PATTERNS]):
        measured += f"; {busy(facts.crowded)}, so that {' and '.join(late)} cannot be judged; {AGAIN}"
        status = Status.INCONCLUSIVE
    messages = facts.observed.messages + sum(load.summary.messages for load in facts.loads)
    if not critical and not messages:
        measured, status = "no message was received", Status.INCONCLUSIVE
    requirement = "No critical failure pattern occurred in the session."
    return Criterion("PATTERNS", requirement, "0 critical", measured, messages, status)


def _critical(facts: Facts) -> list[Occurrence]:
    """The patterns that block. Latency does so only with a threshold, and on a machine that is not too busy."""
    excused = _LATE_PATTERNS if facts.crowded else frozenset()
    untimed = facts.workload is not None and not facts.workload.judges_latency
    # Where a load shows that this machine was busy, its work may have delayed all that came.
    untimed = untimed or any(load.summary.saturated for load in facts.loads)
    critical = [seen for seen in facts.patterns if seen.severity is Severity.CRITICAL]
    excused |= {SLOW} if untimed else set()
    return [seen for seen in critical if seen.pattern not in excused]


def _baseline(compared: Compared) -> Criterion:
    status = {True: Status.FAILED, False: Status.PASSED, None: Status.INCONCLUSIVE}[compared.slower]
    requirement = "The target is not slower than in its earlier approved sessions."
    return Criterion("BASELINE", requirement, "within their noise", compared.said, 1, status)


def _evidence(facts: Facts) -> Criterion:
    gaps = [*facts.gaps, *gaps_of(facts.loads)]
    if facts.workload is None:
        requirement = "The evidence is complete: the run finished, traces are intact, counts agree with Allure."
        samples = len(facts.scenarios)
        gaps += [
            f"{need} is declared absent and not accepted: {facts.absent[need]}"
            for need in MUST_NOT_BE_ABSENT
            if need in facts.absent and need not in facts.accepted
        ]
    else:
        requirement = "The evidence is complete: the load finished, and its files are unchanged."
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
    if verdict is Verdict.APPROVED:
        passed = sum(scenario.outcome is ScenarioOutcome.PASSED for scenario in facts.scenarios)
        missing = [scenario for scenario in facts.scenarios if _is_missing(scenario)]
        spared, were = len(missing), "was" if len(missing) == 1 else "were"
        why = unexercised([(scenario.category, in_one_line(scenario.reason)) for scenario in missing])
        beyond = (f" {numbered(spared, 'scenario')} {were} not exercised: {why}." if spared else "") + beyond
        accepted += headline(facts.wanted, parts_of, every) if leads else ""
        hidden = [kind for kind in FIVE if kind in facts.absent]
        five = f"all but {' and '.join(hidden)} of the five events were" if hidden else "all five events were"
        due = facts.observed.five_expected + sum(load.summary.five_expected for load in facts.loads)
        shown = f"{five} observed" if due else "no request needed a tool"
        return f"{accepted}{numbered(passed, 'scenario')} passed, {shown}, no findings.{beyond}"
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


def _reason_of_a_load(verdict: Verdict, criteria: list[Criterion], facts: Facts, workload: Workload) -> str:
    """Begins with what was asked of the load; an approval says that it approves no release."""
    what = f"Load of {workload}"
    if verdict is Verdict.BLOCKED:
        # Their findings say more than that these criteria are not met.
        parts = _open(verdict, [criterion for criterion in criteria if criterion.id not in ("RULES", "PATTERNS")])
        parts[:0] = [f"{seen.pattern}: {seen.measured}" for seen in _critical(facts)]
        if facts.findings:
            parts.insert(0, _first_findings(facts.findings, _counts(facts.loads)))
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


def _counts(loads: tuple[LoadOfScenario, ...]) -> Counter[str]:
    """The number of findings of each rule that has findings beyond the allowance."""
    guilty: Counter[str] = Counter()
    for load in loads:
        # Sorted, so that the reason is the same in every process.
        for rule in sorted({offence.finding.rule for offence in load.summary.convicting()}):
            guilty[rule] += load.summary.counts[rule]
    return guilty


def _first_of(outcome: ScenarioOutcome, facts: Facts) -> list[str]:
    concerned = [scenario for scenario in facts.scenarios if scenario.outcome is outcome]
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
