"""Ids and names of other users: what is no leak, and what is one in a frame that the profile ignores."""

import json
from typing import Any

import msgspec
import pytest
from greenlight_gate.rules.engine.id_registry import IdRegistry, words_of
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import Opened, Received
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import Promises
from hypothesis import given
from hypothesis import strategies as st

from support.tests.rules.talk import ANSWER, EPOCH_S, PROFILE, Talk, asked
from support.tests.wire.small import SMALL

IGNORING = Profile.from_toml(
    SMALL.replace('run = "run_id"\n', 'run = "run_id"\nthread = "thread?"\n')
    + '[[ignore]]\nwhen = { type = "note" }\nbecause = "news"\n'
)


def together(*others: tuple[str, str, tuple[str, ...]], own: tuple[str, ...] = ("Ada",), text: str = "{}") -> Talk:
    """Others are connected: (user, user id, names); then Ada asks."""
    talk = Talk()
    for number, (user, user_id, names) in enumerate(others, 2):
        talk.open(user, f"c{number}", user_id=user_id, names=names, ready=False)
    talk.open(names=own).ask()
    sent: Any = talk.records[-1]
    talk.records[-1] = msgspec.structs.replace(sent, text=text)
    return talk


@pytest.mark.parametrize(
    ("talk", "frame"),
    [
        # A name as a word of an answer, and as a part of another text.
        (together(("Bashir", "u-2", ("Bashir",))), {"type": "note", "text": "Bashir is a name from Arabic."}),
        (together(("Bashir", "u-2", ("Bashir",))), {"type": "note", "text": "Bashirs"}),
        # Values of many messages that are names of users as well.
        (together(("Bashir", "user", ("Assistant",))), {"type": "note", "role": "user", "name": "Assistant"}),
        # A name that two users have, and one's own.
        (together(("Bashir", "u-2", ("Ada",))), {"type": "note", "name": "Ada"}),
        # A number is no name, and a backend that was told no name cannot show it.
        (together(("Bashir", "1001", ())), {"type": "note", "count": "1001", "name": "Bashir"}),
        # What the user has sent may be repeated to them.
        (together(("Bashir", "user-bashir", ()), text="who is user-bashir?"), {"type": "note", "text": "user-bashir"}),
        # A longer word.
        (together(("Bashir", "user-bashir", ())), {"type": "note", "text": "user-bashir-2"}),
    ],
)
def test_what_only_looks_like_another_users_name_is_no_leak(talk: Talk, frame: dict[str, object]) -> None:
    assert talk.frame(frame).answer().whole() == []


def test_an_id_that_is_a_word_counts_only_as_a_whole_value() -> None:
    talk = together(("Bashir", "bashir", ()))
    talk.frame({"type": "note", "text": "bashir came"}).frame({"type": "note", "by": "bashir"}).answer()
    assert talk.whole() == [
        ("ISOLATION-2", "only what belongs to Ada", "a frame that belongs to name bashir of Bashir", (6,))
    ]


RUN, THREAD = "run-0123456789abcdef", "thread-bashir-77777777"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("user-bashir: hi", "user user-bashir"),
        ("It was user-bashir.", "user user-bashir"),
        ("line\nuser-bashir", "user user-bashir"),
        ("_user-bashir_", "user user-bashir"),
        ("Ask user-bashir...", "user user-bashir"),
        (f"{RUN}.", f"run {RUN}"),
        (f"see {RUN}: ok", f"run {RUN}"),
        (f"\n{RUN}", f"run {RUN}"),
        (f"\t{RUN}.\n", f"run {RUN}"),
        (json.dumps({"log": f"\n{RUN}"}), f"run {RUN}"),
        (f"“{THREAD}”", f"thread {THREAD}"),
        (f"C:\\runs\\{RUN}", f"run {RUN}"),
    ],
)
@pytest.mark.parametrize("pure_ascii", [True, False])
def test_an_id_in_a_sentence_or_behind_an_escape_is_found(text: str, found: str, *, pure_ascii: bool) -> None:
    talk = Talk().open("Bashir", "c2").ask("q9", connection="c2")
    talk.answer(RUN, connection="c2", user="user-bashir", request="q9", thread=THREAD)
    talk.open().ask().started().thinking().executing()
    done = talk.body("tool_completed", {"tool_name": "weather", "tool_call_id": "k1", "status": "ok", "result": text})
    talk.frame(json.dumps(done, ensure_ascii=pure_ascii)).completed()
    assert [(finding.rule, finding.actual.partition(" of ")[0]) for finding in talk.findings()] == [
        ("ISOLATION-2", f"a frame that belongs to {found}")
    ]


