"""The feed of records while they are made, for live monitors, whatever code opened the connection.

Recorders publish here, and loads what they have counted; nothing that listens can change what is recorded or judged.
"""

from typing import Protocol

from greenlight_gate.events import Event, Reading
from greenlight_gate.findings import Finding
from greenlight_gate.measure.load_counts import Counts
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.trace import AnyRecord


class FeedSource(Protocol):
    """One trace in the making. `epoch_s` is the wall time of its zero; `findings` grow while it is judged."""

    scenario: str

    @property
    def epoch_s(self) -> float:
        """Wall time, in seconds since the epoch, at which the trace's clock began."""

    @property
    def findings(self) -> list[Finding]:
        """What the rules have objected to so far."""

    def clean(self, text: str) -> str:
        """The text without secrets."""


class FeedListener(Protocol):
    """Receives every record of every trace, in order; it must not take long.

    What the correlation decides about a record comes before the record itself.
    """

    def on_event(self, source: FeedSource, run: RunState, event: Event, at: float) -> None:
        """An event of this run came (`greenlight_gate.rules.engine.outcome.EventObserver`)."""

    def on_settled(self, source: FeedSource, outcome: Outcome) -> None:
        """A request is settled."""

    def on_record(self, source: FeedSource, record: AnyRecord, reading: Reading | None) -> None:
        """One record, with how it was read."""

    def finished(self, source: FeedSource) -> None:
        """Nothing more will come from this source."""

    def counted(self, load: object, counts: Counts) -> None:
        """What a load has counted until now; each load is an object of its own."""


_listeners: tuple[FeedListener, ...] = ()
_tracing: tuple[FeedListener, ...] = ()


def listen(listener: FeedListener, *, tracing: bool = False) -> None:
    """Adds a listener for everything that is recorded in this process.

    `tracing`: clients send a trace context (https://www.w3.org/TR/trace-context/) from now on, for its spans.
    """
    global _listeners, _tracing  # noqa: PLW0603 -- the one place where those meet who do not know each other
    _listeners = (*_listeners, listener)
    if tracing:
        _tracing = (*_tracing, listener)


def leave(listener: FeedListener) -> None:
    """Removes a listener."""
    global _listeners, _tracing  # noqa: PLW0603 -- as above
    _listeners = tuple(each for each in _listeners if each is not listener)
    _tracing = tuple(each for each in _tracing if each is not listener)


def is_traced() -> bool:
    """Whether clients send a trace context."""
    return bool(_tracing)


def publish(source: FeedSource, record: AnyRecord, reading: Reading | None) -> None:
    """Tells all listeners."""
    for listener in _listeners:
        listener.on_record(source, record, reading)


def matched(source: FeedSource, run: RunState, event: Event, at: float) -> None:
    """Tells all listeners which run an event belongs to."""
    for listener in _listeners:
        listener.on_event(source, run, event, at)


def settled(source: FeedSource, outcome: Outcome) -> None:
    """Tells all listeners how a request was settled."""
    for listener in _listeners:
        listener.on_settled(source, outcome)


def finished(source: FeedSource) -> None:
    """Tells all listeners that a trace is complete."""
    for listener in _listeners:
        listener.finished(source)


def counted(load: object, counts: Counts) -> None:
    """Tells all listeners how far a load is."""
    for listener in _listeners:
        listener.counted(load, counts)
