"""What a verdict begins with: what was judged, and what happened to whom and how often, one line for each cause."""

import re
from collections import Counter
from datetime import UTC, datetime
from typing import NamedTuple

from greenlight_gate.evidence.judge import Attributed, Judgement
from greenlight_gate.findings import Severity
from greenlight_gate.rules.engine.canary import named

_CANARY = re.compile(r"canary of (?P<owner>.+?), (?P<how>.*)", re.DOTALL)


class Cause(NamedTuple):
    """A rule with findings: what happened, how often, in which scenarios, and the finding that shows it first.

    `only`: the scenarios that have findings of no other rule.
    """

    rule: str
    severity: Severity
    times: int
    users: tuple[str, ...]
    scenarios: tuple[str, ...]
    only: tuple[str, ...]
    first: Attributed

    def __str__(self) -> str:
        """One sentence: who received what, how often."""
        finding = self.first.finding
        who = finding.user or "A user"
        secret = _CANARY.fullmatch(named(finding.actual))
        if secret is not None and finding.rule.startswith("ISOLATION"):
            what = f"{who} received {secret['owner']}'s secret ({secret['how']})"
        elif finding.rule.startswith("ISOLATION"):
            what = f"{who} received {finding.actual}"
        else:
            what = f"{who} expected {finding.expected}, and got {finding.actual}"
        return f"{what}, {self.often} ({self.rule})"

    @property
    def often(self) -> str:
        """How often, for how many users and in how many scenarios, where there were several."""
        users = f" for {len(self.users)} users" if len(self.users) > 1 else ""
        scenarios = f" in {len(self.scenarios)} scenarios" if len(self.scenarios) > 1 else ""
        alone = f", {len(self.only)} of them with no other findings" if scenarios and self.only else ""
        return f"{'once' if self.times == 1 else f'{self.times:,} times'}{users}{scenarios}{alone}"


def causes(judgement: Judgement) -> list[Cause]:
    """The rules with findings, the gravest first, and of these the most frequent: a rare one hides behind no other."""
    by_rule: dict[str, list[Attributed]] = {}
    for item in judgement.findings:
        by_rule.setdefault(item.finding.rule, []).append(item)
    rules_of: dict[str, set[str]] = {}
    for item in judgement.findings:
        rules_of.setdefault(item.scenario, set()).add(item.finding.rule)
    counted = _counted_under_load(judgement)
    found = []
    for rule, items in by_rule.items():
        traced = [item for item in items if item.trace.startswith("traces/")]
        times = len(traced) + counted[rule] if counted[rule] else len(items)
        scenarios = tuple(dict.fromkeys(item.scenario for item in items))
        only = tuple(name for name in scenarios if rules_of[name] == {rule})
        users = tuple(dict.fromkeys(item.finding.user for item in items))
        found.append(Cause(rule, items[0].finding.severity, times, users, scenarios, only, items[0]))
    return sorted(found, key=lambda cause: (cause.severity is not Severity.CRITICAL, -cause.times))


def what_was_judged(judgement: Judgement) -> str:
    """The target, its url and version, when it was judged and for how long, in one line."""
    session, ended = judgement.session, judgement.ended
    version = f", version {session.target_version}" if session.target_version else ""
    began = datetime.fromtimestamp(session.started_epoch_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    took = f", took {ended.epoch_s - session.started_epoch_s:.0f} s" if ended is not None else ""
    return f"{session.environment} at {session.url or 'an unknown url'}{version}, {began}{took}"


def _counted_under_load(judgement: Judgement) -> Counter[str]:
    """The number of findings of loads, of which only the first are kept."""
    counted: Counter[str] = Counter()
    for load in judgement.loads:
        for rule in {offence.finding.rule for offence in load.summary.convicting()}:
            counted[rule] += load.summary.counts[rule]
    return counted
