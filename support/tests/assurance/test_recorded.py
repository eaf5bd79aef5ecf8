"""Every scenario fails under some defect, every assertion of the steps objects to one: what is recorded is complete.

What is recorded is tried again by `python -m greenlight_gate.assurance record --again` and `... steps`.
"""

import pytest
from greenlight_gate.assurance import limits, measured, page
from greenlight_gate.assurance.assertions import assertions
from greenlight_gate.assurance.proofs import PROOFS
from greenlight_gate.assurance.record import digest_of, read
from greenlight_gate.assurance.scenarios import scenarios
from greenlight_gate.backend.defects import REGISTRY
from greenlight_gate.targets.settings import suite_root

from support.tests.assurance.guards import GUARDS

SCENARIOS = scenarios(suite_root() / "features")
ASSERTIONS = assertions(suite_root() / "steps")
RECORD = read()
AGAIN = "python -m greenlight_gate.assurance record"


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_fails_under_some_defect(name: str) -> None:
    assert name in RECORD.scenarios, f"no defect is known under which it fails: {AGAIN}"
    assert RECORD.scenarios[name].digest == digest_of(SCENARIOS[name]), f"its steps have changed: {AGAIN}"
    assert RECORD.scenarios[name].defect.partition("=")[0] in REGISTRY


@pytest.mark.parametrize("id_", ASSERTIONS)
def test_every_assertion_objects_to_some_defect_or_is_a_guard(id_: str) -> None:
    if id_ in GUARDS:
        assert id_ not in RECORD.assertions, "it objects by itself: it is more than a guard"
        return
    assert id_ in RECORD.assertions, f"no defect is known to which it objects by itself: {AGAIN}"
    recorded = RECORD.assertions[id_]
    assert recorded.digest == ASSERTIONS[id_].digest, f"it has changed: {AGAIN}"
    assert recorded.scenario in SCENARIOS
    assert recorded.defect.partition("=")[0] in REGISTRY


def test_nothing_is_recorded_of_what_is_gone() -> None:
    assert set(RECORD.scenarios) <= set(SCENARIOS)
    assert set(RECORD.assertions) <= set(ASSERTIONS)
    assert set(GUARDS) <= set(ASSERTIONS)


def test_the_page_is_made_of_the_registry_and_of_what_was_measured() -> None:
    assert page.PATH.read_text(encoding="utf-8") == page.as_page(), "python -m greenlight_gate.assurance page"
    said = page.SUMMARY.search((suite_root() / "README.md").read_text(encoding="utf-8"))
    assert said is not None
    assert said[2] == page.summary(), "python -m greenlight_gate.assurance page"


def test_each_defect_was_measured_and_caught() -> None:
    assert set(measured.read().took_s) == set(PROOFS), "python -m greenlight_gate.assurance measure"


def test_each_defect_with_a_value_has_a_limit() -> None:
    sized = {name for name, found in REGISTRY.items() if isinstance(found.default, float)} - limits.NO_SIZE
    assert set(limits.HARDER) == sized
    assert set(measured.read().limits) == sized, "python -m greenlight_gate.assurance limits"


def test_no_limit_is_easier_to_see_than_the_default() -> None:
    for name, limit in measured.read().limits.items():
        default = REGISTRY[name].default
        assert isinstance(default, float)
        assert limit.caught <= default if limits.HARDER[name] < 1 else limit.caught >= default, name
