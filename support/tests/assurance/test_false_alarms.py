"""What the count of false alarms says: the parts of it that need no backend."""

import argparse

import pytest
from greenlight_gate.assurance.false_alarms import (
    FAST,
    MORE,
    WHOLE,
    HealthySession,
    _number,
    _parser,
    _read,
    composition,
    summary,
)

SOUND = HealthySession(1, FAST, "APPROVED", 50, 38, 7.6, ())
ACCUSED = HealthySession(4, MORE, "BLOCKED", 90, 80, 31.2, ("IDENTITY-1: a run id / None", "1 finding"), "/tmp/seed-4")
REPORT: dict[str, object] = {
    "deployment_decision": {"verdict": "APPROVED", "reason": "all criteria are met"},
    "execution_results": {
        "pytest_metrics": {"total_tests": 38}, "monitoring_metrics": {"acknowledgement": {"samples": 50}},
    },
    "findings": [],
}  # fmt: skip


def test_every_fourth_session_has_more_categories_and_every_tenth_all() -> None:
    kinds = [composition(number, base=FAST, more=4, whole=10) for number in range(1, 13)]
    assert kinds == [FAST, FAST, FAST, MORE, FAST, FAST, FAST, MORE, FAST, WHOLE, FAST, MORE]
    assert composition(40, base=("security",), more=4, whole=10) == WHOLE
    assert composition(40, base=("security",), more=0, whole=0) == ("security",)


def test_a_report_of_a_session_without_findings() -> None:
    assert _read(1, FAST, REPORT, 7.6) == SOUND
    assert not SOUND.is_false_alarm
    assert str(SOUND) == "seed 1    2 categories  APPROVED  38 scenarios, 50 answers, 8 s"


def test_a_report_that_accuses_a_healthy_backend() -> None:
    finding = {"rule": "IDENTITY-1", "expected": "a run id", "actual": "None"}
    decision = {"verdict": "BLOCKED", "reason": "1 finding"}
    session = _read(4, MORE, {**REPORT, "deployment_decision": decision, "findings": [finding]}, 31.2)
    assert session == HealthySession(4, MORE, "BLOCKED", 50, 38, 31.2, ("IDENTITY-1: a run id / None", "1 finding"))
    assert session.is_false_alarm
    assert str(ACCUSED).splitlines() == [
        "seed 4    4 categories  BLOCKED  80 scenarios, 90 answers, 31 s", "          IDENTITY-1: a run id / None",
        "          1 finding", "          evidence: /tmp/seed-4",
    ]  # fmt: skip


def test_what_is_approved_with_a_finding_is_a_false_alarm_too() -> None:
    finding = {"rule": "CONTENT-6", "expected": "one shape", "actual": "another"}
    assert _read(1, FAST, {**REPORT, "findings": [finding]}, 1.0).is_false_alarm


def test_a_report_that_lacks_everything_is_no_approval() -> None:
    assert _read(1, FAST, {}, 1.0) == HealthySession(1, FAST, "None", 0, 0, 1.0, ("None",))
    assert _read(1, FAST, {}, 1.0).is_false_alarm


def test_the_rate_is_of_a_thousand_answers() -> None:
    assert summary([SOUND, ACCUSED, SOUND._replace(seed=2)], 60.0) == (
        "1 of 3 healthy sessions with a false alarm (2 of 2 categories, 1 of 4 categories; 60 s): "
        "5.26 false alarms per thousand runs, 190 answers judged"
    )
    assert (
        summary([], 0.0) == "0 of 0 healthy sessions with a false alarm (; 0 s): no run was observed, 0 answers judged"
    )


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²"])
def test_a_number_of_sessions_that_is_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number above 0"):
        _number(text)


def test_what_is_usual() -> None:
    options = _parser().parse_args(["20"])
    assert (options.sessions, options.at_once, options.more, options.whole, options.noise) == (20, 2, 4, 0, 0)
    assert tuple(options.categories) == FAST
