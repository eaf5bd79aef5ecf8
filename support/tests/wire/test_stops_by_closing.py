"""[send.stop] with `close = true`: a run is stopped by closing the stream of its answer."""

import pytest
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import ProfileError

from support.tests.wire.recorded import PROFILES

TEXT = (PROFILES / "agent-events-sse.toml").read_text("utf-8")
STOP = '[send.stop]\nhttp = { path = "/runs/{run}/stop", streams = false }\n'
PROMISED = "[promises]\nruns_end_with_connection = true\n"
CLOSING = TEXT.replace(STOP, "[send.stop]\nclose = true\n").replace("[promises]\n", PROMISED)


def test_a_stop_without_an_address_closes_the_stream() -> None:
    spec = Profile.from_toml(CLOSING).spec
    assert spec.stops_by_closing
    assert "stop" in spec.send
    assert "stop" not in spec.addresses
    assert not Profile.from_toml(TEXT).spec.stops_by_closing


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CLOSING.replace(PROMISED, "[promises]\n"), "send.stop.close: expected runs_end_with_connection = true"),
        (CLOSING.replace('"sse"', '"channel"'), "send.stop.close: expected it where each answer has a stream"),
        (CLOSING.replace("close = true", "close = false"), "send.stop.http: expected the address"),
    ],
)
def test_closing_stops_only_what_has_a_stream_of_its_own_and_ends_with_it(text: str, said: str) -> None:
    with pytest.raises(ProfileError, match=said):
        Profile.from_toml(text)
