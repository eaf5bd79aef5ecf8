"""From the ledger to one result for each scenario, however often it ran."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import msgspec

from greenlight_gate.evidence.attribution import Attributed
from greenlight_gate.evidence.session_folder import Finished, Selected
from greenlight_gate.rules.engine.finding_sink import demanded
from greenlight_gate.verdict.facts import ScenarioOutcome, ScenarioResult
from greenlight_gate.verdict.repeats import figures

# What a scenario that ran several times is said to be.
_WORST_FIRST = (
    (ScenarioOutcome.FAILED, False),
    (ScenarioOutcome.BROKEN, False),
    (ScenarioOutcome.NOT_RUN, False),
    # A failure that is waived: it must not hide a time of which nobody knows anything.
    (ScenarioOutcome.FAILED, True),
    (ScenarioOutcome.PASSED, False),
    (ScenarioOutcome.NOT_EXERCISED, False),
)


def each_time(selected: Mapping[str, Selected], finished: Mapping[str, Finished]) -> list[ScenarioResult]:
    """One result for each time that a scenario was to run, in order."""
    return [_result(entry, finished.get(key)) for key, entry in selected.items()]


def together(times: Iterable[ScenarioResult]) -> tuple[ScenarioResult, ...]:
    """One result for each scenario, in order; of one that ran several times, the worst with how often it passed.

    A failure that is waived is less bad than one that is not, and than a time that broke or did not run.
    """
    of: dict[str, list[ScenarioResult]] = {}
    for each in times:
        of.setdefault(each.key, []).append(each)
    return tuple(_together(each) for each in of.values())


def durations(selected: Mapping[str, Selected], finished: Mapping[str, Finished]) -> dict[str, float]:
    """Seconds by the key of the scenario, of all times that it ran."""
    took: dict[str, float] = {}
    for key, entry in finished.items():
        scenario = selected[key].scenario if key in selected else key
        took[scenario] = took.get(scenario, 0.0) + entry.duration_s
    return took


def unmet(
    selected: Mapping[str, Selected], finished: Iterable[Finished], scenarios: Iterable[ScenarioResult],
    found: Collection[str],
) -> tuple[Attributed, ...]:  # fmt: skip
    """What steps have demanded in vain, in the form of findings.

    Of a scenario with findings (`found`: their names), these say more: what a step misses then may follow from them.
    """
    waived = {each.key: each.waived for each in scenarios}
    failed = [(each, selected[each.key]) for each in finished if each.actual and each.key in selected]
    return tuple(
        Attributed(
            demanded(each.rule, each.expected, each.actual, each.record), of.name, each.trace,
            waived=waived.get(of.scenario, ""),
        )
        for each, of in failed if of.name not in found
    )  # fmt: skip


def _together(times: list[ScenarioResult]) -> ScenarioResult:
    worst = min(times, key=lambda each: _WORST_FIRST.index((each.outcome, bool(each.waived))))
    count = Counter(each.outcome for each in times)
    passes = count[ScenarioOutcome.PASSED]
    # Where something else is worse, all failures are waived, and none of them says that it never passes.
    failures = count[ScenarioOutcome.FAILED] if worst.outcome is ScenarioOutcome.FAILED else 0
    reason = worst.reason
    if worst.outcome is ScenarioOutcome.FAILED and len(times) > 1:
        reason = "; ".join(filter(None, [f"passed {figures(passes, passes + failures)}", reason]))
    return msgspec.structs.replace(worst, passes=passes, times=passes + failures, reason=reason)


def _result(selected: Selected, finished: Finished | None) -> ScenarioResult:
    outcome = ScenarioOutcome(finished.outcome) if finished is not None else ScenarioOutcome.NOT_RUN
    reason = finished.reason if finished is not None else "the run ended before it"
    need, rule = (finished.need, finished.rule) if finished is not None else ("", "")
    return ScenarioResult(selected.scenario, selected.name, selected.category, outcome, reason, need, rule)
