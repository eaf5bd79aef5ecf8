"""Which scenario a finding comes from, and which one had left the target ill before."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from greenlight_gate.findings import Finding
from greenlight_gate.rules.registry import may_follow_from_illness


class Attributed(msgspec.Struct, frozen=True):
    """A finding, and the scenario and trace file that it comes from.

    `follows`: the scenario that had left the target ill before, if this may be a consequence of it; else "". `waived`:
    the waiver by which it does not block, in words; else "".
    """

    finding: Finding
    scenario: str
    trace: str
    follows: str = ""
    waived: str = ""


class BegunTrace(NamedTuple):
    """A trace of a scenario, when it began (epoch seconds), and what a healthy user found afterwards, if it is that.

    `broken`: the rules that were broken in it.
    """

    scenario: str
    at: float
    ill: tuple[Finding, ...] = ()
    broken: frozenset[str] = frozenset()


def first_ill(traces: Iterable[BegunTrace]) -> BegunTrace | None:
    """Of the first scenario after which a healthy user was not served; None if each one was.

    Rules that were broken before it began are no illness that it has left.
    """
    known: set[str] = set()
    for trace in sorted(traces, key=lambda each: each.at):
        ill = tuple(finding for finding in trace.ill if finding.rule not in known)
        if ill:
            return trace._replace(ill=ill)
        known |= trace.broken
    return None


def followed(findings: Sequence[Attributed], ill: BegunTrace, traces: Iterable[BegunTrace]) -> list[Attributed]:
    """The findings, with a mark on what a target that is ill breaks in scenarios that still ran after it was."""
    after = {each.scenario for each in traces if each.at > ill.at} - {ill.scenario}
    return [
        msgspec.structs.replace(each, follows=ill.scenario)
        if each.scenario in after and may_follow_from_illness(each.finding.rule) else each
        for each in findings
    ]  # fmt: skip


def only_for(findings: Iterable[Attributed]) -> dict[str, tuple[str, ...]]:
    """The scenarios that have findings of one rule only, by that rule."""
    rules_of: dict[str, set[str]] = {}
    for item in findings:
        rules_of.setdefault(item.scenario, set()).add(item.finding.rule)
    alone: dict[str, tuple[str, ...]] = {}
    for scenario, rules in rules_of.items():
        if len(rules) == 1:
            rule = min(rules)
            alone[rule] = (*alone.get(rule, ()), scenario)
    return alone
