"""What becomes of scenarios, good and bad, in the ledger, in Allure and in the verdict."""

from itertools import pairwise
from pathlib import Path

import pytest
from greenlight_gate.bdd.runner.suite_runner import _number
from greenlight_gate.evidence.history import History
from greenlight_gate.evidence.judge import judge
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.trace import read_trace
from greenlight_gate.verdict.facts import Verdict

from support.tests.bdd.feature_sets import Outcomes, run
from support.tests.cli.process import greenlight

MIXED = """
@functional
Feature: A bit of everything
  Rule: Some of it is right
    Example: Right
      Given Ada is here
      When Ada asks with_tool
      Then Ada sees an answer

    Example: The finding is asserted by no step
      Given Ada is here
      When Ada asks long_running
      Then Ada sees an answer

    Example: The finding comes late
      Given Ada is here
      When Ada asks without_tool
      Then Ada sees an answer

    Example: A step is not true
      Given Ada is here
      When Ada asks with_tool
      Then Ada sees the notes

    Example: An assertion names no rule
      Given Ada is here
      When Ada asks with_tool
      Then a sum of the suite is right

    Example: Nothing was observed
      When nothing is done

    Example: There is no step at all

    Example: A step breaks
      Given Ada is here
      When the step breaks

    Example: A step is not defined
      Given Ada is here
      When Ada dances

    Example: A wait hangs
      Given Ada is here
      When somebody waits for ever

    Example: Not exercised
      Given Ada is here
      When a capability is missing
      Then Ada sees an answer

  @other
  Rule: After all that, the next one is right again
    Example: Right again
      Given Ada is here
      When Ada asks with_tool
      Then Ada sees an answer
"""
FRAGILE = """
Feature: The hook breaks
  Scenario: Nothing can begin
    Given Ada is here
"""
RIGHT = """
Feature: All is right
  @small
  Scenario: Right
    Given Ada is here
    When Ada asks with_tool
    Then Ada sees an answer
"""
ILL = """
Feature: What leaves the backend ill
  @hostile
  Scenario: The backend answers and falls ill
    Given Ada is here
    When Ada asks helper
    Then Ada sees an answer
  Scenario: The next one finds it ill
    Given Ada is here
    When Ada asks with_tool
    Then Ada sees an answer
"""
_ROUNDING_S = 0.001
NOTHING_SEEN = "Suite fault: the scenario passed without having observed anything"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    return run(
        tmp_path_factory.mktemp("mixed"), {"mixed.feature": MIXED, "fragile.feature": FRAGILE, "the_end.feature": ILL}
    )


ROWS = [
    ("Right", "passed", "passed", ""),
    ("Right again", "passed", "passed", ""),
    ("The finding is asserted by no step", "failed", "failed", "LIFECYCLE-5: expected all five kinds"),
    ("The finding comes late", "failed", "failed", "LIFECYCLE-3: expected "),
    (
        "A step is not true",
        "failed",
        "failed",
        "LIFECYCLE-5: A request that needs a tool shows all five kinds of event. "
        "Expected: an answer that shows tool_executing named 'notes' 1 time",
    ),
    ("An assertion names no rule", "broken", "broken", "Suite fault: the step 'a sum of the suite is right' failed"),
    ("Nothing was observed", "broken", "broken", NOTHING_SEEN),
    ("There is no step at all", "broken", "failed", NOTHING_SEEN),
    ("A step breaks", "broken", "broken", "ValueError: no such thing"),
    ("A step is not defined", "broken", "broken", "Suite fault: the step 'Ada dances' is undefined"),
    ("A wait hangs", "broken", "broken", "Suite fault: an operation of the suite did not finish within 0.05 s"),
    ("Not exercised", "not_exercised", "skipped", "hostile declares capabilities.resume = false"),
    ("Nothing can begin", "broken", "broken", "no World today"),
]
AFTER_ILLNESS = [
    # The connection ends, or the wait for an answer does, whichever comes first: a rule objects, or the step does.
    ("The backend answers and falls ill", "failed", "failed", ": expected a "),
    ("The next one finds it ill", "failed", "failed", "xpected"),
]


