"""Which pieces the model sends for a conversation: by the script, and with each fault."""

import re
from pathlib import Path

import pytest
from greenlight_gate.model.conversation import Conversation
from greenlight_gate.model.playing import (
    Arguments,
    BreakOff,
    Broken,
    CallTool,
    Finish,
    Piece,
    RefuseWith,
    Say,
    Think,
    Wait,
    play,
)  # fmt: skip
from greenlight_gate.model.script import Script, load_script

TOML = """
late_s = 0.5
[[answers]]
when = 'list (?P<count>\\d+)'
steps = [{ say = "{n}.", times = "{count}" }]
[[answers]]
ask = "Sum"
fault = "FAULT"
steps = [
  { think = "Hm" },
  { call = "add", arguments = { of = ["1", "{asked}"] }, id = "a" },
  { call = "add", arguments = {} },
  { say = "It is {result} of {results} here" },
]
"""
ASKED = Conversation("Sum", "", 0, (), ())
ANSWERED = Conversation("Sum", "", 1, ("3", "4"), ())
ARGUMENTS = (Arguments('{"of": '), Arguments('["1", '), Arguments('"Sum"]}'))
CALLS = (Think("Hm\n"), CallTool("add", "a"), *ARGUMENTS, CallTool("add", ""), Arguments("{}"))
WORDS = tuple(map(Say, ("It ", "is ", "4 ", "of ", "3 ", "4 ", "here")))


@pytest.fixture
def scripted(tmp_path: Path) -> Script:
    return scripted_with(tmp_path, "")


def scripted_with(folder: Path, fault: str) -> Script:
    (folder / "model.toml").write_text(re.sub(r"FAULT", fault, TOML), encoding="utf-8")
    return load_script("model.toml", folder)


def test_the_answer_follows_when_the_results_of_its_tools_have_come(scripted: Script) -> None:
    first, second = play(scripted, ASKED), play(scripted, ANSWERED)

    assert first.pieces == (*CALLS, Finish("tool_calls"))
    assert second.pieces == (*WORDS, Finish("stop"))
    assert first.answer is second.answer is scripted.answers[1]


def test_a_text_is_repeated_with_its_number(scripted: Script) -> None:
    played = play(scripted, ASKED._replace(asked="Please list 3"))

    assert played.pieces == (Say("1.2.3."), Finish("stop"))


def test_a_prompt_without_an_answer_is_said_to_have_none(scripted: Script) -> None:
    played = play(scripted, ASKED._replace(asked="Else"))

    assert played.answer is None
    assert "".join(piece.text for piece in played.pieces if isinstance(piece, Say)) == scripted.otherwise


CUT_ARGUMENTS = (*CALLS[:-1], Arguments("{"), Finish("tool_calls"))
SAME_IDS = tuple(CallTool("add", "call_1") if isinstance(piece, CallTool) else piece for piece in CALLS)


@pytest.mark.parametrize(
    ("fault", "first", "second"),
    [
        ("cut", None, (*WORDS[:3], BreakOff())),
        ("stall", None, (*WORDS[:3], Wait(None))),
        ("malformed_chunk", None, (*WORDS[:3], Broken())),
        ("length", None, (*WORDS[:3], Finish("length"))),
        ("content_filter", None, (*WORDS[:3], Finish("content_filter"))),
        ("empty", None, (Finish("stop"),)),
        ("rate_limit", (RefuseWith(429),), None),
        ("server_error", (RefuseWith(500),), None),
        ("slow_start", (Wait(0.5), *CALLS, Finish("tool_calls")), None),
        ("truncated_arguments", CUT_ARGUMENTS, None),
        ("wrong_finish", (*CALLS, Finish("stop")), None),
        ("duplicate_call_ids", (*SAME_IDS, Finish("tool_calls")), None),
    ],
)
def test_a_fault_is_in_the_turn_where_it_belongs(
    tmp_path: Path, fault: str, first: tuple[Piece, ...] | None, second: tuple[Piece, ...] | None
) -> None:
    script = scripted_with(tmp_path, fault)
    played = [play(script, ASKED), play(script, ANSWERED)]

    assert [each.pieces for each in played] == [
        first or (*CALLS, Finish("tool_calls")), second or (*WORDS, Finish("stop")),
    ]  # fmt: skip
    assert [each.fault for each in played] == [fault if first else "", fault if second else ""]


def test_a_fault_ends_after_its_number_of_calls(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text(
        '[[answers]]\nask = "Sum"\nfault = "rate_limit"\nfault_times = 2\nsteps = [{ say = "3" }]', encoding="utf-8"
    )
    script = load_script("model.toml", tmp_path)

    assert [play(script, ASKED, before).fault for before in (0, 1, 2)] == ["rate_limit", "rate_limit", ""]
