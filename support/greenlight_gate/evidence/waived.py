"""Which findings and failed scenarios of a session are waived, on the day on which it began."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime

import msgspec

from greenlight_gate.evidence.attribution import Attributed
from greenlight_gate.evidence.scenario_results import together
from greenlight_gate.evidence.session_folder import JudgedTarget
from greenlight_gate.verdict.facts import ScenarioOutcome, ScenarioResult
from greenlight_gate.verdict.scope import FULL, scope_of
from greenlight_gate.verdict.waivers import JudgedWaiver, in_force, judged

Waived = tuple[list[Attributed], tuple[ScenarioResult, ...], tuple[JudgedWaiver, ...]]


def day_of(epoch_s: float) -> date:
    """The day of a time, in UTC, as the dates of waivers are."""
    return datetime.fromtimestamp(epoch_s, UTC).date()


def waived_in(session: JudgedTarget, findings: Sequence[Attributed], times: Sequence[ScenarioResult]) -> Waived:
    """The findings and the scenarios, those that are waived with their waivers, and what became of each waiver.

    `times`: a result for each time that a scenario ran.
    """
    waivers, today = session.waivers, day_of(session.started_epoch_s)
    if not waivers:
        return list(findings), together(times), ()
    marked = []
    for item in findings:
        waiver = in_force(waivers, today, item.finding.rule, item.scenario)
        marked.append(item if waiver is None else msgspec.structs.replace(item, waived=str(waiver)))
    of: dict[str, list[Attributed]] = {}
    for item in marked:
        of.setdefault(item.scenario, []).append(item)
    scenarios = together(
        msgspec.structs.replace(each, waived=_by(session, each, of.get(each.name, ()), today)) for each in times
    )
    broken = [(item.finding.rule, item.scenario) for item in marked]
    broken += [(each.rule, each.name) for each in times if each.rule]
    ran = {each.name for each in scenarios if each.outcome in (ScenarioOutcome.PASSED, ScenarioOutcome.FAILED)}
    count = Counter(each.category for each in scenarios)
    scope = scope_of(session.wanted, session.tags, count, session.available, is_load=session.workload is not None)
    return (
        marked,
        scenarios,
        judged(waivers, today, broken, ran, {each.name for each in scenarios}, whole=scope == FULL),
    )


def _by(session: JudgedTarget, scenario: ScenarioResult, findings: Sequence[Attributed], today: date) -> str:
    """The waivers that cover all findings of a failed scenario, and what its step demanded; "" if one is not."""
    if scenario.outcome is not ScenarioOutcome.FAILED or not (findings or scenario.rule):
        return ""
    said = [item.waived for item in findings]
    if scenario.rule:
        waiver = in_force(session.waivers, today, scenario.rule, scenario.name)
        said.append("" if waiver is None else str(waiver))
    return "; ".join(dict.fromkeys(said)) if all(said) else ""
