"""[[waiver]] and [accepted_gaps] of a target file: what they say, and what is wrong with those that cannot be used."""

from datetime import date
from pathlib import Path

import pytest

from support.tests.targets.test_settings import MINIMAL, complaint, load

WAIVER = '[[waiver]]\nrule = "REFUSAL-3"\nbecause = "known"\nowner = "Ada"\nuntil = 2027-01-31\n'
GAP = '[accepted_gaps.two_tools]\nbecause = "one tool"\nowner = "Ada"\nuntil = 2027-01-31\n'


def test_they_are_read_as_they_stand(tmp_path: Path) -> None:
    text = MINIMAL + WAIVER + WAIVER.replace("REFUSAL-3", "OWN-STEP") + GAP
    target = load(tmp_path, text + '[accepted_gaps]\nparallel_tools = "one tool"\n')

    assert [str(each) for each in target.waiver] == [
        "REFUSAL-3 until 2027-01-31 (Ada: known)", "OWN-STEP until 2027-01-31 (Ada: known)"
    ]  # fmt: skip
    assert str(target.lacks("two_tools")).endswith("; accepted: one tool; Ada, until 2027-01-31")
    assert str(target.lacks("parallel_tools")).endswith("; accepted: one tool")


def test_a_gap_is_accepted_until_its_day_is_over(tmp_path: Path) -> None:
    target = load(tmp_path, MINIMAL + GAP)
    after, expired = target.without_expired_gaps(date(2027, 2, 1))

    assert target.without_expired_gaps(date(2027, 1, 31)) == (target, ())
    assert "accepted" not in str(after.lacks("two_tools"))
    assert expired == (
        "accepted_gaps.two_tools has expired (one tool; Ada, until 2027-01-31): mend it, or decide anew",
    )


DAY = "the last day on which it holds, such as 2027-01-31"
WRONG = [
    (WAIVER.replace("until = 2027-01-31", ""), f"waiver[0].until: expected {DAY}, but it is missing"),
    (WAIVER.replace("2027-01-31", '"soon"'), f"waiver[0].until: expected {DAY}, but 'soon' came"),
    (
        WAIVER.replace("REFUSAL-3", "REFUSAL-33"),
        "waiver[0].rule: expected the id of a rule, but there is no 'REFUSAL-33'; the nearest is 'REFUSAL-",
    ),
    (WAIVER.replace('"known"', '" "'), "waiver[0].because: expected a text that is not empty, but ' ' came"),
    (WAIVER.replace('owner = "Ada"', ""), "waiver[0].owner: expected a text that is not empty, but it is missing"),
    (
        WAIVER.replace("owner", "ower"),
        "waiver[0].ower: expected one of the known keys, but there is no 'ower'; the nearest",
    ),
    (GAP.replace("until = 2027-01-31", ""), "accepted_gaps.two_tools.until: expected the last day on which it holds"),
    (GAP.replace("two_tools", "without_tool"), "accepted_gaps.without_tool: expected something that this target lacks"),
]


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_a_mistake_is_named(tmp_path: Path, text: str, says: str) -> None:
    assert f": {says}" in complaint(tmp_path, MINIMAL + text)
