"""Of which profiles a load can be made, and why not of the others."""

import pytest
from greenlight_gate.session.compatibility import hindrance_of
from greenlight_gate.wire.profile import Profile

from support.tests.wire.recorded import PROFILES, shipped
from support.tests.wire.small import SMALL

HINDRANCES = {
    "acp": "it has a handshake",
    "ag-ui": "its request needs 'uuid'",
    "agent-events": None,
    "agno": "it has a handshake",
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
