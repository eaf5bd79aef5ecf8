"""Who was shown whose canary: the same frame by frame, read by read and in a replay, with bounded memory."""

import json

import pytest
from greenlight_gate.findings import Finding
from greenlight_gate.rules.engine import canary_scan, text_streams
from greenlight_gate.rules.engine.canary import canary_word
from greenlight_gate.rules.engine.connection_checker import ConnectionChecker
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.rules.engine.run_state import Request
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import Expect, Received

from support.tests.rules.broken import BROKEN
from support.tests.rules.talk import EPOCH_S, PROFILE, TOOL_QUESTION, Talk, asked

USERS = ("Ada", "Bashir", "Chiara")
WORDS = {user: canary_word(user, "abcdefgh") for user in USERS}


FOUND: dict[ConnectionChecker, list[Finding]] = {}


def checker(user: str = "Ada") -> ConnectionChecker:
    found: list[Finding] = []
    made = ConnectionChecker(PROFILE, TimeBudgets(), IdRegistry(), user, "c1", epoch_s=EPOCH_S, found=found.append)
    FOUND[made] = found
    made.opened(f"user-{user.lower()}", 1.0, 1)
    return made


def judged(talk: Talk) -> TraceChecker:
    whole = TraceChecker(PROFILE, talk.budgets, EPOCH_S)
    for record in talk.records:
        whole.feed(record)
    whole.finish()
    return whole


def test_three_users_of_whom_one_sees_the_two_others() -> None:
    talk = Talk()
    for number, user in enumerate(USERS, 1):
        talk.open(user, f"c{number}").frame({"type": "pong", "a": WORDS[user]}, f"c{number}")
    talk.frame({"type": "pong", "a": [WORDS["Bashir"], WORDS["Ada"], WORDS["Chiara"]]})
    found = judged(talk)

    assert [(f.user, f.actual, f.evidence) for f in found.findings] == [
        ("Ada", "canary of Bashir, plain, in a frame of pong", (10,)),
        ("Ada", "canary of Chiara, plain, in a frame of pong", (10,)),
    ]
    assert found.own_canary_seen == set(USERS)
    assert found.who_saw_whom == {("Ada", "Bashir"), ("Ada", "Chiara")}


def test_an_own_canary_that_was_not_seen_is_not_said_to_be() -> None:
    talk = Talk().open().frame({"type": "pong", "a": WORDS["Ada"][:16]}).open("Bashir", "c2")

    assert judged(talk).own_canary_seen == set()
    assert judged(talk.frame({"type": "pong", "a": WORDS["Bashir"]}, "c2")).own_canary_seen == {"Bashir"}


def test_who_is_called_otherwise_in_the_scenario_has_the_canary_of_who_they_are() -> None:
    told = Talk().open("Ada", persona="Bashir").frame({"type": "pong", "a": WORDS["Bashir"]})

    assert list(judged(told).findings) == []
    assert judged(told).own_canary_seen == {"Ada"}


def test_what_a_user_typed_is_their_own() -> None:
    side = checker("Ada")
    side.search.typed(json.dumps({"prompt": f"remember {WORDS['Bashir']}"}))
    side.received(json.dumps({"type": "pong", "a": WORDS["Bashir"]}).encode(), 1.0, 2)

    assert FOUND[side] == []
    assert side.search.seen_own


def test_the_handshake_and_the_close_are_searched() -> None:
    talk = Talk().open(headers=(f"set-cookie: note={WORDS['Bashir']}",)).close("server", 1000, reason=WORDS["Chiara"])

    assert [f[2] for f in talk.whole() if f[0] == "ISOLATION-1"] == [
        "canary of Bashir, plain, in the handshake",
        "canary of Chiara, plain, in the reason of the close",
    ]


def test_anything_else_can_be_searched() -> None:
    side = checker()
    side.searched(WORDS["Bashir"].encode(), "a ping", 7)

    assert [(f.actual, f.evidence) for f in FOUND[side]] == [("canary of Bashir, plain, in a ping", (7,))]


