"""A canary in many pieces is found, whatever the frames are read as; the own one accuses nobody; memory is bounded."""

import base64
import json
from collections.abc import Callable

import pytest
from greenlight_gate.findings import Finding
from greenlight_gate.rules.engine import text_streams
from greenlight_gate.rules.engine.canary import canary_word
from greenlight_gate.rules.engine.canary_scan import LONGEST_KEPT
from greenlight_gate.rules.engine.connection_checker import ConnectionChecker
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.rules.engine.text_streams import TextStreams
from greenlight_gate.trace import Other, Sent

from support.tests.rules.talk import EPOCH_S, PROFILE, Talk, Whole, asked

BASHIRS = canary_word("Bashir", "abcdefgh")
NOTE = f"Bashir's word is {BASHIRS}, ok?"
FORMS: dict[str, tuple[str, str]] = {
    "plain": ("plain", NOTE),
    "base64": ("base64", base64.b64encode(NOTE.encode()).decode()),
    "capitals": ("in other letter case", NOTE.upper()),
}


def of_type(kind: str) -> Callable[[Talk, str], object]:
    return lambda talk, piece: talk.frame({"type": kind, "b": "xx", "detail": [{"text": piece}, None]})


# How a piece is brought: to the profile of these talks an unmapped frame, a control frame, JSON in JSON, no JSON.
BRINGS: dict[str, Callable[[Talk, str], object]] = {
    "unmapped": of_type("typing"),
    "control": of_type("pong"),
    "JSON in JSON": lambda talk, piece: talk.frame({"type": "typing", "d": json.dumps({"x": [{"y": piece}]})}),
    "ping frames": lambda talk, piece: talk.add(Other, "c1", what="ping", text=piece),
}


def isolation(talk: Talk) -> list[Whole]:
    return [finding for finding in talk.close().whole() if finding[0] == "ISOLATION-1"]


def checker() -> tuple[ConnectionChecker, list[Finding]]:
    found: list[Finding] = []
    made = ConnectionChecker(PROFILE, TimeBudgets(), IdRegistry(), "Ada", "c1", epoch_s=EPOCH_S, found=found.append)
    made.opened("user-ada", 1.0, 1)
    return made, found


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 11])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bring", BRINGS)
def test_pieces_outside_of_runs_are_joined_wherever_they_begin(bring: str, form: str, size: int) -> None:
    how, text = FORMS[form]
    for first in range(size):
        talk = Talk().open()
        for piece in filter(None, (text[:first], *(text[at : at + size] for at in range(first, len(text), size)))):
            BRINGS[bring](talk, piece)
        ((_, _, actual, numbers),) = isolation(talk)

        assert actual.startswith(f"canary of Bashir, {how}")
        assert f"split over {len(numbers)} " in actual


def test_other_frames_and_another_stream_may_come_in_between() -> None:
    talk = asked()
    for number, letter in enumerate(NOTE):
        talk.frame({"type": "typing", "detail": {"text": letter, "other": NOTE[::-1][number]}})
        talk.frame({"type": "pong"})
    (finding,) = isolation(talk.started().thinking().executing().tool_done().completed())

    assert finding[2] == f"canary of Bashir, plain, split over {len(BASHIRS) - 8} frames"


def test_deltas_of_a_run_letter_by_letter() -> None:
    talk = asked().started()
    for letter in NOTE:
        talk.event("agent_thinking", {"reasoning": letter})
    (finding,) = isolation(talk.executing().tool_done().completed())

    assert finding[2].startswith("canary of Bashir, plain, split over ")


def test_a_member_of_events_that_is_no_text_of_the_run() -> None:
    talk = asked().started()
    for at in range(0, len(NOTE), 4):
        talk.event("agent_thinking", {"reasoning": "looking at this", "trace": {"part": NOTE[at : at + 4]}})
    (finding,) = isolation(talk.executing().tool_done().completed())

    assert finding[2].startswith("canary of Bashir, plain, split over ")


