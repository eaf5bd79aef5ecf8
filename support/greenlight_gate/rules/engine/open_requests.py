"""The open questions of one connection, and the runs that answer them."""

from greenlight_gate.events import Control, Event
from greenlight_gate.rules import lifecycle
from greenlight_gate.rules.engine.expected import NO_EVENTS, expected_events
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.rules.engine.outcome import Observer, Outcome, seen_events
from greenlight_gate.rules.engine.run_state import (
    NOTHING_EXPECTED,
    Report,
    Request,
    RunState,
    Stage,
    ThreadOrder,
    window,
)
from greenlight_gate.trace import Expect

_MOST_STOPPED = 64


class OpenRequests:
    """What is asked and answered on one connection.

    `observers` are told how each request was settled. `runs` are those whose events come to this
    connection alone; all others are found in the book. `replays` holds,
    for each thread that was restored here, the keys of the events that were shown since.
    """

    def __init__(self, book: IdRegistry, person: str, connection: str, report: Report) -> None:
        self.book = book
        self.person = person
        self.connection = connection
        self.user: str | None = None
        self.report = report
        self.observers: tuple[Observer, ...] = ()
        self.asks: list[Request] = []
        self.by_request: dict[str, Request] = {}
        self.runs: dict[str | None, RunState] = {}
        self.lines: dict[str | None, ThreadOrder] = {}
        self.replays: dict[str, set[str | int]] = {}
        self._stopped: dict[str, float] = {}
        self._expect: Expect | None = None
        self._expected = NO_EVENTS

    def asked(self, ask: Request) -> None:
        """Remembers a question until its run has ended."""
        self.asks.append(ask)
        if ask.request:
            self.by_request[ask.request] = ask
            self.book.request(ask.request, self.person)

    def settle(self, run: RunState, event_id: str | int | None) -> None:
        """A run has ended: its question is answered, and only a few words of the run are kept."""
        ask = run.ask
        if ask is not None:
            self.conclude(ask, run.last_at)
            self.drop(ask)
            ask.run = run.ask = None
        self.runs.pop(run.id, None)
        self.book.end(run, event_id)
        if self.runs:
            # Helpers that are still at work are no longer waited for; what they say is still known as theirs.
            for helper in [other for other in self.runs.values() if other.parent is run]:
                del self.runs[helper.id]
                self.book.abandon(helper)

    def conclude(
        self, ask: Request, at: float | None = None, *, excused: bool = False, error: Control | None = None
    ) -> None:
        """Tells how a request was settled, the first time that it is. `excused`: nothing more was owed.

        `at`: None for when anything of it was seen last.
        """
        if ask.settled:
            return
        ask.settled = True
        if not self.observers:
            return
        run = ask.run
        if at is None:
            at = ask.at if run is None else run.last_at
        outcome = Outcome(
            ask, run, self.connection, at,
            run.expected if run is not None else expected_events(ask.expect), seen_events(run, ask.expect),
            excused or ask.excused or (run is not None and run.stop_at is not None),
            run.ended_by if run is not None else None, error,
        )  # fmt: skip
        for observer in self.observers:
            observer.on_settled(outcome)

    def drop(self, ask: Request) -> None:
        """Expects nothing more for a question."""
        ask.over = True
        if ask in self.asks:
            self.asks.remove(ask)
        if ask.request:
            self.by_request.pop(ask.request, None)

    def owe_nothing(self) -> None:
        """Expects nothing more for any question that was asked here."""
        for ask in list(self.asks):
            self.conclude(ask, excused=True)
            self.drop(ask)

    def line(self, thread_id: str | None) -> ThreadOrder:
        """The thread as this connection is shown it."""
        line = self.lines.get(thread_id)
        if line is None:
            thread = self.book.thread(thread_id, self.person) if thread_id is not None else None
            own = thread is not None and thread.person == self.person
            line = self.lines[thread_id] = ThreadOrder(thread if own else None)
        return line

    def restoring(self, thread_id: str, last_seq: int | None, at: float) -> None:
        """The person asked for a thread here: what they saw of it up to `last_seq` may be left out, the rest comes.

        The time that they were away is nobody's silence, and what they missed comes all at once.
        """
        line = self.line(thread_id)
        line.known = self.book.has_shown(thread_id, self.person)
        line.due = None if last_seq is None else last_seq + 1
        line.replaying = line.resumed = True
        self.replays[thread_id] = set()
        for run in [run for run in self.runs.values() if run.thread == thread_id]:
            del self.runs[run.id]
            self.book.abandon(run)
            run.shown = set()
        windows = self.book.windows(self.person)
        windows.careful = True
        left = [ask for ask in windows.left if (ask.thread if ask.run is None else ask.run.thread) == thread_id]
        for ask in left:
            windows.left.remove(ask)
            if not ask.over:
                ask.resumed, ask.lost = True, False
                self.asked(ask)
                _wait_from(ask, at)

    def held_back(self, until: float) -> None:
        """What was to be shown here was kept back by the suite, so that the time is nobody's silence."""
        for ask in self.asks:
            _wait_from(ask, until)
        for run in self.runs.values():
            run.asked_at = max(run.asked_at, until)
            for tool in run.tools:
                tool.at = max(tool.at, until)

    def restored(self, thread_id: object) -> None:
        """The backend says that everything missed was shown; None: of every thread."""
        for name, line in self.lines.items():
            if thread_id in (None, name):
                line.replaying = False

    def stopping(self, run_id: str, at: float, n: int) -> None:
        """The person asked for a run to be stopped, perhaps one of which nothing has been seen yet."""
        run = self.book.runs.get(run_id)
        if run is not None and run.person == self.person:
            run.stop_at = at
        elif run is not None:
            run.intruder = (self.person, n)
        elif len(self._stopped) < _MOST_STOPPED:
            self._stopped[run_id] = at

    def waiting(self, event: Event) -> Request | None:
        """The oldest question without an answer that the event may belong to; one still waited for, if there is."""
        fitting = self.fitting(event)
        return next((ask for ask in fitting if not ask.given_up), fitting[0] if fitting else None)

    def fitting(self, event: Event) -> list[Request]:
        """All questions without an answer that the event may belong to."""
        threads = (None, event.thread)
        return [a for a in self.asks if a.run is None and (a.thread in threads or event.thread is None)]

    def only_open(self, event: Event) -> RunState | None:
        """The run that an event of no known run must mean, if there is only one that it can."""
        runs = [run for run in self.runs.values() if run.parent is None and event.request in (None, "", run.request)]
        return runs[0] if len(runs) == 1 else None

    def begin(self, run_id: str | None, ask: Request, event: Event, at: float) -> RunState:
        """A run begins to answer a question; it is given an id if it brings none."""
        if not event.request:
            self._mix_up(event)
        expect = None if ask.mixed_up else ask.expect or NOTHING_EXPECTED
        if ask.expect is not self._expect and ask.expect != self._expect:
            # Users ask the same again and again.
            self._expect, self._expected = ask.expect, expected_events(ask.expect)
        name = run_id or f"?{self.connection}:{ask.n}"
        run = RunState(
            name, self, event, ask.n, asked_at=ask.at, at=at, ask=ask, expect=expect, expected=self._expected
        )
        run.stop_at = self._stopped.pop(run.id, None) if self._stopped else None
        if expect is not None and expect.paced:
            run.recent, run.in_company = window(), True
        ask.run = run
        self.runs[run.id] = run
        self.book.begin(run)
        return run

    def _mix_up(self, event: Event) -> None:
        """Without a request id, questions that wait side by side cannot be told apart."""
        rivals = [ask for ask in self.fitting(event) if not ask.given_up]
        for rival in rivals if len(rivals) > 1 else ():
            rival.mixed_up = True

    def helper(self, parent: RunState, event: Event, n: int, at: float) -> RunState:
        """A helper of a run begins; LIFECYCLE-3 if that run has ended."""
        if parent.stage is Stage.ENDED:
            lifecycle.on_objection("LIFECYCLE-3", Stage.ENDED, parent, event, n, report=self.report)
        run = RunState(event.run or "", self, event, n, asked_at=at, at=at, parent=parent)
        self.runs[run.id] = run
        self.book.begin(run)
        return run


def _wait_from(ask: Request, at: float) -> None:
    """Nobody waits for an answer before `at`, and what was missed comes all at once."""
    if ask.run is None:
        ask.at = max(ask.at, at)
    else:
        ask.run.last_at = max(ask.run.last_at, at)
        ask.run.recent = None
