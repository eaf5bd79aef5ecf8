"""What was received of a run, how its request was settled, and who observes that.

The correlation (`rules.engine.correlation`, `rules.engine.open_requests`) decides which run an event belongs to. All
others observe what it decides: scenario sessions, virtual users, the live monitor, the timeline and the meters.
"""

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from greenlight_gate.events import FIVE, Control, Event, EventKind
from greenlight_gate.rules.engine.expected import NO_EVENTS, Events, kinds_not_owed
from greenlight_gate.rules.engine.run_state import Request, RunState, Stage
from greenlight_gate.trace import Expect


def seen_events(run: RunState | None, expect: Expect | None) -> Events:
    """The events that were seen of a run and its sub-agents; what the profile only infers was not seen."""
    if run is None or expect is None:
        return NO_EVENTS
    seen = Events(
        run.started_at is not None, run.thoughts, run.tools_begun, run.tools_done, run.ended_by is expect.end
    )  # fmt: skip
    return seen if run.inferred is None else _without(seen, run.inferred, expect.end)


def _without(seen: Events, inferred: Mapping[EventKind, int], end: EventKind) -> Events:
    unseen = [inferred.get(kind, 0) for kind in (*FIVE[:-1], end)]
    return Events(*(max(count - less, 0) for count, less in zip(msgspec.structs.astuple(seen), unseen, strict=True)))


class Outcome(msgspec.Struct, frozen=True):
    """How one request was settled, once and for all.

    `connection` is where that happened, `at` when (seconds on the trace's clock). `excused`: the suite itself caused
    what is missing (a stop, a cut, a backend taken away, a user who left, a request that had to be refused), so that
    nothing of it counts. `ended_by` is None for a run that did not end; `error` answered in place of a run.
    """

    request: Request
    run: RunState | None
    connection: str
    at: float
    expected: Events
    seen: Events
    excused: bool = False
    ended_by: EventKind | None = None
    error: Control | None = None

    @property
    def due(self) -> int:
        """How many events were expected."""
        return self.expected.total

    @property
    def arrived(self) -> int:
        """How many of the expected events were seen."""
        return self.seen.of(self.expected)

    @property
    def needs_all_five(self) -> bool:
        """Whether the request had to show all five kinds of event, but for those that it does not owe."""
        return self.expected.tool_executing > 0

    @property
    def shows_all_five(self) -> bool:
        """Whether all five kinds were seen, but for those that the request does not owe."""
        seen = self.seen
        if seen.started and seen.thinking and seen.tool_executing and seen.tool_completed and seen.ended:
            return True
        unowed = kinds_not_owed(self.request.expect) if self.request.expect is not None else ()
        return all(times or kind in unowed for kind, times in seen.by_kind.items())

    @property
    def acknowledgement_s(self) -> float | None:
        """Seconds from the request, or from when it was due, to agent_started; None where that was not seen in time."""
        timed = self.run is not None and self.seen.started and not self.request.untimed
        started_at = self.run.started_at if self.run is not None and timed else None
        return None if started_at is None else started_at - self.request.at

    @property
    def first_token_s(self) -> float | None:
        """Seconds from the request, or from when it was due, to the first part of the answer; None without parts."""
        parts = self.run.parts if self.run is not None else None
        return None if not parts or self.request.untimed else parts[0].at - self.request.at


class Observer(Protocol):
    """Gets the outcome of each request."""

    def on_settled(self, outcome: Outcome) -> None:
        """A request is settled. Called once for each request."""


class EventObserver(Observer, Protocol):
    """Gets each event with its run as well. Its methods must be fast.

    They are called in the order in which it is decided; times are seconds on the trace's clock.
    """

    def on_event(self, run: RunState, event: Event, at: float) -> None:
        """An event of this run came, and is not judged yet. Not called for an event that was delivered before."""

    def on_more(self, run: RunState, at: float) -> None:
        """More of what this run has sent before came: the next token, for instance."""


class _Inferred:
    """Notes which events of a run a profile only inferred: they were not received."""

    def on_event(self, run: RunState, event: Event, at: float) -> None:
        """An event of this run came."""
        if event.synthesised and run.stage is not Stage.ENDED:
            run.infer(event.kind)

    def on_more(self, run: RunState, at: float) -> None:
        """It counts for nothing."""

    def on_settled(self, outcome: Outcome) -> None:
        """It has been counted."""


INFERRED: Final = _Inferred()