@pytest.mark.parametrize("bring", BRINGS)
@pytest.mark.parametrize("size", [1, 3, 8])
def test_the_own_canary_in_pieces_is_no_accusation(bring: str, size: int) -> None:
    talk = Talk().open("Bashir")
    for _ in range(3):
        for at in range(0, len(NOTE), size):
            BRINGS[bring](talk, NOTE[at : at + size])
        BRINGS[bring](talk, NOTE[: at // 2])

    assert isolation(talk) == []


def test_pieces_of_two_places_are_not_taken_for_one_text() -> None:
    talk = Talk().open()
    for number, at in enumerate(range(0, len(BASHIRS), 8)):
        talk.frame({"type": "typing", f"part {number % 2}": BASHIRS[at : at + 8]})

    assert isolation(talk) == []


def test_words_with_the_rare_letter_start_nothing() -> None:
    talk = Talk().open()
    for text in ("just a project", "Jane", "the object", "Beijing", f"own {canary_word('Ada', 'abcdefgh')} here"):
        talk.frame({"type": "pong", "a": text})

    assert isolation(talk) == []


@pytest.mark.parametrize("together", [1, 3, 7])
@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize("form", FORMS)
def test_reads_of_a_load_are_joined_like_frames(form: str, size: int, together: int) -> None:
    how, text = FORMS[form]
    side, found = checker()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    frames = [
        json.dumps(body).encode()
        for piece in pieces
        for body in ({"type": "typing", "detail": {"text": piece}}, {"type": "pong", "text": "hello"})
    ]
    for at in range(0, len(frames), together):
        read = frames[at : at + together]
        side.received_together(b"\n".join(read), read, 1.0, at + 3)
    side.finish(9_999)
    ((actual, numbers),) = [(each.actual, each.evidence) for each in found if each.rule == "ISOLATION-1"]

    assert actual == f"canary of Bashir, {how}, split over {len(numbers)} frames"


def test_names_and_ids_that_end_like_a_piece_join_nothing() -> None:
    side, found = checker()
    for n in range(3, 500):
        body = {
            "type": "typing",
            "user": "Raj",
            "id": f"{n}aj",
            "parameters": {"q": "X", "j": 1},
            "text": f"word {n} quit",
        }
        side.received(json.dumps(body).encode(), 1.0, n)

    assert not side.search.expecting
    side.finish(999)
    assert found == []


def test_what_is_kept_after_a_piece_is_bounded() -> None:
    side, _ = checker()
    piece = json.dumps({"type": "typing", "text": "aj"}).encode()
    large = json.dumps({"type": "typing", "text": "z" * 50_000}).encode()
    for n in range(3, 3_000, 3):
        side.received_together(b"\n".join((piece, large, large)), [piece, large, large], 1.0, n)
        side.received_together(b"\n".join((large, large)), [large, large], 1.0, 10_000 + n)

    assert len(side.search.last) == 64
    assert max(len(frame) for _, frames in side.search.last for frame in frames) <= LONGEST_KEPT + 1


def test_what_is_joined_is_bounded() -> None:
    streams = TextStreams()
    for n in range(2_000):
        names = {f"name {(n * 37 + i) % 5_000}": "x" * (n % 3_000) for i in range(40)}
        streams.add(n, json.dumps({"same": "ab" * (n % 7), **names, "list": ["y" * 99] * 900}).encode())
        if streams.full:
            assert all(streams.joined())

    assert streams.full or len(streams.places) == text_streams.MOST_PLACES
    assert all(len(pieces) <= text_streams.MOST_PIECES for pieces in streams.places.values())
    assert all(sum(map(len, pieces.values())) <= 3 * text_streams.MOST_CARRIED for pieces in streams.places.values())


def test_all_that_is_dropped_was_joined_before() -> None:
    streams = TextStreams()
    for n in range(2_000):
        streams.add(n, json.dumps({"same": f"{n:04}"}).encode())
    seen = {n for pieces in streams.joined() for n in pieces.texts}

    assert seen == set(range(2_000))


def test_a_frame_of_great_depth_is_taken_as_text() -> None:
    streams = TextStreams()
    streams.add(1, b"[" * 100_000)
    assert list(streams.joined()) == []
    assert list(streams.places) == [""]


@pytest.mark.parametrize("size", [3, 4, 5])
def test_texts_of_two_runs_that_are_sent_in_turn_are_not_one_text(size: int) -> None:
    streams = TextStreams()
    for at in range(0, len(NOTE), size):
        for run in ("r1", "r2"):
            body = {"meta": {"run_id": run}, "choices": [{"index": i, "text": NOTE[at : at + size]} for i in (0, 1)]}
            streams.add(at, json.dumps(body).encode())

    joined = ["".join(pieces.texts.values()) for pieces in streams.joined()]

    assert [text for text in joined if "ajiq" in text] == [NOTE] * 4


def test_pieces_of_ones_own_that_make_up_a_name_accuse_nobody() -> None:
    word = canary_word("Avada", "abcdefgh")
    talk = Talk().open().add(Sent, "c1", what="start", text=f"remember {canary_word('Ada', 'stuvwxyz')}")
    for at in range(0, len(word), 4):
        talk.frame({"type": "typing", "text": word[at : at + 4]})

    assert isolation(talk) == []


def test_a_list_of_pieces_in_one_frame() -> None:
    talk = asked().started().thinking().executing().tool_done()
    tokens = [{"token": NOTE[at : at + 4], "logprob": -0.1} for at in range(0, len(NOTE), 4)]
    ((_, _, actual, numbers),) = isolation(talk.frame({"type": "typing", "logprobs": tokens}).completed())

    assert (actual, len(numbers)) == ("canary of Bashir, plain, in pieces in one frame", 1)
