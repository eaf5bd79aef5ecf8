"""Recordings are judged by the clock only where they say when they were made."""

import argparse
import json
from pathlib import Path

import pytest
from greenlight_gate.cli.profile import profile
from greenlight_gate.trace import Header, encode_header, encode_record

from support.tests.rules.talk import EPOCH_S, asked
from support.tests.wire.small import SMALL


@pytest.mark.parametrize(
    ("header", "code"), [(b"", 0), (encode_header(Header("x", EPOCH_S)), 0), (encode_header(Header("x", 1.0)), 1)]
)
def test_profile_check_of_a_recording(
    tmp_path: Path, header: bytes, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    capture = tmp_path / "capture.jsonl"
    capture.write_bytes(header + b"".join(map(encode_record, asked().answer().close().records)))

    assert profile(argparse.Namespace(action="check", file="agent-events", capture=capture)) == code
    assert ("CONTENT-3" in capsys.readouterr().out) == bool(code)


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
