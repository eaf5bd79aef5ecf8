"""Every profile that ships has a target example that fits it."""

from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.session.compatibility import check_profile_and_target
from greenlight_gate.targets.access import Access
from greenlight_gate.targets.settings import Misconfigured, load_target, profile_text
from greenlight_gate.wire.profile import Profile

from support.tests.wire.recorded import PROFILES

EXAMPLES = Path(__file__).parents[2] / "greenlight_gate" / "targets" / "examples"
NAMES = (
    "CHAT_JWT_SECRET",
    "AUTOGENSTUDIO_JWT_SECRET",
    "AGNO_JWT_SECRET",
    "AG_UI_JWT_SECRET",
    "LITELLM_JWT_SECRET",
    "JUPYTER_TOKEN",
    "JUPYTER_KERNEL_ID",
    "ADA_TOKEN",
    "LANGFLOW_PASSWORD",
    "BASHIR_TOKEN",
)
SECRETS = {name: f"{number}" * 40 for number, name in enumerate(NAMES)}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_an_example_fits_its_profile(path: Any) -> None:
    target = load_target(str(path), {})
    profile = Profile.from_toml(profile_text(target.profile, path.parent)[1])
    check_profile_and_target(profile, target)
    access = Access(target, SECRETS)
    assert set(access.given) >= set(profile.spec.needs)
    assert "greenlight run --environment" in path.read_text()
    if target.auth.obtain != "none" or any(str(value).startswith("env:") for value in target.values.values()):
        with pytest.raises(Misconfigured):
            Access(target, {})


def test_every_profile_has_one() -> None:
    profiles = {load_target(str(path), {}).profile for path in EXAMPLES.glob("*.toml")}
    assert profiles | {"agent-events"} == {path.stem for path in PROFILES.glob("*.toml")}
