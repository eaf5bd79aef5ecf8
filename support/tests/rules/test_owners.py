"""Whose a frame of another conversation is: the user's own one is no leak, and a finding names the owner."""

import pytest
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import Sent
from greenlight_gate.wire.profile import Profile

from support.tests.evidence.folders import PROFILE_TOML
from support.tests.rules.talk import EPOCH_S, Talk

SCOPED = Profile.from_toml(
    f'{PROFILE_TOML}\n[scope]\nmine = {{ session = {{ same_as = "session" }} }}\n[needs]\nsession = "the session"\n'
    '[[ignore]]\nwhen = { type = "internal" }\nbecause = "of the backend itself"\n'
)


def two_users(earlier: tuple[str, ...] = ()) -> Talk:
    talk = Talk(profile=SCOPED).open(values={"session": "s-ada-2"}, earlier=("s-ada-1",))
    return talk.open("Bashir", "c2", values={"session": "s-bashir"}, earlier=earlier)


def foreign(talk: Talk, session: str) -> list[tuple[str, str]]:
    """What a frame of this session on Ada's connection breaks."""
    talk.frame(talk.body("agent_thinking", {"reasoning": "hm"}, "r9", session=session, user=None, request=None))
    return [(finding.rule, finding.actual) for finding in talk.findings()]


@pytest.mark.parametrize("session", ["s-ada-1", "s-ada-2-tab"])
def test_the_users_own_other_conversation_is_no_leak(session: str) -> None:
    talk = two_users().open("Ada", "c3", values={"session": "s-ada-2-tab"})

    assert foreign(talk, session) == []


@pytest.mark.parametrize(
    ("session", "owner"), [("s-bashir", " of Bashir"), ("s-bashir-1", " of Bashir"), ("s-nobody", "")]
)
def test_another_users_conversation_is_one_and_names_the_user(session: str, owner: str) -> None:
    came = f"agent_thinking that belongs to session {session}{owner}"

    assert foreign(two_users(earlier=("s-bashir-1",)), session) == [("ISOLATION-2", came)]


@pytest.mark.parametrize(("session", "rules"), [("s-bashir", {"ISOLATION-2"}), ("s-of-the-backend", set())])
def test_an_ignored_frame_is_a_leak_where_its_session_is_a_users(session: str, rules: set[str]) -> None:
    assert two_users().frame({"type": "internal", "session": session}).rules() == rules


def test_the_answer_to_ones_own_request_may_repeat_what_that_has_named() -> None:
    talk = two_users().add(Sent, "c1", what="start", text='{"session": "s-bashir"}', request="q1", foreign="Bashir")

    talk.frame(talk.body("agent_started", {}, session="s-bashir"))

    assert [(finding.rule, finding.actual) for finding in talk.findings()] == [("LIFECYCLE-2", "1 event and no end")]


def test_what_answers_another_users_request_is_foreign_though_its_session_was_named() -> None:
    talk = two_users().ask("q2", connection="c2").started("r2", connection="c2", request="q2", user="user-bashir")
    talk.add(Sent, "c1", what="start", text='{"session": "s-bashir"}', request="q1", foreign="Bashir")

    talk.frame(talk.body("agent_thinking", {"reasoning": "hm"}, "r2", request="q2", session="s-bashir"))

    assert "ISOLATION-2" in talk.rules()


def test_an_id_that_was_captured_from_a_message_has_an_owner_too() -> None:
    talk = two_users()
    checker = TraceChecker(SCOPED, talk.budgets, EPOCH_S)
    for record in talk.records:
        checker.feed(record)
    checker.connections["c2"].reader.values["session"] = "s-bashir-later"

    assert checker.registry.owner_of("s-bashir-later") == "Bashir"
    assert checker.registry.owner_of("s-nobody") == ""
