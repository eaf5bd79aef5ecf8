"""Of which profiles a load can be made, why not of the others, and which targets they fit."""

from typing import Any

import msgspec
import pytest
from greenlight_gate.session.compatibility import check_profile_and_target, hindrance_of
from greenlight_gate.targets.settings import Misconfigured, load_target
from greenlight_gate.wire.profile import Profile

from support.tests.wire.recorded import PROFILES, shipped
from support.tests.wire.small import SMALL

HINDRANCES = {
    "acp": "it has a handshake",
    "ag-ui": "its request needs 'uuid'",
    "agent-events": None,
    "agent-events-sse": None,
    "agno": "it has a handshake",
    "ai-sdk": "its rules look up values of the connection",
    "autogenstudio": "it asks for a request before each connection",
    "google-adk": "it asks for a request before each connection",
    "json-rpc": "it has a handshake",
    "jupyter": "it asks for a request before each connection",
    "langgraph": "it asks for a request before each connection",
    "openai-realtime": "it has a handshake",
    "openai-responses": "its request needs 'model'",
    "socketio-generic": "it has a handshake",
}


def test_each_profile_that_ships() -> None:
    assert {path.stem: hindrance_of(shipped(path.stem)) for path in PROFILES.glob("*.toml")} == HINDRANCES


@pytest.mark.parametrize(
    ("also", "hindrance"),
    [
        ("", None),
        ('[connection]\npath = "/ws/{room}"\n[needs]\nroom = "where"', None),
        ('[connection]\nruns = "one"', "each request needs a connection of its own"),
        ('[[answer]]\nwhen = { type = "hb" }\nsend = { type = "hb" }', "it has frames that have to be answered"),
        ('[scope]\nmine = { who = { same_as = "user" } }', "its rules look up values of the connection"),
    ],
)
def test_parts_of_a_profile(also: str, hindrance: str | None) -> None:
    assert hindrance_of(Profile.from_toml(SMALL + also)) == hindrance


def test_what_its_question_needs() -> None:
    needs = SMALL.replace('"{prompt}"', '"{prompt}"\nmodel = "{model}"\n[needs]\nmodel = "which"')
    assert hindrance_of(Profile.from_toml(needs)) == "its request needs 'model'"
    packed = SMALL.replace('name = "small"', 'name = "small"\n[frame]\ncodecs = ["base64", "json"]')
    assert hindrance_of(Profile.from_toml(packed)) is None


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