ALL = [*ROWS, *AFTER_ILLNESS]


@pytest.mark.parametrize(("name", "outcome", "status", "said"), ALL, ids=[row[0] for row in ALL])
def test_each_scenario_in_the_ledger_and_in_allure(
    mixed: Outcomes, name: str, outcome: str, status: str, said: str
) -> None:
    (in_ledger, reason), (in_allure, message) = mixed.ledger[name], mixed.allure[name]

    assert (in_ledger, in_allure) == (outcome, status), (reason, message)
    assert said in reason
    if outcome == "failed":
        assert said in message


def test_what_no_step_asserts_fails_the_last_step_unless_it_comes_later(mixed: Outcomes) -> None:
    failing = mixed.ran.out.partition("Failing scenarios:")[2]

    assert "The finding is asserted by no step" in failing
    assert "The finding comes late" not in failing


def test_ledger_and_allure_agree_and_the_run_is_blocked(mixed: Outcomes) -> None:
    assert set(mixed.ledger) == set(mixed.allure) == {row[0] for row in ALL}
    assert mixed.ran.code == 1

    judged = greenlight(mixed.ran.folder, "verdict", "--output-dir", "reports")

    assert (judged.code, judged.verdict) == (1, "BLOCKED")
    counts = judged.report["execution_results"]["pytest_metrics"]
    assert counts == {
        "tests_passed": 2, "tests_failed": 12, "tests_waived": 0, "tests_not_exercised": 1, "total_tests": 15
    }  # fmt: skip
    assert judged.report["compliance_check"]["criteria"][-1]["measured"] == "nothing is missing"
    assert judged.rules == {"LIFECYCLE-5", "PAIRING-2", "LIFECYCLE-3"} | judged.rules


def test_a_demand_in_vain_names_its_rule_in_the_ledger_and_in_the_history(mixed: Outcomes) -> None:
    judgement = judge(mixed.ran.session)
    history = History(mixed.ran.session.parent)
    history.add(judgement)

    rules = {scenario.name: scenario.rule for scenario in judgement.scenarios if scenario.rule}
    assert rules.pop("A step is not true") == "LIFECYCLE-5"
    # The step could not connect, which other findings say as well.
    assert set(rules) <= {"The next one finds it ill"}
    known = history.changed(judgement.session.session_id, judgement.session.session_id)
    assert ("LIFECYCLE-5", "A step is not true") in known.still


def test_the_first_scenario_after_which_a_healthy_user_is_not_served_is_named_and_what_follows_is_marked(
    mixed: Outcomes,
) -> None:
    judgement = judge(mixed.ran.session)

    ill, follows = "The backend answers and falls ill", "The next one finds it ill"
    assert judgement.decision.reason.startswith(f"after '{ill}' the target was ill (")
    assert " of later scenarios may follow from that; " in judgement.decision.reason
    assert {(item.scenario, item.follows) for item in judgement.findings if item.follows} == {(follows, ill)}
    broken = {item.scenario for item in judgement.findings if item.finding.rule in ("CONNECTION-1", "LIFECYCLE-2")}
    assert broken == {ill, follows}


def test_a_scenario_that_runs_alone_begins_when_the_one_before_is_closed(mixed: Outcomes) -> None:
    """Otherwise what its users were sent in the one before could come in this one, under the same user ids."""
    # Those of healthy users after a scenario, which it waits for, have a number of their own.
    traces = sorted(p for p in (mixed.ran.session / "evidence/traces").glob("*.jsonl") if "." not in p.stem)
    times = []
    for path in traces:
        with path.open("rb") as file:
            header, records = read_trace(file)
            times.append((header.epoch_s, header.epoch_s + max((each.at for each in records), default=0.0)))

    assert len(times) > 5
    assert [begin for (_, end), (begin, _) in pairwise(times) if end > begin + _ROUNDING_S] == []


