"""What scenarios need beside prompts and capabilities is read from the target file and its profile."""

from pathlib import Path

import greenlight_gate
import msgspec
import pytest
from greenlight_gate.session.conditions import CONDITIONS
from greenlight_gate.targets.access import Access
from greenlight_gate.targets.settings import load_target, profile_text
from greenlight_gate.wire.profile import Profile

EXAMPLES = Path(greenlight_gate.__file__).parent / "targets" / "examples"
ENVIRON = {"CHAT_JWT_SECRET": "local-test-secret-0123456789abcdef-0123"}


def lacks(name: str, condition: str, **limits: object) -> str | None:
    """Why a target that has nothing but the profile of this name and `limits` lacks something."""
    target = load_target("embedded", {})
    target = msgspec.structs.replace(
        target, name="x", profile=name, start="none", url="ws://127.0.0.1:1", model=None,
        limits=msgspec.structs.replace(target.limits, **limits),
    )  # fmt: skip
    profile = Profile.from_toml(profile_text(name, EXAMPLES)[1])
    return CONDITIONS[condition](target, profile, Access(target, ENVIRON))


@pytest.mark.parametrize(
    ("profile", "condition", "reason"),
    [
        ("agent-events", "connection.runs", None),
        ("langgraph", "connection.runs", "a connection of langgraph answers one request at a time (connection.runs)"),
        ("agent-events", "second_request", None),
        ("langflow", "second_request", "events of langflow do not say which of two requests they answer"),
        ("agent-events", "start", "x was not started by the suite, which must not end it"),
        ("agent-events", "connection.opening", None),
        ("ai-sdk", "connection.opening", "a tab of ai-sdk begins without a request (connection.opening)"),
        ("agent-events", "limits.accepts_message_bytes", None),
        ("agno", "limits.accepts_message_bytes", "neither the target file (limits.accepts_message_bytes) nor"),
        ("agent-events", "announced_heartbeat", None),
        ("langgraph", "announced_heartbeat", "the backend does not announce how often it sends heartbeats"),
        ("agent-events", "stop_by_message", None),
        ("ai-sdk", "stop_by_message", "a stop closes the stream of an answer, and that of this answer has ended"),
        ("flowise", "stop_request", None),
        ("langflow", "stop_request", "langflow stops a run by closing the stream of its answer, and sends no request"),
        ("agent-events", "stop_request", "agent-events stops runs by messages on the connection: that invalid tokens"),
        ("ai-sdk", "respond_request", "ai-sdk answers what users are asked by a request whose answer streams: that"),
        ("langflow", "respond_request", "the profile langflow has no [send.respond]"),
        ("agent-events", "request_id", None),
        ("agno", "request_id", "the profile agno has no place for the id of a request"),
        ("agent-events", "agent_thinking", None),
        ("langflow", "agent_thinking", "agent_thinking is not observable here: the stream holds no reasoning of the"),
        ("chat-completions", "tool_completed", "tool_completed is not observable here: functions run in the user's"),
        ("agent-events", "foreign.start", None),
        ("agno", "foreign.start", None),
        ("langgraph-sse", "foreign.start", None),
        ("langgraph", "foreign.start", "x has no place for what is another user's where users continue a conversation"),
        ("chat-completions", "foreign.start", "x has no place for what is another user's where users continue a"),
        ("flowise", "foreign.stop", None),
        ("ai-sdk", "foreign.stop", "x has no place for what is another user's where users stop a run"),
        ("jupyter", "foreign.restore", None),
        ("agent-events", "foreign.respond", None),
    ],
)  # fmt: skip
def test_what_a_profile_has_no_place_for(profile: str, condition: str, reason: str | None) -> None:
    found = lacks(profile, condition)
    assert found == reason or (found is not None and reason is not None and found.startswith(reason))


def test_the_target_file_may_say_what_the_greeting_does_not() -> None:
    assert lacks("agno", "limits.accepts_message_bytes", accepts_message_bytes=4096) is None
