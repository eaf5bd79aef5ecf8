"""Who could see whom: from a trace to the relation, the criterion, the report and the picture."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.evidence.judge import Judgement, judge
from greenlight_gate.report.isolation_picture import draw_isolation, isolation_sheet
from greenlight_gate.report.matrix_picture import Mark, Sheet, draw
from greenlight_gate.report.run_report import as_document
from greenlight_gate.rules.engine.canary import canary_word
from greenlight_gate.rules.isolation import IsolationPair
from greenlight_gate.verdict.criteria import Status
from greenlight_gate.verdict.facts import Verdict

from support.tests.evidence.folders import ENDED, FINISHED, KEY, NAME, SELECTED, write
from support.tests.rules.talk import Talk

USERS = ("Ada", "Bashir")
WORDS = {user: canary_word(user, "abcdefgh") for user in USERS}


def meeting(**shown: str) -> Talk:
    """Ada and Bashir are connected, and each is shown a text."""
    talk = Talk()
    for number, user in enumerate(USERS, 1):
        connection = f"c{number}"
        talk.open(user, connection)
        talk.ask(f"q{number}", connection=connection)
        talk.answer(
            f"r{number}",
            connection=connection,
            request=f"q{number}",
            thread=f"t{number}",
            user=f"user-{user.lower()}",
        )
        talk.frame({"type": "pong", "nonce": shown[user]}, connection)
    return talk


def judged(folder: Path, talk: Talk, **finished: Any) -> Judgement:
    entry = {**FINISHED, "findings": len(talk.findings()), "private": USERS, **finished}
    return judge(write(folder, SELECTED, entry, ENDED, talk=talk, session={"wanted": ["functional"]}))


def isolation_of(judgement: Judgement) -> tuple[Status, str, int]:
    (criterion,) = [each for each in judgement.decision.criteria if each.id == "ISOLATION"]
    return criterion.status, criterion.measured, criterion.samples


def test_users_who_see_themselves_and_nobody_else(tmp_path: Path) -> None:
    judgement = judged(tmp_path, meeting(**WORDS))

    assert judgement.relations == (IsolationPair(NAME, USERS, own_seen=USERS),)
    assert isolation_of(judgement) == (Status.PASSED, "0 findings in 1 scenario with up to 2 users", 2)
    assert judgement.decision.verdict is Verdict.APPROVED


def test_a_user_who_sees_another(tmp_path: Path) -> None:
    judgement = judged(tmp_path, meeting(Ada=f"{WORDS['Ada']} {WORDS['Bashir']}", Bashir=WORDS["Bashir"]))

    assert judgement.relations == (IsolationPair(NAME, USERS, own_seen=USERS, saw=(("Ada", "Bashir"),)),)
    assert isolation_of(judgement) == (Status.FAILED, "1 finding in 1 scenario with up to 2 users", 2)
    assert judgement.decision.verdict is Verdict.BLOCKED


def test_a_check_that_never_saw_a_canary_says_nothing(tmp_path: Path) -> None:
    judgement = judged(tmp_path, meeting(Ada=WORDS["Ada"], Bashir="something else"))

    assert judgement.relations[0].unproven == ("Bashir",)
    status, measured, pairs = isolation_of(judgement)
    assert (status, pairs) == (Status.INCONCLUSIVE, 1)
    assert measured.endswith(
        "The check itself works: each user's own canary was seen on their own connection. "
        f"This is not shown for Bashir in '{NAME}'"
    )
    assert judgement.decision.verdict is Verdict.INCONCLUSIVE


def test_a_scenario_that_was_not_exercised_says_nothing_of_anybody(tmp_path: Path) -> None:
    assert judged(tmp_path, meeting(**WORDS), outcome="not_exercised").relations == ()


@pytest.mark.parametrize(
    ("category", "absent", "why"),
    [
        ("integration", {}, "no scenario that checks it ran far enough"),
        ("security", {"recall": "by-hand names no prompt recall"}, "by-hand names no prompt recall"),
    ],
)
def test_where_privacy_should_have_been_watched_it_must_have_been(
    tmp_path: Path, category: str, absent: dict[str, str], why: str
) -> None:
    selected = {**SELECTED, "category": category, "key": KEY}
    judgement = judge(write(tmp_path, selected, FINISHED, ENDED, session={"wanted": [category], "absent": absent}))

    assert isolation_of(judgement) == (
        Status.INCONCLUSIVE,
        f"isolation was not checked: {why}",
        0,
    )
    assert judgement.decision.verdict is Verdict.INCONCLUSIVE


def test_isolation_that_somebody_answers_for(tmp_path: Path) -> None:
    session = {"wanted": ["security"], "absent": {"isolation": "one person"}, "accepted": {"isolation": "a kiosk"}}
    selected = {**SELECTED, "category": "security"}
    judgement = judge(write(tmp_path, selected, FINISHED, ENDED, session=session))

    assert isolation_of(judgement) == (Status.PASSED, "not exercised, accepted: a kiosk", 0)


def test_the_report_holds_the_matrix(tmp_path: Path) -> None:
    document = as_document(judged(tmp_path, meeting(Ada=WORDS["Bashir"], Bashir=WORDS["Bashir"])))

    assert json.loads(json.dumps(document["isolation"])) == [
        {
            "name": NAME, "people": ["Ada", "Bashir"], "own_seen": ["Bashir"], "saw": [["Ada", "Bashir"]],
            "by_design": 0, "unproven": ["Ada"],
        }
    ]  # fmt: skip


def test_the_marks_of_a_matrix() -> None:
    relation = IsolationPair(
        "At once", ("Ada", "Bashir", "Chiara"), own_seen=("Ada", "Bashir"), saw=(("Ada", "Bashir"),)
    )
    (grid,) = isolation_sheet([relation]).grids

    assert grid.cells == {
        ("Ada", "Ada"): Mark.OWN, ("Ada", "Bashir"): Mark.BAD, ("Ada", "Chiara"): Mark.UNKNOWN,
        ("Bashir", "Ada"): Mark.GOOD, ("Bashir", "Bashir"): Mark.OWN, ("Bashir", "Chiara"): Mark.UNKNOWN,
        ("Chiara", "Ada"): Mark.UNKNOWN, ("Chiara", "Bashir"): Mark.UNKNOWN, ("Chiara", "Chiara"): Mark.UNKNOWN,
    }  # fmt: skip


def test_the_title_of_a_matrix_ends_with_a_whole_word() -> None:
    name = "A user who signs in again receives only their own notes"
    (grid,) = isolation_sheet([IsolationPair(name, USERS, own_seen=USERS)]).grids

    assert grid.title == "A user who signs in again receives…"


@pytest.mark.parametrize(("scenarios", "users"), [(1, 2), (2, 2), (11, 2), (1, 25), (2, 13), (11, 13)])
def test_pictures_of_any_number_are_1200_pixels_wide(tmp_path: Path, scenarios: int, users: int) -> None:
    names = tuple(f"Person {number}" for number in range(users))
    relations = [IsolationPair(f"Scenario {number} $x^2$ <b>", names, own_seen=names) for number in range(scenarios)]
    data = draw_isolation(relations, tmp_path).read_bytes()

    assert data.startswith(b"\x89PNG")
    assert struct.unpack(">I", data[16:20]) == (1200,)
    assert list(tmp_path.rglob("*.png")) == [tmp_path / "monitoring/visualizations/isolation_matrix.png"]


def test_a_picture_as_svg_holds_the_title_as_text_and_of_nothing_there_is_none() -> None:
    relation = IsolationPair("At once", USERS, own_seen=USERS)
    assert b"<svg" in draw(isolation_sheet([relation]), "svg")
    with pytest.raises(ValueError, match="at least one matrix"):
        draw(Sheet("t", "s", {}, "r", "c", ()))