@pytest.mark.parametrize("text", ["user-bashir.txt", "xuser-bashir", "\\nxuser-bashir"])
def test_a_longer_word_in_a_sentence_is_none(text: str) -> None:
    talk = together(("Bashir", "user-bashir", ()))
    assert talk.started().thinking().executing().tool_done(result=f"rain. {text}.\n").completed().whole() == []


def test_what_the_user_has_named_in_a_sentence_may_be_repeated() -> None:
    talk = together(("Bashir", "user-bashir", ()), text='{"prompt": "Who?\\nuser-bashir."}')
    assert talk.started().thinking().executing().tool_done(result="rain, user-bashir: hi").completed().whole() == []


@given(
    st.lists(st.sampled_from(["run-1234567890", "run-12345678901", "u-2", "bashir-7", "thread-123456"]), min_size=1),
    st.lists(st.sampled_from(["run-1234567890", "run-12345678901", "u-2", "bashir-7", ".", "_ ", " ", "\\n", "a"])),
)
def test_no_id_is_too_short_to_be_looked_for(ids: list[str], pieces: list[str]) -> None:
    registry = IdRegistry()
    for id_ in ids:
        registry.add_user(id_, "Bashir")
    text = "".join(pieces).encode()
    known = {word for word in words_of(text) if word.encode() in registry.owners}
    assert {word.decode() for word in registry.foreign_words(text, "Ada")} == known


def ignored(*notes: dict[str, object]) -> list[str]:
    """What the rules find in frames that the profile ignores: Ada's run r-1 in thread 7 is Bashir's to see in part."""
    talk = Talk(profile=IGNORING)
    talk.add(Opened, "c1", user="Ada", user_id="user-ada").ask("q1", None)
    for frame in (
        {"type": "started", "run_id": "r-1", "thread": 7},
        {"type": "final", "run_id": "r-1", "answer": ANSWER},
    ):
        talk.add(Received, "c1", text=json.dumps(frame))
    talk.add(Opened, "c2", user="Bashir", user_id="user-bashir")
    for note in notes:
        talk.add(Received, "c2", text=json.dumps({"type": "note", **note}))
    return [f"{finding.rule} {finding.actual}" for finding in talk.findings()]


def test_events_of_others_in_ignored_frames_are_leaks_by_the_ids_of_every() -> None:
    assert ignored({"thread": 7}) == ["ISOLATION-2 an ignored frame that belongs to thread 7 of Ada"]
    assert ignored({"run_id": "r-1"}) == ["ISOLATION-2 an ignored frame that belongs to run r-1 of Ada"]


def test_a_list_of_who_is_connected_may_be_ignored() -> None:
    assert ignored({"online": ["user-ada", "user-bashir"]}, {"thread": 8}, {"thread": None}, {"thread": True}) == []


def checked(talk: Talk) -> TraceChecker:
    checker = TraceChecker(talk.profile, talk.budgets, EPOCH_S)
    for record in talk.records:
        checker.feed(record)
    return checker


def test_what_all_users_receive_by_design_is_counted_and_nobody_saw_anything_by_it() -> None:
    promises = Promises(ready=True, gap_free_seq=True, foreign="broadcast-by-design")
    talk = asked().answer()
    talk.profile = Profile(msgspec.structs.replace(PROFILE.spec, promises=promises))
    shown = talk.texts()
    talk.open("Bashir", "c2")
    for text in shown[2:]:
        talk.frame(text, "c2")
    checker = checked(talk)

    assert (checker.findings, checker.who_saw_whom) == ([], set())
    assert checker.relation("x", ["Ada", "Bashir"]).by_design == 3
    # Numbers of Ada's thread, the first of which Bashir did not get, are no gap.
    assert talk.whole() == []


def test_an_attempt_to_restore_anothers_thread_restores_nothing() -> None:
    talk = asked().answer().open("Bashir", "c2").send("restore", "c2", thread="t1", last_seq=0, foreign="Ada")
    requests = checked(talk).connections["c2"].requests

    assert (requests.replays, requests.registry.tabs("Bashir").several_or_restored) == ({}, False)
