"""What a verdict begins with: what was judged, and what happened to whom and how often, one line for each cause."""

import re
from collections import Counter
from datetime import UTC, datetime
from typing import NamedTuple

from greenlight_gate.evidence.attribution import Attributed, only_for
from greenlight_gate.evidence.judge import Judgement
from greenlight_gate.findings import Severity
from greenlight_gate.rules.engine.canary import named
from greenlight_gate.rules.isolation import is_leak
from greenlight_gate.rules.registry import gravity

_CANARY = re.compile(r"canary of (?P<owner>.+?), (?P<how>.*)", re.DOTALL)


class Cause(NamedTuple):
    """A rule with findings: what happened, how often, in which scenarios, and the finding that shows it first.

    `only`: the scenarios that have findings of no other rule; `waived`: how many findings are waived; `follow`: how
    often this may follow from a scenario that had left the target ill, which is named `ill`.
    """

    rule: str
    severity: Severity
    times: int
    users: tuple[str, ...]
    scenarios: tuple[str, ...]
    only: tuple[str, ...]
    first: Attributed
    follow: int = 0
    ill: str = ""
    waived: int = 0

    def __str__(self) -> str:
        """One sentence: who received what, how often."""
        finding = self.first.finding
        who = finding.user or "A user"
        secret = _CANARY.fullmatch(named(finding.actual))
        if secret is not None and is_leak(finding.rule):
            what = f"{who} received {secret['owner']}'s secret ({secret['how']})"
        elif is_leak(finding.rule):
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
        after = f", {self.follow} of them after '{self.ill}' had left the target ill" if self.follow else ""
        waived = f", {'' if self.waived == self.times else f'{self.waived} of them '}waived" if self.waived else ""
        return f"{'once' if self.times == 1 else f'{self.times:,} times'}{users}{scenarios}{alone}{after}{waived}"


def causes(judgement: Judgement) -> list[Cause]:
    """The rules with findings or unmet demands, the gravest first, and of these the most frequent.

    So a rare one hides behind no other.
    """
    by_rule: dict[str, list[Attributed]] = {}
    for item in judgement.broken:
        by_rule.setdefault(item.finding.rule, []).append(item)
    alone = only_for(judgement.broken)
    counted = _counted_under_load(judgement)
    found = []
    for rule, items in by_rule.items():
        traced = [item for item in items if item.trace.startswith("traces/")]
        times = len(traced) + counted[rule] if counted[rule] else len(items)
        scenarios = tuple(dict.fromkeys(item.scenario for item in items))
        following = [item for item in items if item.follows]
        users = tuple(dict.fromkeys(item.finding.user for item in items))
        # What came of itself shows more than what followed.
        first = min(items, key=lambda item: (bool(item.waived), bool(item.follows)))
        cause = Cause(rule, first.finding.severity, times, users, scenarios, alone.get(rule, ()), first)
        cause = cause._replace(waived=sum(bool(item.waived) for item in items))
        if following:
            cause = cause._replace(follow=len(following), ill=following[0].follows)
        found.append(cause)
    return sorted(found, key=lambda cause: (gravity(cause.rule, cause.severity), -cause.times))


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
