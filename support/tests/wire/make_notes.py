"""Writes the page of notes on the profiles that ship: `python -m support.tests.wire.make_notes`."""

from greenlight_gate.wire.profiles_page import page

from support.tests.wire.recorded import PROFILES

PAGE = PROFILES / "README.md"


def current() -> str:
    """The page as it should be."""
    return page({path.stem: path.read_text() for path in PROFILES.glob("*.toml")})


if __name__ == "__main__":
    PAGE.write_text(current())
