"""A request of a user, and what was received for it so far."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from greenlight_gate.events import Event, EventKind
from greenlight_gate.rules.engine.deadlines import Deadlines
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.targets.sections import Limits
from greenlight_gate.trace import Expect
from greenlight_gate.transport.connection_setup import Naming


class PastRequest(NamedTuple):
    """A request of a scenario that has ended: its text, when it was asked and over, and when its scenario ended.

    `persona`: the name in the canary of the user who sent it.
    """

    text: str
    persona: str
    asked_at: float
    over_at: float
    left_at: float


class UserRequest:
    """One request, as the user who sent it sees it.

    `connection`: on which it was sent. `events` are those of its run and of its sub-runs, in order of receipt, `size`
    the bytes of their messages; `seen_at` their times (monotonic seconds); `streams`: a piece of a text came; `over` is
    set when the run has ended, was refused, or can no longer come; `outcome` says how it was settled, once it is.
    `on_asked` is called when something more is asked of the user in its run.
    """

    def __init__(
        self, user: str, text: str, *, request: str, expect: Expect, at: float, connection: str = ""
    ) -> None:  # fmt: skip
        self.user = user
        self.connection = connection
        self.text = text
        self.request = request
        self.expect = expect
        self.asked_at = at
        self.last_at = at
        self.run: str | None = None
        self.thread: str | None = None
        self.events: list[Event] = []
        self.seen_at: list[float] = []
        self.size = 0
        self.outcome: Outcome | None = None
        self.gave_up = False
        self.streams = False
        self.changed = asyncio.Event()
        self.on_asked: Callable[[], None] | None = None
        # For how long the run has waited for its user, and since when it does again.
        self._waited_s = 0.0
        self._waits_since: float | None = None
        self.over = False
        self.absent: dict[str, str] = {}  # kinds of event that the profile cannot show, and why

    def take(self, event: Event, at: float) -> None:
        """One more event for this request."""
        self.last_at = at
        if event.synthesised:
            # What the profile only infers was not received.
            self.run = self.run or event.run
            self.thread = self.thread or event.thread
            self.changed.set()
            return
        self.events.append(event)
        self.seen_at.append(at)
        if event.kind is EventKind.INPUT_REQUESTED:
            self._waits_since = at if self._waits_since is None else self._waits_since
            if self.on_asked is not None:
                self.on_asked()
        else:
            self.answered(at)
        if event.parent is None:
            if self.run is None:
                self.run = event.run
            if self.thread is None:
                self.thread = event.thread
        self.changed.set()

    def answered(self, at: float) -> None:
        """The run no longer waits for its user: the time until now counts for no budget."""
        if self._waits_since is not None:
            self._waited_s += at - self._waits_since
            self._waits_since = None
            self.last_at = max(self.last_at, at)

    def settle(self, outcome: Outcome) -> None:
        """The request is settled: by the end of its run, by an error in place of one, or because none can come."""
        self.outcome = outcome
        if outcome.ended_by is not None or outcome.error is not None:
            self.give_up()

    def wait_from_now(self) -> None:
        """It had to wait for another request: only from now on is it waited for."""
        self.last_at = max(self.last_at, time.monotonic())

    def give_up(self) -> None:
        """Nothing more is waited for."""
        self.over = True
        self.changed.set()

    def excess(self, limits: Limits) -> str:
        """Which limit the answer exceeds; "" while it exceeds none."""
        if len(self.events) > limits.max_run_events:
            return f"more than {limits.max_run_events} events in one answer"
        return f"more than {limits.max_run_bytes} bytes in one answer" if self.size > limits.max_run_bytes else ""

    def has(self, kind: EventKind) -> bool:
        """Whether an event of this kind came for the run itself, not for a sub-run."""
        return any(event.kind is kind and event.parent is None for event in self.events)

    @property
    def asked_input(self) -> Event | None:
        """The latest event that asks something of the user, if any."""
        return next((event for event in reversed(self.events) if event.kind is EventKind.INPUT_REQUESTED), None)

    def has_text(self) -> bool:
        """Whether reasoning, or a piece of the answer, came."""
        return self.streams or self.has(EventKind.THINKING)

    def has_begun(self) -> bool:
        """Whether any event came."""
        return bool(self.events)

    @property
    def first_seq(self) -> int:
        """The number of the first event that has one; 1 without."""
        return min((event.seq for event in self.events if event.seq is not None), default=1)

    @property
    def last_seq(self) -> int:
        """The highest number that an event has; 0 without."""
        return max((event.seq for event in self.events if event.seq is not None), default=0)

    @property
    def has_end(self) -> bool:
        """Whether the end of the run came."""
        return self.outcome is not None and self.outcome.ended_by is not None

    @property
    def over_at(self) -> float:
        """When the end of the run came (monotonic seconds); infinite without one."""
        return self.last_at if self.has_end else math.inf

    @property
    def open_tools(self) -> set[str]:
        """The names of tools that have begun more often than they have finished."""
        begun = Counter(event.tool or "" for event in self.events if event.kind is EventKind.TOOL_EXECUTING)
        begun.subtract(event.tool or "" for event in self.events if event.kind is EventKind.TOOL_COMPLETED)
        return {name for name, count in begun.items() if count > 0}

    def patience_ends(self, patience: Deadlines) -> float:
        """The deadline for the next event (monotonic seconds)."""
        if not self.has_begun():
            return patience.start_ends(self.last_at)
        return patience.ends(self.asked_at + self._waited_s, self.last_at, self.open_tools)

    @property
    def answer(self) -> str | None:
        """The text of the final answer, if there is one."""
        for event in reversed(self.events):
            if event.kind is EventKind.COMPLETED and event.parent is None:
                return event.text
        return None


def resuming(
    question: UserRequest, last_seq: int, *, last_event_id: str = "", also: Mapping[str, int | None] | None = None
) -> Naming:  # fmt: skip
    """What a connection names that goes on with the conversation of a request, from the number after `last_seq`.

    `last_event_id`: of the channel before, which resumes other threads `also`.
    """
    values = {
        "thread": question.thread, "run": question.run, "last_seq": last_seq, "last_event_id": last_event_id or None,
    }  # fmt: skip
    return Naming(values, question.thread, last_seq, resumes=True, also=also or {})


def after_event(question: UserRequest, event_id: str) -> Naming:
    """What a connection names that goes on behind the first event of the answer to a request, by the id of that event.

    From which number on that is, is not known for sure.
    """
    return resuming(question, question.first_seq, last_event_id=event_id)._replace(last_seq=None)
