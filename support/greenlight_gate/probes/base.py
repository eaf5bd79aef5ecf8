"""What all probes have in common."""

from typing import Protocol

from greenlight_gate.verdict.memory_trend import Sample


class ProbeFailed(Exception):
    """The target cannot be looked at in this way; one line says why."""


class Probe(Protocol):
    """One way to look. `by` says which."""

    by: str

    def look(self, at: float) -> Sample:
        """One look, at a moment (monotonic seconds). Raises CannotLook."""