def test_a_broken_hook_alone_is_inconclusive(tmp_path: Path) -> None:
    outcomes = run(tmp_path, {"fragile.feature": FRAGILE, "right.feature": RIGHT})
    decision = judge(outcomes.ran.session).decision

    assert outcomes.ran.code == 1
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.reason.startswith("'Nothing can begin' broken: ")


def test_all_right_by_tags_and_judged_afterwards(tmp_path: Path) -> None:
    outcomes = run(tmp_path, {"right.feature": RIGHT, "mixed.feature": MIXED}, "--tags=@small", fresh=True)
    judged = greenlight(tmp_path, "verdict", "--output-dir", "reports")

    assert outcomes.ran.code == 0, outcomes.ran.out
    assert outcomes.ledger == {"Right": ("passed", "")}
    assert (judged.code, judged.verdict) == (0, "APPROVED")
    assert "Only scenarios tagged" in judged.report["deployment_decision"]["reason"]


SWALLOWING = """
Feature: An interruption that is swallowed
  Scenario: Something of it swallows it
    Given Ada is here
    When a signal is swallowed
    When Ada asks with_tool
    Then Ada sees an answer
  Scenario: The next one
    Given Ada is here
"""


def test_a_run_whose_interruption_was_swallowed_begins_no_further_scenario(tmp_path: Path) -> None:
    outcomes = run(tmp_path, {"swallowing.feature": SWALLOWING})

    assert outcomes.ledger.get("The next one", ("broken", ""))[0] == "broken", outcomes.ledger
    assert "the run was interrupted (SIGTERM)" in judge(outcomes.ran.session).decision.reason


def test_an_empty_selection_fails(tmp_path: Path) -> None:
    outcomes = run(tmp_path, {"right.feature": RIGHT}, "--tags=@nothing_has_this")
    decision = judge(outcomes.ran.session).decision

    assert (outcomes.ran.code, outcomes.ledger) == (1, {})
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "no scenario was selected" in decision.reason


def test_two_scenarios_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = RIGHT + RIGHT.partition("@small")[2].replace("\n  Scenario", "\n  Scenario", 1)
    outcomes = run(tmp_path, {"twice.feature": twice})

    assert outcomes.ran.code == 1
    assert "twice.feature: 2 scenarios are named 'Right'; give each a name of its own" in outcomes.ran.err
    assert not (tmp_path / "reports").exists()


def test_a_mistake_in_the_target_is_one_line(tmp_path: Path) -> None:
    outcomes = run(tmp_path, {"right.feature": RIGHT}, "-D", "environment=nope", fresh=True)

    assert outcomes.ran.code == 1
    assert "greenlight: environment 'nope' is unknown: expected one of " in outcomes.ran.err
    assert "Traceback" not in outcomes.ran.out + outcomes.ran.err


def test_what_the_suite_itself_did_not_survive_is_in_the_ledger(tmp_path: Path) -> None:
    """A formatter is no hook: behave catches nothing of what it raises."""
    lines = ["from behave.formatter.base import Formatter", "class Falls(Formatter):", "    name = 'falls'",
             "    def eof(self): raise RuntimeError('it fell over')"]  # fmt: skip
    (tmp_path / "falls_over.py").write_text("\n".join(lines), encoding="utf-8")

    features = {"right.feature": RIGHT, "fragile.feature": RIGHT.replace("Scenario: Right", "Scenario: As well")}
    outcomes = run(tmp_path, features, "-f", "falls_over:Falls")
    decision = judge(outcomes.ran.session).decision

    assert outcomes.ran.code == 1
    assert "Traceback" not in outcomes.ran.err
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert "the suite itself failed: RuntimeError: it fell over" in decision.reason
    assert "in eof" in (outcomes.ran.session / "validation_execution.log").read_text("utf-8")


@pytest.mark.parametrize("given", ["0", "-1", "1e9", "many", "nan"])
def test_a_number_of_behave_that_is_no_number_above_0_is_a_mistake(given: str) -> None:
    with pytest.raises(Misconfigured, match=f"-D soak={given}: expected a number greater than 0"):
        _number({"soak": given}, "soak", 20)
    assert _number({}, "soak", 20) == 20
