"""A repository of a team: a target file, a feature, a step and a package with rules of its own."""

from pathlib import Path

from greenlight_gate.targets.settings import suite_root

FEATURE = """
Feature: Orders
  Rule: A user learns the number

    Example: The number is right
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      Then Ada receives agent_started exactly once
      And the answer to Ada names a number

    @wrong
    Example: Another number is expected
      Given Bashir is in a conversation
      When Bashir asks a question that needs a tool
      Then the answer to Bashir names the number 7777777

    @wrong
    Example: The answer is longer than the team allows
      Given Chiara is in a conversation
      When Chiara asks a question that asks for a long answer
      Then Chiara receives agent_started exactly once
"""
STEP = """
from behave import then
from greenlight_gate.bdd.context import world_of

@then("the answer to {user:User} names a number")
def names_a_number(context, user):
    answer = world_of(context).last(user).answer or ""
    assert any(character.isdigit() for character in answer), f"the answer is {answer!r}"

@then("the answer to {user:User} names the number {number:Number}")
def names_number(context, user, number):
    answer = world_of(context).last(user).answer or ""
    assert str(number) in answer, f"the answer is {answer!r}"
"""
RULES = """
import os
from collections.abc import Iterable
from greenlight_gate.findings import Severity
from greenlight_gate.rules.own import Breach, OwnRule, SettledRun

class ShortAnswers(OwnRule):
    id = "ACME-1"
    severity = Severity.NORMAL
    requirement = "No answer is longer than 400 characters."

    def on_settled(self, run: SettledRun) -> Iterable[Breach]:
        if os.environ.get("ACME_FAILS"):
            raise KeyError("length")
        if run.answer is not None and len(run.answer) > 400:
            yield Breach("at most 400 characters", f"{len(run.answer)} of them")
"""

# Of what the two wrong scenarios show.
WAIVERS = """
[[waiver]]
rule = "OWN-STEP"
scenario = "Another number is expected"
because = "the number is wrong in the feature"
owner = "Ada"
until = 2099-12-31

[[waiver]]
rule = "ACME-1"
because = "shorter answers come with the next release"
owner = "Bashir"
until = 2099-12-31
"""


def repository(folder: Path, feature: str = FEATURE) -> Path:
    """Writes it; returns the folder that has to be on PYTHONPATH where the package is not installed."""
    embedded = (suite_root() / "support/greenlight_gate/targets/embedded.toml").read_text("utf-8")
    suite = '\n[suite]\nfeatures = "features/"\nsteps = "steps/"\n'
    packages = folder / "packages"
    about = packages / "acme_rules-1.0.dist-info"
    files = {
        folder / "greenlight.toml": embedded + suite,
        folder / "features/orders.feature": feature,
        folder / "steps/order_steps.py": STEP,
        packages / "acme_rules.py": RULES,
        about / "METADATA": "Metadata-Version: 2.1\nName: acme-rules\nVersion: 1.0\n",
        about / "entry_points.txt": "[greenlight.rules]\nshort = acme_rules:ShortAnswers\n",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return packages
