"""The interface of probes."""

from typing import Protocol

from greenlight_gate.verdict.memory_trend import Sample


class ProbeFailed(Exception):
    """The target cannot be probed in this way; one line says why."""


class Probe(Protocol):
    """One kind of probe. `by` is its name."""

    by: str

    def look(self, at: float) -> Sample:
        """One sample at a time (monotonic seconds). Raises CannotLook."""
