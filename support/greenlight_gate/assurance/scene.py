"""The interface for the steps of the assurance features; a run against a target loads no more than this."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenlight_gate.assurance.release import Release


def release_of(context: Any) -> "Release":
    """The release of the running scenario."""
    release: Release = context.release
    return release
