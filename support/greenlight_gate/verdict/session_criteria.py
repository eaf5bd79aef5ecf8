"""The criteria of a session: what each requires, what was measured, and whether it is met."""

from collections import Counter

from greenlight_gate.events import FIVE, EventKind
from greenlight_gate.findings import numbered
from greenlight_gate.measure.thresholds import LEAST_SUCCESS, success
from greenlight_gate.rules.engine.suite_stalls import AGAIN, busy
from greenlight_gate.rules.isolation import is_leak
from greenlight_gate.rules.registry import RULES
from greenlight_gate.verdict.baseline import Compared
from greenlight_gate.verdict.criteria import Criterion, Status, gaps_of, latency, losses
from greenlight_gate.verdict.facts import LATE_PATTERNS, Facts, ScenarioOutcome
from greenlight_gate.verdict.reason import in_one_line
from greenlight_gate.verdict.scope import too_few

MUST_NOT_BE_ABSENT = ("with_tool", "isolation", "authentication", *FIVE)


def scenarios(facts: Facts) -> Criterion:
    """SCENARIOS: those of the selected categories ran and passed, without findings."""
    count = Counter(scenario.outcome for scenario in facts.scenarios)
    ran = count[ScenarioOutcome.PASSED] + count[ScenarioOutcome.FAILED] + count[ScenarioOutcome.BROKEN]
    waived = sum(bool(scenario.waived) for scenario in facts.scenarios)
    count[ScenarioOutcome.FAILED] -= waived
    parts = [f"{count[outcome]} {outcome.replace('_', ' ')}" for outcome in ScenarioOutcome if count[outcome]]
    parts += [f"{waived} failed and waived"] if waived else []
    parts += ["none passed"] if waived and not count[ScenarioOutcome.PASSED] else []
    measured = ", ".join(parts) or "no scenario ran"
    seen = facts.seen
    unseen = [category for category in facts.wanted if category not in seen and category not in facts.absent]
    if unseen and facts.scenarios:
        measured += f"; none of category {', '.join(unseen)}"
    missing = [(each.category, in_one_line(each.reason), each.need) for each in facts.scenarios if each.is_missing]
    # A category that the target rules out as a whole is said to be not examined.
    judged = {
        each: count for each, count in facts.selected.items() if each in facts.wanted and each not in facts.absent
    }
    thin = too_few(judged, missing, facts.accepted)
    found = len(facts.findings) + (facts.ill.consequences if facts.ill is not None else 0)
    fails = bool(count[ScenarioOutcome.FAILED] or found)
    # What is missing matters once the rest is right.
    measured += f"; {thin}" if thin and not fails else ""
    unasked = sum(need == "model_calls" for _, _, need in missing) if not facts.observed.model_calls else 0
    if unasked:
        measured += (
            f"; the target has a [model], and the backend asked it nothing: {numbered(unasked, 'scenario')} could not "
            "see a model fail; let the backend use it as its provider (OPENAI_BASE_URL or ANTHROPIC_BASE_URL), or "
            "remove [model]"
        )
    if found:
        measured += f"; {numbered(found, 'finding')}"
    if fails:
        status = Status.FAILED
    elif (
        unseen or thin or unasked or count[ScenarioOutcome.BROKEN] or count[ScenarioOutcome.NOT_RUN]
        or not count[ScenarioOutcome.PASSED]
    ):  # fmt: skip
        status = Status.INCONCLUSIVE
    else:
        status = Status.WAIVED if waived or facts.waived else Status.PASSED
    requirement = "Every scenario of the selected categories ran and passed, without findings."
    return Criterion("SCENARIOS", requirement, "100 %", measured, ran, status)


def completeness(facts: Facts) -> Criterion:
    """COMPLETENESS: answers that require all five events had them."""
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
        no_tools = {EventKind.TOOL_EXECUTING, EventKind.TOOL_COMPLETED} <= {*facts.accepted}
        status = Status.PASSED if no_tools or "with_tool" in facts.accepted else Status.INCONCLUSIVE
    else:
        # Single losses among many users are judged by SUCCESS.
        status = Status.PASSED if seen.five_shown == seen.five_expected else Status.FAILED
        if status is Status.PASSED and lost:
            any_shown = any(load.summary.five_shown for load in facts.loads)
            status = losses(facts.loads) if any_shown else Status.FAILED
    requirement = "Every answer that requires all five events had them."
    return Criterion("COMPLETENESS", requirement, "100 %", measured, expected, status)


def success_rate(facts: Facts) -> Criterion:
    """SUCCESS: expected events arrived and were valid, and connections were accepted."""
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


def event_latency(facts: Facts) -> Criterion:
    """LATENCY: of loads, and of the traces."""
    seen = facts.observed
    traced = {"delivery": seen.latency, "acknowledgement (no known server clock)": seen.acknowledgement}
    known = {name: figures for name, figures in traced.items() if figures is not None}
    first = dict(list(known.items())[:1])
    return latency(facts.loads, first, facts.thresholds, seen.ping)


def user_isolation(facts: Facts) -> Criterion:
    """ISOLATION: no user received what is another one's, and the check itself worked."""
    broken = [finding for finding in facts.findings if is_leak(finding.rule)]
    waived = sum(is_leak(finding.rule) for finding in facts.waived)
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
    if waived:
        measured += f"; {numbered(waived, 'finding')} waived"
        status = Status.WAIVED if status is Status.PASSED else status
    if by_design:
        measured += f"; {numbered(by_design, 'message')} of other users, which the profile allows"
    if by_design and "broadcast" not in facts.accepted and not broken:
        measured += ' (foreign = "broadcast-by-design"), which accepted_gaps.broadcast has to accept'
        status = Status.INCONCLUSIVE
    if not broken and (unproven or (not facts.relations and "isolation" not in facts.accepted)):
        status = Status.INCONCLUSIVE
    requirement = "No user receives data of another user, and each received their own."
    return Criterion("ISOLATION", requirement, "0", measured, pairs, status)


def recovery(facts: Facts) -> Criterion:
    """RECOVERY: users who lost their connection are back in time."""
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


def patterns(facts: Facts) -> Criterion:
    """PATTERNS: no critical failure pattern occurred."""
    critical = facts.critical_patterns
    others = [seen for seen in facts.patterns if seen not in critical]
    measured = f"{len(critical)} critical, {len(others)} others"
    if facts.patterns:
        measured += f": {', '.join(seen.pattern for seen in (*critical, *others))}"
    status = Status.FAILED if critical else Status.PASSED
    if not critical and facts.crowded and (late := [seen.pattern for seen in others if seen.pattern in LATE_PATTERNS]):
        measured += f"; {busy(facts.crowded)}, so that {' and '.join(late)} cannot be judged; {AGAIN}"
        status = Status.INCONCLUSIVE
    messages = facts.observed.messages + sum(load.summary.messages for load in facts.loads)
    if not critical and not messages:
        measured, status = "no message was received", Status.INCONCLUSIVE
    requirement = "No critical failure pattern occurred in the session."
    return Criterion("PATTERNS", requirement, "0 critical", measured, messages, status)


def baseline(compared: Compared) -> Criterion:
    """BASELINE: the target is not slower than before."""
    status = {True: Status.FAILED, False: Status.PASSED, None: Status.INCONCLUSIVE}[compared.slower]
    requirement = "The target is not slower than in its earlier approved sessions."
    return Criterion("BASELINE", requirement, "within their noise", compared.said, 1, status)


def evidence(facts: Facts) -> Criterion:
    """EVIDENCE: the run finished, and its files are whole."""
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
