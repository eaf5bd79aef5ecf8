"""Who observes a whole session besides its live monitor: metrics and traces."""

from typing import Protocol

from greenlight_gate.measure.record_feed import FeedListener


class SessionObserver(FeedListener, Protocol):
    """Listens to the feed of records from when the session has begun, without what came before it (a warm-up).

    `is_tracing`: clients send a trace context meanwhile.
    """

    is_tracing: bool

    def begin(self, environment: str, url: str, clock: str) -> None:
        """The target is known: its name, where it is, and how its clock is known (`targets.model.Target.clock`)."""