@pytest.mark.parametrize("name", [name for name, (_, whole) in BROKEN.items() if "ISOLATION-1" in whole[0][0]])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_reads_are_searched_like_frames(name: str, size: int) -> None:
    frames = [record.raw() for record in BROKEN[name][0]().records if isinstance(record, Received)]
    one_by_one, together = checker(), checker()
    for side in (one_by_one, together):
        side.asked(Request(2, 0.0, "q1", None, TOOL_QUESTION))
    for number, frame in enumerate(frames, 3):
        one_by_one.received(frame, 1.0, number)
    for at in range(0, len(frames), size):
        read = frames[at : at + size]
        together.received_together(b"".join(read), read, 1.0, at + 3)
    for side in (one_by_one, together):
        side.finish(99)

    assert sorted(map(str, FOUND[together])) == sorted(map(str, FOUND[one_by_one]))
    assert together.counts == one_by_one.counts
    assert "ISOLATION-1" in together.counts


def test_what_is_carried_over_is_bounded() -> None:
    side, talk = checker(), asked().started()
    side.asked(Request(2, 0.0, "q1", None, TOOL_QUESTION))
    for number in range(2_000):
        talk.event("agent_thinking", {"reasoning": "x" * (number % 7 + 1)})
        talk.event("agent_thinking", {"reasoning": "y" * 100_000 if number % 50 == 0 else "ab"})
    for number, record in enumerate(talk.records, 3):
        if isinstance(record, Received):
            side.received(record.raw(), 1.0, number)
    (run,) = side.registry.runs.values()
    pieces = run.said or {}

    assert sum(map(len, pieces.values())) <= 70 * (text_streams.MOST_CARRIED + 1)
    assert len(pieces) <= text_streams.MOST_CARRIED + 65
    assert sum(len(data) for _, frames in side.search.last for data in frames) <= 4 * (canary_scan.LONGEST_KEPT + 1)


def test_a_large_frame_is_kept_by_its_ends() -> None:
    side = checker()
    word = WORDS["Bashir"]
    first = json.dumps({"type": "pong", "a": "z" * 200_000, "b": word[:9]}).encode()
    second = json.dumps({"type": "pong", "b": word[9:], "a": "z" * 200_000}).encode()
    side.received_together(first, [first], 1.0, 2)
    side.received_together(second, [second], 1.0, 3)

    assert [(f.actual, f.evidence) for f in FOUND[side]] == [
        ("canary of Bashir, plain, split over 2 frames", (2, 3)),
    ]


def test_the_owners_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary_scan, "_MOST_OTHERS", 3)
    side = checker()
    for number in range(9):
        word = canary_word(f"Person {number}", "abcdefgh")
        side.received(json.dumps({"type": "pong", "a": word}).encode(), 1.0, number)

    assert len(side.search.others) == 3
    assert side.counts == {"ISOLATION-1": 9}


def test_request_ids_that_two_users_chose_accuse_nobody() -> None:
    talk = Talk().open().open("Bashir", "c2").ask("q1").ask("q1", connection="c2")
    talk.answer()
    talk.answer("r2", connection="c2", thread="t2", user="user-bashir")

    assert talk.whole() == []


READY = {"type": "connection_established", "connection_id": "k1"}


def test_a_connection_id_may_be_used_again_once_its_connection_has_ended() -> None:
    talk = Talk().open(ready=False).frame(READY).close().open("Bashir", "c2", ready=False).frame(READY, "c2")
    assert talk.whole() == []


def test_replicas_may_count_connections_alike_where_the_frame_names_its_user() -> None:
    talk = Talk().open(ready=False).frame({**READY, "user_id": "user-ada"}).open("Bashir", "c2", ready=False)
    assert talk.frame({**READY, "user_id": "user-bashir"}, "c2").whole() == []
    foreign = Talk().open(ready=False).frame({**READY, "user_id": "user-ada"}).open("Bashir", "c2", ready=False)
    assert foreign.frame(READY, "c2").rules() == {"ISOLATION-2"}


def test_two_tabs_of_one_user_may_have_one_connection_id() -> None:
    talk = Talk().open(ready=False).frame({"type": "connection_established", "connection_id": "k1"})
    talk.open("Ada", "c2", ready=False).frame({"type": "connection_established", "connection_id": "k1"}, "c2")

    assert talk.whole() == []


def test_findings_print_canaries_by_their_owner() -> None:
    expect = Expect(prompt="What?", contains=((WORDS["Ada"],),))
    talk = asked(expect).started().completed(result=f"it is {WORDS['Bashir']}.")

    assert [f[:3] for f in talk.whole() if f[0] == "CONTENT-4"] == [
        ("CONTENT-4", "an answer with 'canary of Ada'", "'it is canary of Bashir.'")
    ]
