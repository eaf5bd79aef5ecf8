"""From criteria to the verdict: a pure function of what was observed. It never guesses.

A criterion that lacks evidence is inconclusive, and inconclusive never approves. BLOCKED before INCONCLUSIVE before
APPROVED.
"""

import msgspec

from greenlight_gate.rules.engine.suite_stalls import AGAIN, busy
from greenlight_gate.verdict.criteria import Criterion, Status, latency, memory
from greenlight_gate.verdict.facts import Decision, Facts, Verdict
from greenlight_gate.verdict.load_verdict import Workload, failed_runs, isolation, rules
from greenlight_gate.verdict.reason import reason_of, reason_of_a_load
from greenlight_gate.verdict.repeats import repeats
from greenlight_gate.verdict.session_criteria import (
    baseline,
    completeness,
    event_latency,
    evidence,
    patterns,
    recovery,
    scenarios,
    success_rate,
    user_isolation,
)
from greenlight_gate.verdict.waivers import in_words, waive, waivers_criterion

# The categories whose scenarios check isolation.
_WATCHFUL = ("integration", "security")
# The criteria of figures over a whole run, which the beginning of one does not show.
_OVER_A_RUN = frozenset({"LATENCY", "RECOVERY", "BASELINE"})


def decide(facts: Facts) -> Decision:
    """Judges the criteria that apply; the worst of them decides the verdict."""
    criteria = _of_scenarios(facts) if facts.workload is None else _of_a_load(facts, facts.workload)
    criteria = [waive(criterion, facts.waived, facts.findings) for criterion in criteria]
    criteria += [waivers_criterion(facts.waivers, strict=facts.strict_waivers)] if facts.waivers else []
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
        reason = reason_of(verdict, criteria, facts)
    else:
        reason = reason_of_a_load(verdict, criteria, facts, facts.workload)
    return Decision(verdict, f"{in_words(facts.waivers)}{reason}", tuple(criteria))


def _unless(criterion: Criterion, why: str) -> Criterion:
    """A criterion of speed that is not met, but blocks nothing: a few samples do not, nor does a busy machine."""
    if criterion.id not in _OVER_A_RUN or criterion.status is not Status.FAILED:
        return criterion
    return msgspec.structs.replace(criterion, measured=f"{criterion.measured}; {why}", status=Status.INCONCLUSIVE)


def _of_scenarios(facts: Facts) -> list[Criterion]:
    """The criteria of the selected categories."""
    criteria = [scenarios(facts), completeness(facts), success_rate(facts)]
    if facts.repeat > 1:
        known = [each.repeated for each in facts.scenarios if each.repeated and not each.waived]
        criteria.append(repeats(known, facts.repeat))
    if "performance" in facts.wanted:
        criteria.append(event_latency(facts))
    if facts.relations or facts.is_due(*_WATCHFUL):
        criteria.append(user_isolation(facts))
    if facts.observed.recovery is not None or facts.is_due("resilience"):
        criteria.append(recovery(facts))
    # A part of the category need not have the scenarios that watch the memory.
    watches = "stress" in facts.wanted and (bool(facts.watched) or not facts.is_part("stress"))
    if watches and not {"stress", "memory_probe"} & facts.absent.keys():
        criteria.append(memory(facts.watched, facts.thresholds.memory_mb_growth))
    criteria.append(patterns(facts))
    if facts.gated and facts.compared is not None:
        criteria.append(baseline(facts.compared))
    criteria.append(evidence(facts))
    return criteria


def _of_a_load(facts: Facts, workload: Workload) -> list[Criterion]:
    """The criteria of a load: it says nothing of scenarios, lost connections, or memory over time."""
    criteria = [rules(facts.loads)]
    if any(load.summary.five_expected for load in facts.loads):
        criteria.append(completeness(facts))
    criteria.append(success_rate(facts))
    if workload.judges_latency:
        criteria.append(latency(facts.loads, {}, facts.thresholds))
    if facts.thresholds.failed_runs_percent is not None:
        criteria.append(failed_runs(facts.loads, facts.thresholds.failed_runs_percent))
    isolated = isolation(facts.loads)
    if isolated is not None:
        criteria.append(isolated)
    return [*criteria, patterns(facts), evidence(facts)]
