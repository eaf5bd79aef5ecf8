"""A profile that promises more, whatever its text says of promises."""

import re
from pathlib import Path

import greenlight_gate
import msgspec
import pytest
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.promises import promising

TEXT = (Path(greenlight_gate.__file__).parent / "wire/profiles/agent-events.toml").read_text("utf-8")
SECTION = re.compile(r"^\[promises\]\n(?:\w.*\n)+", re.MULTILINE)


@pytest.mark.parametrize(
    "promises",
    [
        "[promises]\nready = true\n",
        "[promises]   # what holds here\nready = true\n",
        "[promises]\nruns_outlive_tokens = false    # not yet\nready = true\n",
        "[promises]\nruns_outlive_tokens = true\n",
        "",
    ],
)
def test_a_profile_promises_more(promises: str) -> None:
    assert SECTION.search(TEXT)
    text = SECTION.sub(promises, TEXT)
    before = Profile.from_toml(text).promises
    after = Profile.from_toml(promising(text, ["runs_outlive_tokens", "runs_end_with_connection"])).promises

    more = msgspec.structs.replace(before, runs_outlive_tokens=True, runs_end_with_connection=True)
    assert (after, before.runs_end_with_connection) == (more, False)
