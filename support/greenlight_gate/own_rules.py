"""The rules of a team's own that are installed here: classes that packages name as entry points."""

import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Final

from greenlight_gate.findings import Severity
from greenlight_gate.rules.own import OwnRule
from greenlight_gate.rules.registry import FAMILIES, RULES, Rule

GROUP: Final = "greenlight.rules"
_ID = re.compile(r"([A-Z][A-Z0-9]*)-[1-9]\d*")


class UnusableRule(Exception):
    """A rule of a team's own that cannot be used: one line says which, and why."""


def installed_rules() -> dict[str, Rule]:
    """The rules of the packages that are installed, by id. Raises UnusableRule for one that cannot be used."""
    from importlib.metadata import entry_points  # noqa: PLC0415 -- it takes long, and few commands need it

    found: dict[str, Rule] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        rule = _loaded(entry)
        if rule.id in found:
            raise UnusableRule(f"{rule.source}: {rule.id} is also the id of {found[rule.id].source}; give it another")
        found[rule.id] = rule
    return found


def all_rules() -> Mapping[str, Rule]:
    """The rules that ship, and those that are installed. Raises UnusableRule."""
    return {**RULES, **installed_rules()}


def _loaded(entry: EntryPoint) -> Rule:
    package = entry.dist
    source = f"{package.name} {package.version}, {entry.value}" if package is not None else entry.value
    try:
        check = entry.load()
    except (Exception, SystemExit) as error:  # code of a team's own: whatever it raises, it cannot be used
        raise UnusableRule(f"{source}: the rule cannot be loaded: {type(error).__name__}: {error}") from error
    if not (isinstance(check, type) and issubclass(check, OwnRule)):
        raise UnusableRule(f"{source}: expected a subclass of greenlight_gate.rules.own.OwnRule, but {check!r} came")
    id_, severity, requirement = (getattr(check, name, None) for name in ("id", "severity", "requirement"))
    named = _ID.fullmatch(id_) if isinstance(id_, str) else None
    if named is None:
        raise UnusableRule(
            f'{source}: id: expected capitals, a dash and a number, such as "ORDERS-1", but {id_!r} came'
        )
    if named[1].lower() in FAMILIES:
        raise UnusableRule(f"{source}: id: expected a word that no rule which ships has, but {id_!r} came")
    if not isinstance(severity, Severity):
        raise UnusableRule(f"{source}: severity: expected Severity.CRITICAL or Severity.NORMAL, but {severity!r} came")
    if not isinstance(requirement, str) or not requirement.strip():
        raise UnusableRule(f"{source}: requirement: expected a sentence, but {requirement!r} came")
    if abstract := getattr(check, "__abstractmethods__", None):
        raise UnusableRule(f"{source}: expected a class with {', '.join(sorted(abstract))}, but it is missing")
    return Rule(named[0], severity, requirement, check, source)
