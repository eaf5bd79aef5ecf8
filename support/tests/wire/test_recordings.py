"""What `greenlight profile check` makes of recordings that are not of its own making: other clocks, clients and ids."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.cli.profile import profile
from greenlight_gate.trace import Header, Sent, encode_header, encode_record
from greenlight_gate.wire.capture import read_capture
from greenlight_gate.wire.profile import Profile

from support.tests.rules.talk import EPOCH_S, Talk, asked
from support.tests.wire.recorded import PROFILES
from support.tests.wire.small import SMALL


def _checked(
    tmp_path: Path, profile_text: str, lines: list[bytes], capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """The exit code and the output of `profile check`."""
    mine, capture = tmp_path / "mine.toml", tmp_path / "capture.jsonl"
    mine.write_text(profile_text, encoding="utf-8")
    capture.write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for line in lines))
    code = profile(argparse.Namespace(action="check", file=str(mine), capture=capture))
    return code, capsys.readouterr().out


def _frames(conn: str, *frames: tuple[str, Any]) -> list[bytes]:
    return [json.dumps({"conn": conn, "dir": way, "data": data}).encode() for way, data in frames]


@pytest.mark.parametrize("epoch_s", [None, EPOCH_S, 1.0])
def test_a_recording_is_not_judged_by_the_wall_clock(
    tmp_path: Path, epoch_s: float | None, capsys: pytest.CaptureFixture[str]
) -> None:
    header = [] if epoch_s is None else [encode_header(Header("x", epoch_s))]
    records = [encode_record(record) for record in asked().answer().close().records]

    code, out = _checked(tmp_path, (PROFILES / "agent-events.toml").read_text(), [*header, *records], capsys)

    assert (code, "CONTENT-3" in out) == (0, False)


SOCKETS = """
name = "sockets"
[frame]
codecs = ["socketio"]
[every]
run = "data.run_id"
[[event]]
when = { event = "started" }
is = "agent_started"
[[event]]
when = { event = "final" }
is = "agent_completed"
text = "data.answer"
[send.start]
event = "ask"
args = [{ text = "{prompt}" }]
"""


@pytest.mark.parametrize("answered", [True, False])
def test_a_question_is_seen_in_a_sent_frame_that_only_the_codecs_can_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answered: bool
) -> None:
    came = ['42["started",{"run_id":"r1"}]', '42["final",{"run_id":"r1","answer":"391"}]']
    lines = _frames("ada", ("out", '42["ask",{"text":"What is 17*23?"}]'), *[("in", text) for text in came])

    code, out = _checked(tmp_path, SOCKETS, lines if answered else lines[:2], capsys)

    assert (code, "LIFECYCLE-2" in out) == ((0, False) if answered else (1, True))
    assert "What is 17*23?" in out


def test_a_sent_frame_without_a_question_asks_nothing() -> None:
    lines = _frames("ada", ("out", {"type": "ask"}), ("out", {"type": "ask", "text": "well?"}))
    records, _ = read_capture(lines, Profile.from_toml(SMALL).spec)
    assert [record.what for record in records if isinstance(record, Sent)] == ["hello", "start"]


def test_an_answer_that_holds_the_question_is_no_echo_where_nothing_is_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    came = ({"type": "started", "run_id": "r1"}, {"type": "final", "run_id": "r1", "answer": "You said: well?"})
    lines = _frames("ada", ("out", {"type": "ask", "text": "well?"}), *[("in", frame) for frame in came])

    code, out = _checked(tmp_path, SMALL, lines, capsys)

    assert (code, "CONTENT-4" in out) == (0, False)


# The session is in a frame whose id is of another form than the profile's own, and it is sent after the first one came.
SCOPED = SMALL.replace(
    "[send.start]", '[values]\nmine = "{uuid}"\n[send.start]\nid = "req-{request}"\nof = "{mine}"'
) + ('[scope]\nmine = { of = { same_as = "mine" } }\n')


@pytest.mark.parametrize("theirs", [True, False])
@pytest.mark.parametrize("recorded", [True, False])
def test_scope_is_judged_by_the_values_that_another_client_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], theirs: bool, recorded: bool
) -> None:
    of = "bashir" if theirs else "ada"
    came = [{"type": "started", "run_id": "r1", "of": of}, {"type": "final", "run_id": "r1", "of": of, "answer": "391"}]
    sent = {"type": "ask", "id": "5", "of": "ada", "text": "What is 17*23?"}
    frames: list[tuple[str, Any]] = [("in", came[0]), ("out", sent), ("in", came[1])]
    lines = _frames("ada", *frames)
    if recorded:
        talk = Talk(profile=Profile.from_toml(SMALL)).open(ready=False).frame(came[0])
        talk.add(Sent, "c1", what="start", text=json.dumps(sent), request="a").frame(came[1])
        lines = [encode_record(record) for record in talk.records]

    _, out = _checked(tmp_path, SCOPED, lines, capsys)

    assert ("foreign" in out) == theirs


@pytest.mark.parametrize("scoped", [False, True])
def test_profile_check_warns_of_others_frames_where_nothing_says_whose_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scoped: bool
) -> None:
    mine, capture = tmp_path / "mine.toml", tmp_path / "capture.jsonl"
    mine.write_text(SMALL + ('[scope]\nmine = { of = "ada" }\n' if scoped else ""), encoding="utf-8")
    frames = [{"type": "started", "run_id": "r1"}, {"type": "final", "run_id": "r1", "answer": "yes"}]
    asked = {"conn": "ada", "dir": "out", "data": {"type": "ask", "text": "well?"}}
    came = [{"conn": conn, "dir": "in", "data": frame} for conn in ("ada", "bashir") for frame in frames]
    capture.write_text("\n".join(map(json.dumps, [asked, *came])), encoding="utf-8")

    profile(argparse.Namespace(action="check", file=str(mine), capture=capture))

    out = capsys.readouterr().out
    assert ("WARNING 2 frames belong to users of other connections" in out) == (not scoped)
    assert "ISOLATION-2" in out


@pytest.mark.parametrize(("first", "warned"), [("It is ", True), ("I add up ", False)])
def test_a_profile_that_takes_pieces_of_the_answer_for_reasoning_is_warned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], first: str, warned: bool
) -> None:
    thinks = (
        '[[event]]\nwhen = { type = "token" }\nis = "agent_thinking"\ncollapse = "until_other_kind"\ntext = "bit"\n'
    )
    texts = [("token", "bit", first), ("token", "bit", "391."), ("final", "answer", "It is 391.")]
    came = [{"type": "started", "run_id": "r1"}]
    came += [{"type": kind, "run_id": "r1", name: text} for kind, name, text in texts]
    lines = _frames("ada", ("out", {"type": "ask", "text": "well?"}), *[("in", frame) for frame in came])

    _, out = _checked(tmp_path, SMALL.replace("[send.start]", f"{thinks}[send.start]"), lines, capsys)

    said = "the text of agent_thinking is the beginning of the answer in 1 of 1 run"
    assert (said in out) == warned
