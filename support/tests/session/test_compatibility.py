"""Which targets a profile fits."""

from typing import Any

import msgspec
import pytest
from greenlight_gate.session.compatibility import check_profile_and_target
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
