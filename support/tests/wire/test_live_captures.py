"""Frames of the servers of support/tests/live, kept by `greenlight doctor --record` and `run`, are read rightly."""

import pytest
from greenlight_gate.events import Control

from support.tests.wire.recorded import Recorded, Short, capture, shipped

K = "calculator"


def shape(events: list[Short]) -> str:
    """Kinds in short, with the tools: "started thinking executing:calculator ..."."""
    return " ".join(f"{kind.split('_')[1]}{f':{tool}' if tool else ''}" for kind, tool, _, _ in events)


ONE = f"started thinking executing:{K} completed:{K} thinking completed"
NOTED = "started thinking executing:notes completed:notes thinking completed"
SAID = "started thinking completed"
# (capture, profile, what each connection was shown)
DOCTORED = [
    ("ai-sdk-7", "ai-sdk", [f"{ONE} {ONE} started failed", f"{ONE} {ONE}", ONE]),
    ("ag-ui-sse", "ag-ui-sse", [f"{ONE} {ONE} started thinking failed", f"{ONE} {ONE}", ONE]),
    ("langgraph-sse", "langgraph-sse", ["started thinking failed", f"{NOTED} {NOTED}"]),
    *(
        (name, name, [f"{SAID} {SAID} started failed", f"{SAID} {SAID}", SAID])
        for name in ("chat-completions", "openai-responses-sse", "anthropic-messages")
    ),
    # vLLM's gateway, whose events say their stream, and LiteLLM's proxy, whose errors say no id at all.
    *(
        (name, "openai-responses", [f"{SAID} {SAID} started failed", f"{SAID} {SAID} {SAID}", SAID])
        for name in ("openai-responses", "openai-responses-one-stream")
    ),
]
APPROVED = [
    ("ai-sdk-7-approval", "ai-sdk", "send_email"),
    ("ag-ui-sse-approval", "ag-ui-sse", "send_email"),
]


@pytest.mark.parametrize(("name", "profile", "shapes"), DOCTORED, ids=[case[0] for case in DOCTORED])
def test_what_doctor_saw(name: str, profile: str, shapes: list[str]) -> None:
    seen = Recorded(shipped(profile), capture(name))
    assert [shape(events) for events in seen.events.values()] == shapes
    assert (seen.unmapped, seen.foreign) == ([], {})
    # One prompt makes the agent fail, which a capture does not say.
    assert {rule for rule, _ in seen.findings} <= {"CONTENT-4"}
    runs = [event.run for events in seen.whole.values() for event in events]
    assert len(set(runs)) == " ".join(shapes).count("started")
    # The same tool call has one id, each run its own.
    calls = [event.call for events in seen.whole.values() for event in events if event.call]
    assert len(calls) == 2 * len(set(calls))
    # The answer is the pieces, put together.
    assert all(text for events in seen.events.values() for kind, *_, text in events if kind == "agent_completed")


@pytest.mark.parametrize(("name", "profile", "tool"), APPROVED, ids=[case[0] for case in APPROVED])
def test_an_approval_that_continues_a_run_in_another_stream(name: str, profile: str, tool: str) -> None:
    seen = Recorded(shipped(profile), capture(name))
    (events,) = seen.whole.values()
    asked = shape([(str(event.kind), event.tool, None, None) for event in events])
    assert asked.startswith(f"started thinking executing:{tool} requested")
    assert asked.endswith(f"completed:{tool} thinking completed")
    assert len({event.run for event in events}) == 1
    assert (seen.unmapped, seen.findings, seen.foreign) == ([], [], {})


def test_an_error_inside_a_stream_is_one_end() -> None:
    seen = Recorded(shipped("ai-sdk"), capture("ai-sdk-7-error"))
    (events,) = seen.events.values()
    assert shape(events) == "started thinking failed"
    assert (seen.unmapped, seen.foreign) == ([], {})
    assert {rule for rule, _ in seen.findings} <= {"CONTENT-4"}


def test_an_expired_token_is_refused_by_http_as_any_token_is() -> None:
    assert shipped("ai-sdk").spec.refusals.expiry.status == (401, 403)
    assert shipped("agno").spec.refusals.expiry.close == (1008, 4401)


def test_langflow_finishes_a_run_that_has_failed() -> None:
    seen = Recorded(shipped("langflow"), capture("langflow"))
    one = f"started executing:{K} completed:{K} completed"
    first, *others = (shape(events) for events in seen.events.values())
    assert first == f"{one} {one} started failed completed"
    assert all(shown.endswith(" completed") and "failed" not in shown for shown in others)
    assert (seen.unmapped, seen.foreign) == ([], {})
    assert {rule for rule, _ in seen.findings} == {"LIFECYCLE-2", "CONTENT-4"}


def test_flowise_shows_results_of_tools_at_the_end_and_a_stop_as_an_error() -> None:
    seen = Recorded(shipped("flowise"), capture("flowise"))
    one = f"started executing:{K} completed:{K} completed"
    shapes = [shape(events) for events in seen.events.values()]
    assert shapes == [f"{one} {one} started stopped started failed", f"{one} {one} {one}", one]
    assert (seen.unmapped, seen.foreign) == ([], {})
    # The stop is an HTTP request beside the stream, and is not in the capture.
    assert {rule for rule, _ in seen.findings} == {"LIFECYCLE-6", "CONTENT-4"}


def test_langflow_says_what_is_wrong_with_a_request() -> None:
    wrong = b'{"detail": [{"type": "json_invalid", "loc": ["body", 78], "msg": "JSON decode error"}]}'
    read = shipped("langflow").read(wrong)
    assert isinstance(read, Control)
    assert read.values == {"code": "json_invalid", "text": "JSON decode error"}
