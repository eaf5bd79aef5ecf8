"""A draft from recorded frames can be used at once, or says what is missing; a broken capture names its line."""

import json
from typing import Any

import pytest
from greenlight_gate.trace import Sent
from greenlight_gate.wire.capture import CaptureError, read_capture, unfilled
from greenlight_gate.wire.drafting import draft
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import ProfileError

from support.tests.wire.recorded import Recorded, capture, shipped

ALL_FIVE = {"agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"}


@pytest.mark.parametrize(
    ("name", "codecs", "shown"),
    [
        ("agno", ["sse?", "json"], ALL_FIVE),
        ("autogenstudio", ["json"], {"agent_thinking", "agent_completed"}),
        ("jupyter", ["json"], {"agent_thinking", "agent_completed"}),
        ("jupyter-v1", ["jupyter-v1"], {"agent_thinking", "agent_completed"}),
    ],
)
def test_a_draft_reads_what_can_be_guessed(name: str, codecs: list[str], shown: set[str]) -> None:
    text = draft(capture(name))
    profile = Profile.from_toml(text)
    assert list(profile.spec.frame.codecs) == codecs
    seen = Recorded(profile, capture(name))
    assert seen.unmapped == []
    assert {kind for events in seen.events.values() for kind, _, _, _ in events} >= shown
    assert "TODO" in text


def test_a_draft_says_what_it_could_not_find() -> None:
    text = draft(capture("google-adk"))
    assert "They name no kind" in text
    assert "# TODO: no end was found" in text
    assert 'start = { content = { role = "user", parts = [{ text = "{prompt}" }] } }' in text
    with pytest.raises(ProfileError, match="agent_completed"):
        Profile.from_toml(text)


def _frame(direction: str, **members: Any) -> bytes:
    return json.dumps({"dir": direction, "data": members}).encode()


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"agent_name": "Quill", "payload": {"tool_name": "calculator"}}, "payload.tool_name"),
        ({"agent_name": "Quill", "name": "calculator"}, "name"),
        ({"agent": {"name": "Quill"}, "call": {"name": "calculator"}}, "call.name"),
        ({"function": {"name": "calculator"}, "name": "Quill"}, "function.name"),
        ({"data": {"toolName": "calculator"}, "tool": "other"}, "data.toolName"),
        ({"agent_name": "Quill", "user": {"name": "Ada"}, "tool": 5}, ""),
    ],
)
def test_the_name_of_a_tool_is_not_that_of_an_agent(members: dict[str, Any], path: str) -> None:
    text = draft([_frame("in", type="tool_call", **members), _frame("in", type="done", text="391")])

    assert (f'tool = "{path}"' if path else '# tool = "PATH"') in text.splitlines()


def test_each_request_gets_an_id_of_its_own() -> None:
    asked = {"type": "ask", "request_id": "r-1", "thread_id": "t-1", "payload": {"text": "What is 17*23?", "id": 7}}
    answer = [_frame("in", type="token", text="391"), _frame("in", type="done", text="391")]
    text = draft([_frame("out", **asked), *answer])

    assert (
        'start = { type = "ask", request_id = "{request}", thread_id = "t-1", payload = { text = "{prompt}", id = 7 } }'
    ) in text.splitlines()
    assert Profile.from_toml(text).spec.send["start"]["request_id"] == "{request}"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([b"{"], "line 1: expected a recorded frame as JSON, got b'{'"),
        ([b"", b"[]"], "line 2: expected a recorded frame"),
        ([b'{"dir":"sideways","data":{}}'], "line 1: "),
        ([b'{"dir":"in","kind":"binary","data":"?"}'], "line 1: "),
        ([b'{"record":"received","n":1}'], "line 1: "),
        ([b'{"data":{}}'], "line 1: "),
    ],
)
def test_a_broken_capture(lines: list[bytes], says: str) -> None:
    with pytest.raises(CaptureError) as caught:
        read_capture(lines, shipped("agno").spec)
    assert str(caught.value).startswith(says)


def test_a_capture_in_which_nothing_came() -> None:
    for lines in ([], [b'{"dir":"out","data":{"a":1}}'], [b'{"dir":"in","data":"hello"}']):
        with pytest.raises(CaptureError, match="at least one frame that came"):
            draft(lines)


@pytest.mark.parametrize(
    ("template", "value", "expected"),
    [
        ({"a": "{x}", "b": 1}, {"a": [1], "b": 1, "c": 2}, {"x": [1]}),
        ({"a": "req-{x}/{y}"}, {"a": "req-1/2"}, {"x": "1", "y": "2"}),
        ({"a": "{{{x}}}"}, {"a": "{7}"}, {"x": "7"}),
        (["job", {"q": "{x}"}], ["job", {"q": "?"}], {"x": "?"}),
        ({"a": {}, "b": []}, {}, {}),
        ({"a": "{x}"}, {}, {}),
        ({"a": "{uuid}"}, {"a": "u"}, {}),
        ({"a": 1}, {"a": 2}, None),
        ({"a": "req-{x}"}, {"a": 5}, None),
        (["a"], ["a", "b"], None),
        ({"a": 1}, "a", None),
    ],
)
def test_a_template_is_read_backwards(template: Any, value: Any, expected: Any) -> None:
    assert unfilled(template, value) == expected


def test_what_was_asked_is_read_from_the_frames_that_were_sent() -> None:
    records, _ = read_capture(capture("jupyter"), shipped("jupyter").spec)
    asked = [record for record in records if isinstance(record, Sent)]
    assert [record.what for record in asked] == ["start"] * 5
    assert len({record.request for record in asked}) == 5
    assert all(record.expect is not None and "marker-" in record.expect.prompt for record in asked)
    sent = json.loads(asked[0].text)
    assert sent["header"]["msg_id"] == f"req-{asked[0].request}"
