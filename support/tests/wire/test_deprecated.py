"""Former names in a profile mean what they meant, and a warning gives the name of today."""

from pathlib import Path

import pytest
from greenlight_gate.cli.main import main
from greenlight_gate.wire.profile import Profile

from support.tests.wire.small import SMALL

FORMER = """
[[before]]
path = "/threads"
json = { name = "of {person}" }
each = "window"
"""
TODAY = FORMER.replace("{person}", "{user_name}").replace("window", "tab")
WARNINGS = ("{person} is now called {user_name}", 'before: each = "window" is now called each = "tab"')


def test_a_former_name_is_read_as_the_name_of_today() -> None:
    former, today = Profile.from_toml(SMALL + FORMER).spec, Profile.from_toml(SMALL + TODAY).spec

    assert former.before == today.before
    assert (former.deprecated, today.deprecated) == (WARNINGS, ())


def test_profile_check_warns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "former.toml"
    path.write_text(SMALL + FORMER, encoding="utf-8")

    assert main(["profile", "check", str(path)]) == 0
    said = capsys.readouterr().out
    assert [warning for warning in WARNINGS if f"WARNING {warning}" in said] == list(WARNINGS)
