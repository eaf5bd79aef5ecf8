"""What all probes have in common."""

from typing import Protocol

from greenlight_gate.verdict.memory_trend import Sample


class ProbeFailed(Exception):
    """The target cannot be measured by this probe; one line says why."""


class Probe(Protocol):
    """One probe. `by` names it."""

    by: str

    def look(self, at: float) -> Sample:
        """One measurement, at a moment (monotonic seconds). Raises CannotLook."""
