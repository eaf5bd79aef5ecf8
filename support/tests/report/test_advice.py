"""Each criterion that is not met comes with causes of its own, and a command that exists."""

import shlex

import pytest
from greenlight_gate.cli.command_line import parser
from greenlight_gate.evidence.session_folder import UNKNOWN
from greenlight_gate.report.advice import on_criterion, on_rule
from greenlight_gate.rules.registry import RULES
from greenlight_gate.targets.settings import environments
from greenlight_gate.verdict.criteria import Status

CRITERIA = (
    "SCENARIOS", "RULES", "COMPLETENESS", "SUCCESS", "LATENCY", "ISOLATION", "RECOVERY", "MEMORY", "PATTERNS",
    "BASELINE", "EVIDENCE", "ROUNDS", "REPEATS",
)  # fmt: skip


@pytest.mark.parametrize("status", [Status.FAILED, Status.INCONCLUSIVE])
def test_each_criterion_has_causes_of_its_own(status: Status) -> None:
    advice = {name: on_criterion(name, status, "a/session", "staging") for name in CRITERIA}

    assert all(advice.values())
    assert len({each.causes for each in advice.values() if each is not None}) == len(CRITERIA)
    for each in advice.values():
        assert each is not None
        parser().parse_args(shlex.split(each.command)[1:])


def test_what_is_unknown_has_other_causes_than_what_is_broken() -> None:
    unknown, broken = (
        on_criterion("ISOLATION", status, "s", "staging") for status in (Status.INCONCLUSIVE, Status.FAILED)
    )

    assert unknown is not None
    assert broken is not None
    assert unknown.causes != broken.causes


@pytest.mark.parametrize("name", CRITERIA)
def test_a_busy_machine_has_one_advice_whatever_could_not_be_judged_there(name: str) -> None:
    measured = "12 ms; this machine was busy: other programs used 62%; run again when it is idle"
    advice = on_criterion(name, Status.INCONCLUSIVE, "s", "staging", measured)

    assert advice is not None
    assert advice.causes == ("this machine was busy with other work: run again when it is idle",)
    assert advice.command == "greenlight run --environment staging"


def test_a_target_that_is_not_known_is_not_named() -> None:
    advice = on_criterion("EVIDENCE", Status.INCONCLUSIVE, "s", UNKNOWN)

    assert advice is not None
    assert advice.command == "greenlight run"


def test_a_file_that_environment_named_is_named_again_as_a_shell_takes_it() -> None:
    advice = on_criterion("EVIDENCE", Status.INCONCLUSIVE, "s", "staging", target="my gate/mine.toml")

    assert advice is not None
    assert shlex.split(advice.command)[-2:] == ["--environment", "my gate/mine.toml"]


def test_each_rule_has_advice_whose_command_exists() -> None:
    for rule in RULES:
        parser().parse_args(shlex.split(on_rule(rule, "s", "staging").command)[1:])


def test_a_tool_without_its_name_has_causes_that_concern_the_name() -> None:
    unnamed, unpaired = (on_rule(rule, "s", "staging").causes for rule in ("PAIRING-3", "PAIRING-1"))

    assert all("name" in cause for cause in unnamed)
    assert not any("name" in cause for cause in unpaired)


def test_a_command_names_a_target_by_what_exists() -> None:
    shipped = [on_rule("CONNECTION-1", "a/session", name).command for name in environments()]
    assert shipped == [f"greenlight doctor --environment {name}" for name in environments()]
    assert on_rule("CONNECTION-1", "a/session", "mine").command == "greenlight doctor --environment FILE.toml"
