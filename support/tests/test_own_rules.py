"""Which rules of a team's own are installed, and what is wrong with those that cannot be used."""

from importlib.metadata import EntryPoint, EntryPoints

import pytest
from greenlight_gate.findings import Severity
from greenlight_gate.own_rules import GROUP, UnusableRule, all_rules, installed_rules
from greenlight_gate.rules.own import Breach, OwnRule, SettledRun
from greenlight_gate.rules.registry import RULES


class Good(OwnRule):
    """A rule that can be used."""

    id = "ACME-1"
    severity = Severity.CRITICAL
    requirement = "An order has a number."

    def on_settled(self, run: SettledRun) -> tuple[Breach, ...]:
        return ()


class Twin(Good):
    pass


class NoId(Good):
    id = "acme"


class Shipped(Good):
    id = "CONTENT-7"


class NoSeverity(Good):
    severity = "bad"  # type: ignore[assignment]


class NoSentence(Good):
    requirement = " "


class Abstract(OwnRule):
    id = "ACME-2"
    severity = Severity.NORMAL
    requirement = "It judges nothing."


NOTHING = 5


def install(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    points = EntryPoints([EntryPoint(name.lower(), f"{__name__}:{name}", GROUP) for name in names])
    monkeypatch.setattr("importlib.metadata.entry_points", points.select)


def test_a_rule_that_is_installed_is_known_beside_those_that_ship(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "Good")
    (rule,) = installed_rules().values()

    assert (rule.id, rule.severity, rule.requirement) == ("ACME-1", Severity.CRITICAL, "An order has a number.")
    assert (rule.check, rule.source) == (Good, f"{__name__}:Good")
    assert all_rules().keys() == {*RULES, "ACME-1"}


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["Missing"], "the rule cannot be loaded: AttributeError: "),
        (["NOTHING"], "expected a subclass of greenlight_gate.rules.own.OwnRule, but 5 came"),
        (["NoId"], "id: expected capitals, a dash and a number, such as \"ORDERS-1\", but 'acme' came"),
        (["Shipped"], "id: expected a word that no rule which ships has, but 'CONTENT-7' came"),
        (["NoSeverity"], "severity: expected Severity.CRITICAL or Severity.NORMAL, but 'bad' came"),
        (["NoSentence"], "requirement: expected a sentence, but ' ' came"),
        (["Abstract"], "expected a class with on_settled, but it is missing"),
        (["Good", "Twin"], f"ACME-1 is also the id of {__name__}:Good; give it another"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_a_rule_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, names: list[str], says: str) -> None:
    install(monkeypatch, *names)
    with pytest.raises(UnusableRule) as wrong:
        installed_rules()
    assert f"{__name__}:{names[-1]}: {says}" in str(wrong.value)
