"""Recordings are judged by the clock only where they say when they were made."""

import argparse
from pathlib import Path

import pytest
from greenlight_gate.cli.profile import profile
from greenlight_gate.trace import Header, encode_header, encode_record

from support.tests.rules.talk import EPOCH_S, asked


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
