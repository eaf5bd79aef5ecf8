"""Shortens long texts for display."""


def brief(text: str, most: int) -> str:
    """The first lines, and how many more there are; the report has all of them."""
    lines = text.splitlines()
    more = len(lines) - most
    return text if more <= 0 else "\n".join([*lines[:most], f"... and {more} lines more, in the report"])
