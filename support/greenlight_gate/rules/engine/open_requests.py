"""The open requests of one connection, and the runs that answer them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from greenlight_gate.events import Control, Event
from greenlight_gate.rules import input as inputs
from greenlight_gate.rules import lifecycle
from greenlight_gate.rules.engine.asked_input import Intruder
from greenlight_gate.rules.engine.expected import NO_EVENTS, expected_events
from greenlight_gate.rules.engine.finding_sink import Report
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.rules.engine.outcome import Observer, Outcome, seen_events
from greenlight_gate.rules.engine.run_state import (
    NOTHING_EXPECTED,
    Request,
    RunState,
    Stage,
    StoppedAnswer,
    ThreadOrder,
    recent_times,
)
from greenlight_gate.trace import Expect

_NONE: Mapping[str, str | None] = MappingProxyType({})
_MOST_STOPPED = 64
# One for all, since an empty set takes 216 bytes, for each of thousands of users.
_NO_IDS: frozenset[str] = frozenset()
# Requests that were left without an end, of one user.
_MOST_UNFINISHED = 512


class OpenRequests:
    """What one user has asked for on one connection, and what is in progress there.

    `observers` are called with the outcome of each request. `runs` are those whose events come to this connection
    alone; all others are found in the registry. `replays` holds, for each thread that was restored here, the keys of
    the events that were received since. `by_http`: each request is answered on a stream of its own; `streams` are those
    that have not ended, by their requests, and `unanswered` those that were sent meanwhile, with their threads.
    `runs_end_with_connection`: as the profile promises.
    """

    def __init__(
        self, registry: IdRegistry, user: str, connection: str, report: Report, *, by_http: bool = False,
        runs_end_with_connection: bool = False,
    ) -> None:  # fmt: skip
        self.registry = registry
        self.user = user
        self.connection = connection
        self.report = report
        self.by_http = by_http
        self.observers: tuple[Observer, ...] = ()
        self.asks: list[Request] = []
        self.by_request: dict[str, Request] = {}
        self.runs: dict[str | None, RunState] = {}
        self.orders: dict[str | None, ThreadOrder] = {}
        self.replays: dict[str, set[str | int]] = {}
        self.streams = _NO_IDS
        self.unanswered: Mapping[str, str | None] = _NONE
        self._stopped = _NO_IDS
        self._any_behind = False
        self._runs_end_with_connection = runs_end_with_connection
        self._expect: Expect | None = None
        self._expected = NO_EVENTS

    def asked(self, ask: Request) -> None:
        """Remembers a request until its run has ended."""
        if self.by_http and self.asks:
            self.registry.tabs(self.user).several_or_restored = True
        self.asks.append(ask)
        if ask.request:
            self.by_request[ask.request] = ask
            self.registry.request(ask.request, self.user)
        self._any_behind = self._any_behind or bool(ask.behind)

    def repeated(self, request: str | None) -> None:
        """A request was sent once more, with the same id: it is still one request."""
        ask = self.by_request.get(request or "")
        if ask is not None:
            ask.repeats += 1

    def _may_begin(self, ended: Request, at: float) -> None:
        """A request has ended: what was sent behind it is due from now on."""
        for ask in self.asks:
            if ask.behind == ended.request and ask.run is None:
                ask.at, ask.untimed = max(ask.at, at), True

    def settle(self, run: RunState, event_id: str | int | None) -> None:
        """A run has ended: its request is settled, and little of the run is kept."""
        ask = run.ask
        if ask is not None:
            self.conclude(ask, run.last_at)
            self.drop(ask)
            ask.run = run.ask = None
            if self._any_behind:
                self._may_begin(ask, run.last_at)
        self.runs.pop(run.id, None)
        self.registry.end(run, event_id)
        if self.runs:
            # Sub-agents that have not ended are no longer waited for; their events are still known as theirs.
            for sub_agent in [other for other in self.runs.values() if other.parent is run]:
                del self.runs[sub_agent.id]
                self.registry.abandon(sub_agent)

    def conclude(
        self, ask: Request, at: float | None = None, *, excused: bool = False, error: Control | None = None
    ) -> None:
        """Reports to the observers how a request was settled, the first time that it is.

        `excused`: nothing more was owed. `at`: None for when the latest event of it was received.
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
            excused or ask.excused or (run.stop_at is not None if run is not None else ask.maybe_refused)
            or (ask.unwatched and (run is None or run.ended_by is None)),
            run.ended_by if run is not None else None, error,
        )  # fmt: skip
        for observer in self.observers:
            observer.on_settled(outcome)

    def drop(self, ask: Request) -> None:
        """Expects nothing more for a request."""
        ask.over = True
        if ask in self.asks:
            self.asks.remove(ask)
        if ask.request:
            self.by_request.pop(ask.request, None)

    def owe_nothing(self, but: Callable[[Request], bool] = lambda ask: False) -> None:
        """Expects nothing more for any request that was sent here, `but` for those of which it is promised."""
        for ask in [ask for ask in self.asks if not but(ask)]:
            self.conclude(ask, excused=True)
            self.drop(ask)

    def order(self, thread_id: str | None) -> ThreadOrder:
        """The order of the thread's events on this connection."""
        order = self.orders.get(thread_id)
        if order is None:
            thread = self.registry.thread(thread_id, self.user) if thread_id is not None else None
            own = thread is not None and thread.user == self.user
            order = self.orders[thread_id] = ThreadOrder(thread if own else None, by_http=self.by_http)
            order.stopped = self.registry.tabs(self.user).stopped.pop(thread_id or "", None)
        return order

    def has_several_streams(self, thread_id: str | None) -> bool:
        """Whether several streams answer in this thread now. A restored thread comes on one, with all its runs."""
        if not self.by_http or len(self.asks) < 2:
            return False
        places = ((ask, ask.thread if ask.run is None else ask.run.thread) for ask in self.asks)
        return len({-1 if ask.resumed else ask.n for ask, place in places if place in (None, thread_id)}) > 1

    def restoring(self, thread_id: str, last_seq: int | None, at: float) -> None:
        """The user asked to restore a thread here: what they saw of it up to `last_seq` may be left out.

        The time without a connection counts as no silence, and what was missed comes all at once.
        """
        order = self.order(thread_id)
        order.known = self.registry.has_shown(thread_id, self.user)
        order.due = None if last_seq is None else last_seq + 1
        order.replaying = order.resumed = True
        if order.latest:
            order.latest.clear()
        self.replays[thread_id] = set()
        for run in [run for run in self.runs.values() if run.thread == thread_id]:
            del self.runs[run.id]
            self.registry.abandon(run)
            run.shown = set()
        for run in self.registry.asking.get(thread_id, ()):
            for asked in run.inputs or ():
                if run.user == self.user and (asked.seq is None or last_seq is None or asked.seq > last_seq):
                    asked.due_on = self.connection
        tabs = self.registry.tabs(self.user)
        tabs.several_or_restored = True
        unfinished = [
            ask for ask in tabs.unfinished if (ask.thread if ask.run is None else ask.run.thread) == thread_id
        ]
        for ask in unfinished:
            tabs.unfinished.remove(ask)
            if not ask.over:
                # Who has ended the connection is judged by itself.
                ask.excused = ask.excused or self._runs_end_with_connection
                ask.resumed, ask.lost = True, False
                self.asked(ask)
                _wait_from(ask, at)

    def held_back(self, until: float) -> None:
        """The suite has held back what came here until now, so that this time counts as no silence."""
        for ask in self.asks:
            _wait_from(ask, until)
        for run in self.runs.values():
            run.asked_at = max(run.asked_at, until)
            for tool in run.tools:
                tool.at = max(tool.at, until)

    def restored(self, thread_id: object, n: int) -> None:
        """The backend reports that it has sent all that was missed; None: of every thread."""
        self._not_shown_again(thread_id, n)
        for name, order in self.orders.items():
            if thread_id in (None, name):
                order.replaying = False

    def responding(
        self, run_id: str | None, input_id: str | None, at: float, n: int, *, approves: bool, unwelcome: str = ""
    ) -> None:  # fmt: skip
        """The user answers what is asked of them in a run; of another user's run, it is an attempt of theirs.

        So it is with an invalid token (`unwelcome`).

        A recorded answer that names no run is for the latest run that asks this user.
        """
        run = self.registry.find(run_id) if run_id is not None else self._asking(input_id)
        run = run.root if run is not None else None
        inputs_of_run = reversed(run.inputs or ()) if run is not None else ()
        meant = [each for each in inputs_of_run if input_id in (None, each.id)]
        asked = next((each for each in meant if each.is_open), meant[0] if meant else None)
        if run is None or asked is None:
            return
        asked = asked.latest
        if run.user != self.user or unwelcome:
            asked.intruder = Intruder(self.user, n, unwelcome)
            return
        asked.answers += 1
        if asked.approves is not None or asked.over:
            return
        asked.approves = approves
        run.answered(at, self.registry.runs.values())
        if not run.lacks_approval:
            run.expect = (run.inputs or [asked])[0].owed
            run.expected = expected_events(run.expect)

    def _asking(self, input_id: str | None) -> RunState | None:
        mine = (run for runs in self.registry.asking.values() for run in runs if run.user == self.user)
        return max(
            (run for run in mine if any(input_id in (None, asked.id) and asked.is_open for asked in run.inputs or ())),
            key=lambda run: run.first_n, default=None,
        )  # fmt: skip

    def shown_again(self, event: Event) -> None:
        """What is asked of the user is shown on this connection, which has restored its thread."""
        for run in self.registry.asking.get(event.thread, ()):
            for asked in run.inputs or ():
                if asked.id == event.input:
                    asked.due_on = ""

    def _not_shown_again(self, thread_id: object, n: int) -> None:
        for name, runs in self.registry.asking.items() if self.registry.asking else ():
            for run in runs if thread_id in (None, name) else ():
                for asked in run.inputs or ():
                    if asked.due_on == self.connection and asked.is_open:
                        asked.due_on = ""
                        inputs.on_not_shown_again(run, asked, n, self.report)

    def stopping(self, run_id: str, at: float, n: int, unwelcome: str = "") -> None:
        """The user asked for a run to be stopped, perhaps one of which nothing has been received yet."""
        run = self.registry.runs.get(run_id)
        if run is not None and run.user == self.user and not unwelcome:
            _stop(run, at)
        elif run is not None:
            run.intruder = Intruder(self.user, n, unwelcome)
        elif len(self._stopped) < _MOST_STOPPED:
            self._stopped |= {run_id}

    def stopping_unnamed(
        self, request: str | None, thread: str | None, at: float, n: int, unwelcome: str = ""
    ) -> None:  # fmt: skip
        """The user asked for a stop that names no run: of this request, else of this thread, else of all on here."""
        own = self.runs if request is thread is None else self.registry.runs
        for run in own.values():
            if run.user == self.user and run.ask is not None and _is_meant(run.ask, run, request, thread):
                if unwelcome:
                    run.intruder = Intruder(self.user, n, unwelcome)
                else:
                    _stop(run, at)
        for ask in self.asks if not unwelcome else ():
            ask.stopped = ask.stopped or (ask.run is None and _is_meant(ask, None, request, thread))

    def waited_for(self, request: str | None, run_id: str | None) -> Request | None:
        """The request that a wait was for: by its id or run, else the only one that is open."""
        if request is not None and request in self.by_request:
            return self.by_request[request]
        run = self.registry.runs.get(run_id) if run_id is not None else None
        if run is not None and run.user == self.user:
            return run.ask
        waiting = [ask for ask in self.asks if not ask.abandoned]
        return waiting[0] if len(waiting) == 1 and request in (None, waiting[0].request) else None

    def closed(self, by: str) -> None:
        """The connection has ended. What the user has left open themselves is owed again once they restore it."""
        tabs = self.registry.tabs(self.user)
        tabs.open.discard(self.connection)
        self.registry.disconnected(self.connection)
        tabs.closed_in_run = tabs.closed_in_run or bool(self.asks or self.runs)
        for run in self.runs.values():
            self.registry.abandon(run)
        for ask in self.asks if self._runs_end_with_connection else ():
            stopped = _stopped_answer(ask.run, ask.n)
            if ask.run is not None and ask.run.thread is not None and stopped is not None:
                tabs.stopped[ask.run.thread] = stopped
                if len(tabs.stopped) > _MOST_STOPPED:
                    del tabs.stopped[next(iter(tabs.stopped))]
        tabs.unfinished.extend(ask for ask in self.asks if ask.run is not None or ask.thread is not None)
        del tabs.unfinished[:-_MOST_UNFINISHED]
        for ask in self.asks:
            ask.lost = by != "client"
        if by == "client":
            for ask in self.asks:
                if ask.run is None and ask.thread is None:
                    self.conclude(ask, excused=True)
            self.asks.clear()

    def stream_closed(self, request: str | None, n: int) -> None:
        """The user has closed the stream of a request to stop its run: all that is left is owed by a restore only."""
        ask = self.by_request.pop(request or "", None)
        if request is None or ask is None:
            return
        self.streams -= {request}
        self.conclude(ask, excused=True)
        self.asks.remove(ask)
        tabs = self.registry.tabs(self.user)
        tabs.closed_in_run = True
        if ask.run is not None or ask.thread is not None:
            tabs.unfinished.append(ask)
            del tabs.unfinished[:-_MOST_UNFINISHED]
        # What else its run has sent in the thread, its end for instance, has a number that is missed.
        order = self.order(ask.thread if ask.run is None else ask.run.thread)
        order.due = None
        if order.latest:
            order.latest.clear()
        order.stopped = _stopped_answer(ask.run, n)
        for run in [run for run in self.runs.values() if ask.run is not None and run.root is ask.run]:
            # What comes of it after all comes on another stream.
            del self.runs[run.id]
            run.siblings = {}
            self.registry.abandon(run)

    def finish(self) -> list[Request]:
        """Nothing more will come: all requests are settled. Returns those that are still without an end."""
        for ask in (*self.asks, *self.registry.tabs(self.user).unfinished):
            # What the backend did not cut short was left by the user, or ends with the trace.
            self.conclude(ask, excused=ask.foreign or not ask.lost)
        unfinished = [ask for ask in self.asks if not ask.over]
        self.asks.clear()
        return unfinished

    def waiting(self, event: Event) -> Request | None:
        """The oldest request without a run that the event may belong to; one that is still waited for, if there is."""
        fitting = self.fitting(event)
        return next((ask for ask in fitting if not ask.abandoned), fitting[0] if fitting else None)

    def refusable(self) -> Request | None:
        """The oldest request that may be refused and has no run; one that nothing may have refused, if there is."""
        asks = [ask for ask in self.asks if ask.refusable and ask.run is None]
        return min(asks, key=lambda ask: ask.maybe_refused, default=None)

    def refused(self, ask: Request, at: float, error: Control, *, surely: bool) -> None:
        """A request that may be refused was; unless `surely`, an answer that comes in spite of it is still its own."""
        self.conclude(ask, at, excused=True, error=error)
        if surely:
            self.drop(ask)
        else:
            ask.maybe_refused = ask.abandoned = True

    def fitting(self, event: Event) -> list[Request]:
        """All requests without a run that the event may belong to."""
        threads = (None, event.thread)
        return [a for a in self.asks if a.run is None and (a.thread in threads or event.thread is None)]

    def only_open(self, event: Event) -> RunState | None:
        """The open run that an event of no known run must belong to, if there is only one."""
        runs = [run for run in self.runs.values() if run.parent is None and event.request in (None, "", run.request)]
        return runs[0] if len(runs) == 1 else None

    def begin(self, run_id: str | None, ask: Request, event: Event, at: float) -> RunState:
        """A run of a request begins; it gets an id if the event has none."""
        if not event.request:
            self._mix_up(event)
        expect = None if ask.mixed_up else ask.expect or NOTHING_EXPECTED
        if ask.expect is not self._expect and ask.expect != self._expect:
            # Users send the same prompts again and again.
            self._expect, self._expected = ask.expect, expected_events(ask.expect)
        name = run_id or f"?{self.connection}:{ask.n}"
        run = RunState(
            name, event, ask.n, self.user, self.connection, self.runs, self.order(event.thread),
            at if ask.refusable and not ask.behind else ask.at, at, ask, expect, self._expected,
        )  # fmt: skip
        if ask.stopped or run.id in self._stopped:
            # It may have waited for others until now, and nothing can stop what has not begun.
            self._stopped -= {run.id}
            run.stop_at = at
        if expect is not None and expect.paced:
            run.recent, run.detailed_timing = recent_times(), True
        ask.run = run
        self.runs[run.id] = run
        self.registry.begin(run)
        return run

    def _mix_up(self, event: Event) -> None:
        """Without a request id, several requests without a run cannot be distinguished."""
        rivals = [ask for ask in self.fitting(event) if not ask.abandoned]
        for rival in rivals if len(rivals) > 1 else ():
            rival.mixed_up = True

    def sub_agent(self, parent: RunState, event: Event, n: int, at: float) -> RunState:
        """A sub-agent of a run begins."""
        if parent.stage is Stage.ENDED:
            lifecycle.on_late_sub_agent(parent, event, n, self.report)
        run = RunState(
            event.run or "", event, n, self.user, self.connection, self.runs, self.order(event.thread), at, at,
            parent=parent,
        )  # fmt: skip
        self.runs[run.id] = run
        self.registry.begin(run)
        return run


def _wait_from(ask: Request, at: float) -> None:
    """The wait for the run begins at `at`, and what was missed comes all at once."""
    if ask.run is None:
        ask.at = max(ask.at, at)
    else:
        ask.run.last_at = max(ask.run.last_at, at)
        ask.run.recent = None
        if ask.run.stop_at is not None:
            ask.run.stop_at = max(ask.run.stop_at, at)


def _stopped_answer(run: RunState | None, n: int) -> StoppedAnswer | None:
    """What the next answer in the thread of a stopped run must hold nothing of; None where nothing is known of it."""
    if run is None or run.thread is None or run.expect is None:
        return None
    return StoppedAnswer(run.expect.prompt, run.expect.contains, n)


def _stop(run: RunState, at: float) -> None:
    """The first of several stops is the one that counts."""
    if run.stop_at is None:
        run.stop_at = at


def _is_meant(ask: Request, run: RunState | None, request: str | None, thread: str | None) -> bool:
    """Whether a stop by the id of a request or of a thread is for this request; one without ids is for any."""
    if request is not None:
        return ask.request == request
    return thread is None or thread in (ask.thread, run.thread if run is not None else None)
