"""The categories of scenarios, in alphabetical order: each is a folder of features/ and a tag."""

from collections.abc import Container

CATEGORIES = ("functional", "integration", "performance", "resilience", "security", "stress")
# The scenarios of a team's own: all features of the folder that `[suite]` of its target file names.
OWN = "own"


def categories_with(available: Container[str]) -> tuple[str, ...]:
    """All categories of a session: those that ship, and `OWN` where the target has scenarios of its own."""
    return (*CATEGORIES, OWN) if OWN in available else CATEGORIES
