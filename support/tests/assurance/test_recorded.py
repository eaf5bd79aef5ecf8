"""Every scenario fails under some defect, every assertion of the steps objects to one: what is recorded is complete.

What is recorded is tried again by `python -m greenlight_gate.assurance record --again` and `... steps`.
"""

from greenlight_gate.assurance import detection_limits, measured, page
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


def test_every_scenario_fails_under_some_defect() -> None:
    assert sorted(SCENARIOS.keys() - RECORD.scenarios.keys()) == [], f"no defect is known under which it fails: {AGAIN}"
    changed = [
        name
        for name, found in RECORD.scenarios.items()
        if name in SCENARIOS and found.digest != digest_of(SCENARIOS[name])
    ]
    assert changed == [], f"their steps have changed: {AGAIN}"
    assert {found.defect.partition("=")[0] for found in RECORD.scenarios.values()} <= REGISTRY.keys()


def test_every_assertion_objects_to_some_defect_or_is_a_guard() -> None:
    assert sorted(RECORD.assertions.keys() & set(GUARDS)) == [], "they object by themselves: they are more than guards"
    unknown = sorted(ASSERTIONS.keys() - RECORD.assertions.keys() - set(GUARDS))
    assert unknown == [], f"no defect is known to which they object by themselves: {AGAIN}"
    changed = [
        id_ for id_, found in RECORD.assertions.items() if id_ in ASSERTIONS and found.digest != ASSERTIONS[id_].digest
    ]
    assert changed == [], f"they have changed: {AGAIN}"
    assert {found.scenario for found in RECORD.assertions.values()} <= SCENARIOS.keys()
    assert {found.defect.partition("=")[0] for found in RECORD.assertions.values()} <= REGISTRY.keys()


def test_nothing_is_recorded_of_what_is_gone() -> None:
    assert set(RECORD.scenarios) <= set(SCENARIOS)
    assert set(RECORD.assertions) <= set(ASSERTIONS)
    assert set(GUARDS) <= set(ASSERTIONS)
    assert set(RECORD.in_vain) <= set(GUARDS), "no defect was found for them: say why (guards.py), or seed one"


def test_the_page_is_made_of_the_registry_and_of_what_was_measured() -> None:
    assert page.PATH.read_text(encoding="utf-8") == page.as_page(), "python -m greenlight_gate.assurance page"
    said = page.SUMMARY.search((suite_root() / "README.md").read_text(encoding="utf-8"))
    assert said is not None
    assert said[2] == page.summary(), "python -m greenlight_gate.assurance page"


def test_each_defect_was_measured_and_caught() -> None:
    assert set(measured.read().took_s) == set(PROOFS), "python -m greenlight_gate.assurance measure"


def test_each_defect_with_a_value_has_a_limit() -> None:
    sized = {name for name, found in REGISTRY.items() if isinstance(found.default, float)} - detection_limits.NO_SIZE
    assert set(detection_limits.HARDER) == sized
    assert set(measured.read().limits) == sized, "python -m greenlight_gate.assurance limits"


def test_no_limit_is_easier_to_see_than_the_default() -> None:
    for name, limit in measured.read().limits.items():
        default = REGISTRY[name].default
        assert isinstance(default, float)
        assert limit.caught <= default if detection_limits.HARDER[name] < 1 else limit.caught >= default, name
