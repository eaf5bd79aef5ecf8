"""Which targets a profile fits."""

from typing import Any

import msgspec
import pytest
from greenlight_gate.cli.views.frames import FrameSummary
from greenlight_gate.session.compatibility import check_profile_and_target, not_observable
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.settings import Misconfigured, load_target

from support.tests.wire.recorded import shipped


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (
            "embedded",
            {"url": "http://127.0.0.1:1", "profile": "ag-ui"},
            "url: expected ws:// or wss:// (the profile ag-ui",
        ),
        (
            "embedded",
            {"url": "https://127.0.0.1:1", "profile": "ag-ui"},
            "but it begins with http:// or https://; write that",
        ),
        (
            "embedded-sse",
            {"url": "wss://127.0.0.1:1"},
            "url: expected http:// or https:// (the profile agent-events-sse",
        ),
        ("embedded-sse", {"auth": {"send": "subprotocol"}}, "auth.send: expected 'bearer', 'query', 'headers'"),
        ("embedded-sse", {"auth": {"send": "first_message"}}, "but it is 'first_message', which only a WebSocket has"),
    ],
)
def test_what_a_target_by_http_cannot_have(name: str, change: dict[str, Any], said: str) -> None:
    target = load_target(name, {})
    check_profile_and_target(shipped(target.profile), target)
    auth = msgspec.structs.replace(target.auth, **change.pop("auth", {}))
    target = msgspec.structs.replace(target, auth=auth, **change)
    with pytest.raises(Misconfigured) as caught:
        check_profile_and_target(shipped(target.profile), target)
    assert said in str(caught.value)


def with_gaps(*needs: str) -> Target:
    """The target of a wire that shows tools, with these gaps accepted."""
    return msgspec.structs.replace(load_target("embedded", {}), accepted_gaps=dict.fromkeys(needs, "it has none"))


def test_tools_are_accepted_not_to_be_shown_as_a_whole() -> None:
    target = with_gaps("tool_executing", "tool_completed")
    check_profile_and_target(shipped(target.profile), target)
    hidden = not_observable(shipped(target.profile), target)
    assert hidden == dict.fromkeys(("tool_executing", "tool_completed"), "embedded shows no tools")
    assert FrameSummary(shipped(target.profile), [], target.shows_no).missing == [
        "agent_started", "agent_thinking", "agent_completed"
    ]  # fmt: skip


@pytest.mark.parametrize("need", ["tool_executing", "tool_completed", "agent_started"])
def test_half_a_tool_is_not_accepted(need: str) -> None:
    target = with_gaps(need)
    with pytest.raises(Misconfigured, match=f"accepted_gaps.{need}: expected an event that this profile cannot show"):
        check_profile_and_target(shipped(target.profile), target)
