"""What a scenario demands of a target: each demand names the rule of the contract, or the criterion, behind it."""

from typing import Final, TypeVar

from hamcrest import assert_that
from hamcrest.core.matcher import Matcher
from hamcrest.core.string_description import StringDescription

from greenlight_gate.own_rules import all_rules
from greenlight_gate.rules.own import OWN_STEP
from greenlight_gate.rules.registry import RULES

T = TypeVar("T")

# What the verdict judges by figures, and no rule by frames.
CRITERIA: Final = frozenset({"ISOLATION", "LATENCY", "MEMORY", "RECOVERY", "SUCCESS"})
# What a target that is too slow does not meet, and a machine that is busy with other work neither.
_OF_TIME: Final = ("LATENCY", "RECOVERY", "SUCCESS", "TIMELINESS-", "CONNECTION-2")


class Unmet(AssertionError):
    """A demand that the target does not meet. `rule`: the id of the rule or criterion; any other is a ValueError.

    `expected`, `actual`: as a finding says them. `record`: the last record of the trace by then, which the runner adds.
    """

    def __init__(self, rule: str, text: str, expected: str = "", actual: str = "") -> None:
        # Which rules of a team's own are installed takes a while to find out.
        known = RULES if rule in RULES or rule in CRITERIA or rule == OWN_STEP else all_rules()
        if rule not in known and rule not in CRITERIA and rule != OWN_STEP:
            raise ValueError(f"{rule} is neither a rule nor a criterion: {text}")
        promise = f"{known[rule].requirement} " if rule in known else ""
        super().__init__(f"{rule}: {promise}{text.strip()}")
        self.rule = rule
        self.expected = expected or promise.strip() or f"what {rule} requires"
        self.actual = actual or text.strip()
        self.record: int | None = None

    @property
    def is_of_time(self) -> bool:
        """Whether something was only late, or did not come in time."""
        return self.rule.startswith(_OF_TIME)


def demand(rule: str, actual: T, matcher: Matcher[T], reason: str = "") -> None:
    """Demands, in the name of a rule, that a value matches. Raises Unmet.

    A plain `assert_that` in a step checks the suite itself: if it fails, the suite is at fault and not the target.
    """
    try:
        assert_that(actual, matcher, reason)
    except AssertionError as error:
        expected, came = StringDescription(), StringDescription()
        matcher.describe_to(expected)
        matcher.describe_mismatch(actual, came)
        raise Unmet(rule, str(error), str(expected), f"{reason}: {came}" if reason else str(came)) from None
