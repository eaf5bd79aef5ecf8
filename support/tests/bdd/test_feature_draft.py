"""A feature that is drafted from a recorded conversation consists of steps that exist, whatever was recorded."""
# mypy: allow-untyped-calls

import json
import subprocess
import sys
from pathlib import Path

import pytest
from behave.parser import parse_feature
from greenlight_gate.bdd.feature_draft import drafted_feature
from greenlight_gate.cli.recordings import redaction
from greenlight_gate.wire.capture import CaptureError
from greenlight_gate.wire.har import capture_of

from support.tests.cli.process import environ, greenlight
from support.tests.wire.recorded import CAPTURES

ROOT = Path(__file__).resolve().parents[3]


def _event(kind: str, seq: int, **payload: object) -> dict[str, object]:
    return {
        "type": kind, "run_id": "run-1", "thread_id": "t-1", "user_id": "u-1", "request_id": "r1", "agent_name": "a",
        "timestamp": "2026-11-29T00:00:00Z", "payload": payload, "seq": seq, "event_id": f"event-{seq}",
    }  # fmt: skip


def _ask(text: str) -> dict[str, object]:
    return {"type": "start_agent", "request_id": "r1", "payload": {"user_request": text, "thread_id": None}}


_TOOL = [
    _event("agent_started", 1, message="m"), _event("agent_thinking", 2, reasoning="r"),
    _event("tool_executing", 3, tool_name="calc", tool_call_id="c1", parameters={}),
]  # fmt: skip
_RESTORE = {"type": "session_restore", "thread_id": "t-1", "last_seq": 3}
_RESTORED = {"type": "session_restored", "thread_id": "t-1", "replayed": 0}
_RESULT = _event("tool_completed", 4, tool_name="calc", tool_call_id="c1", status="ok", result="391")


def _lines(*frames: tuple[str, str, object]) -> bytes:
    lines = [{"conn": conn, "user": "ada", "dir": way, "data": data} for conn, way, data in frames]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def _came(*events: object, conn: str = "c1") -> list[tuple[str, str, object]]:
    return [(conn, "in", event) for event in events]


JWT = "eyJhbGciOiJub25lIn0.eyJzdWIi.c2lnbmF0dXJl"
STOPPED = _lines(
    ("c1", "out", _ask("Stop me")), *_came(*_TOOL), ("c1", "out", {"type": "stop_agent", "run_id": "run-1"}),
    *_came(_RESULT, _event("agent_stopped", 5, reason="asked")),
)  # fmt: skip
RECONNECTED = _lines(
    ("c1", "out", _ask("Cut me")), *_came(*_TOOL), ("c1", "ctl", {"code": None}), ("c2", "out", _RESTORE),
    *_came(_RESTORED, _RESULT, _event("agent_completed", 5, result="391"), conn="c2"),
)  # fmt: skip
HOSTILE = _lines(
    ("c1", "out", _ask(f'"""\n  Example: mine\n    Given Ada is evil\u2028 @tag # {JWT}')),
    *_came(_event("agent_started", 1, message="m"), _event("agent_completed", 2, result="x")),
)  # fmt: skip


def _chromium() -> bytes:
    return b"\n".join(capture_of((CAPTURES / "chromium.har").read_bytes(), redaction).lines)


@pytest.mark.parametrize(
    ("capture", "scenarios", "holds"),
    [
        (_chromium(), 6, ["When Ada asks a question that needs a tool", "And all answers belong to one conversation"]),
        (STOPPED, 1, ["When Ada begins a question that needs a tool", "And Ada stops the run once a tool has started"]),
        (RECONNECTED, 1, ["And Ada's connection is lost once a tool has started", "And Ada reconnects"]),
        (HOSTILE, 1, ["When Ada asks a question that needs no tool"]),
    ],
    ids=["chromium", "stopped", "reconnected", "hostile"],
)
def test_behave_can_run_what_was_drafted(tmp_path: Path, capture: bytes, scenarios: int, holds: list[str]) -> None:
    (tmp_path / "talk.jsonl").write_bytes(capture)

    ran = greenlight(tmp_path, "feature", "draft", "talk.jsonl")
    (drafted := tmp_path / "drafted.feature").write_text(ran.out, encoding="utf-8")

    (tmp_path / "steps").symlink_to(ROOT / "steps")

    assert ran.code == 0, ran.err
    assert "read with agent-events, 0 frames unmapped" in ran.err
    assert len(list(parse_feature(ran.out).walk_scenarios())) == scenarios
    assert [line for line in holds if line not in ran.out] == []
    assert "eyJhbGci" not in ran.out
    dry = subprocess.run(
        [sys.executable, "-m", "behave", "--dry-run", "--no-summary", "--format", "steps.usage", str(drafted)],
        cwd=ROOT, env=environ({}), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (dry.returncode, "UNDEFINED" in dry.stdout.upper()) == (0, False), dry.stdout + dry.stderr


def test_nothing_is_drafted_of_nothing() -> None:
    with pytest.raises(CaptureError, match="expected a request and the end of its answer, got none"):
        drafted_feature([], "x", "mine.toml")
