"""Writes the page of notes on the profiles that ship: `python -m support.tests.wire.make_notes`."""

from support.tests.wire.recorded import PROFILES
from support.wire.notes import page

PAGE = PROFILES / "README.md"


def current() -> str:
    """The page as it should be."""
    return page({path.stem: path.read_text() for path in PROFILES.glob("*.toml")})


if __name__ == "__main__":
    PAGE.write_text(current())
