"""What steps of the assurance features may know of it; whoever judges a target loads no more than this."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from greenlight_gate.assurance.release import Release


def release_of(context: Any) -> "Release":
    """The release of the scenario that is running."""
    release: Release = context.release
    return release
