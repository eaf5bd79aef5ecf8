"""The checker of one connection: readings in, findings out, as they come.

Scenarios, loads and replays use the same one. All state is bounded for each open run. It reads, correlates and calls
the rule families, which report.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from greenlight_gate.events import (
    Control,
    Event,
    EventKind,
    Foreign,
    Ignored,
    Mistake,
    More,
    Part,
    Problem,
    Reading,
    Unmapped,
    each,
)
from greenlight_gate.findings import Finding
from greenlight_gate.rules import content, continuity, isolation, lifecycle, refusal, timeliness
from greenlight_gate.rules import input as inputs
from greenlight_gate.rules.connection import ConnectionRules
from greenlight_gate.rules.continuity import MOST_KEYS
from greenlight_gate.rules.engine import canary_search, forbidden_text
from greenlight_gate.rules.engine.asked_input import Intruder
from greenlight_gate.rules.engine.canary_scan import CanaryScan
from greenlight_gate.rules.engine.correlation import Correlation
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.expected import observable
from greenlight_gate.rules.engine.finding_sink import FindingSink, Report
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.rules.engine.open_requests import OpenRequests
from greenlight_gate.rules.engine.outcome import INFERRED, EventObserver, Observer
from greenlight_gate.rules.engine.run_checker import RunChecker
from greenlight_gate.rules.engine.run_state import Request, RunState, Stage
from greenlight_gate.rules.engine.suite_stalls import skip_in_request
from greenlight_gate.rules.refusal import ForeignAttempt, ForeignAttempts, InvalidInputs, SignInAttempt, TokenExpiry
from greenlight_gate.rules.registry import RULES, Rule
from greenlight_gate.trace import ASKS, LEAST_ERROR, Cut, Responded, Sent
from greenlight_gate.wire.profile import UNREADABLE, Profile

_TOO_LARGE = 1009
_SHOWN = 200


class ConnectionChecker:
    """Judges one connection of one user.

    `epoch_s` is the wall time of the monotonic clock's zero. `found` is called with each finding: the first of each
    rule and run, 10,000 at most; `counts` says how often each rule was broken.
    """

    def __init__(
        self, profile: Profile, budgets: TimeBudgets, registry: IdRegistry, user: str, connection: str, *,
        epoch_s: float, found: Callable[[Finding], None], rules: Mapping[str, Rule] = RULES,
    ) -> None:  # fmt: skip
        self.profile = profile
        self.reader = profile.reader()
        self.budgets = self._promised = budgets
        self.registry = registry
        self.user = user
        self.connection = connection
        self.epoch_s = epoch_s
        self.tabs = registry.tabs(user)
        sink = FindingSink(user, connection, found, self.tabs, rules, stalls=registry.stalls)
        self.report: Report = sink.report
        self.counts = sink.counts
        by_http, promises = profile.spec.connection.by_http, profile.promises
        self.requests = OpenRequests(
            registry, user, connection, self.report,
            by_http=profile.spec.connection.has_stream_for_each,
            runs_end_with_connection=promises.runs_end_with_connection,
        )  # fmt: skip
        self.correlation = Correlation(
            self.requests, foreign_leaks=promises.foreign == "leak", tabs_share=promises.tabs_share_events
        )  # fmt: skip
        self.connection_rules = ConnectionRules(self.report, promised=profile.promises.ready, by_http=by_http)
        refusals = profile.spec.refusals
        self.sign_in: SignInAttempt | None = None
        self.expiry: TokenExpiry | None = None
        self.foreign_attempts = ForeignAttempts(user, refusals.foreign, self.report)
        self.invalid = InvalidInputs(self.report)
        self.cut_by_us = False
        self.event_seen = False
        # A plain profile infers nothing, so that most loads have no observer of single events. Python keeps instances
        # of up to 30 attributes in a form that is read faster; a load's checker has 28.
        self.observers: tuple[EventObserver, ...] = () if profile.plain else (INFERRED,)
        self._gap_free = profile.promises.gap_free_seq
        self._runs = self.requests.runs
        self.search = CanaryScan(user, self.tabs, self._what, registry.users.__contains__)
        choices = profile.spec.choices
        self.run_judge = RunChecker(
            self.requests,
            budgets,
            epoch_s,
            self.report,
            self.search,
            arguments_in=self.reader.arguments_in,
            approving=choices.approve if choices is not None else None,
        )

    @property
    def ready(self) -> bool:
        """Whether the backend has reported that it is ready."""
        return self.connection_rules.ready

    def observe(self, observer: Observer) -> None:
        """From now on it gets the outcome of each request."""
        self.requests.observers = (*self.requests.observers, observer)

    def observe_events(self, observer: EventObserver) -> None:
        """From now on it gets the outcome of each request, and each event with its run."""
        self.observe(observer)
        self.observers = (*self.observers, observer)

    # What the user and the suite did ------------------------------------------------------------------------------

    def opened(self, user_id: str | None, handshake_ms: float, n: int, *, unchosen: int = 0) -> None:
        """The upgrade succeeded, with this user id (None: not known yet). `unchosen`: subprotocols offered in vain."""
        self.correlation.is_connected_as(user_id)
        self.tabs.ever += 1
        self.tabs.open.add(self.connection)
        self.tabs.several_or_restored = self.tabs.several_or_restored or self.tabs.ever > 1
        self.connection_rules.opened(handshake_ms, n, self.budgets.handshake_s, unchosen=unchosen)

    def unwelcome(self, unwelcome: str, n: int) -> None:
        """The connection has to be refused: nothing else is judged on it. `unwelcome`: what is wrong with its token."""
        self.sign_in = SignInAttempt(unwelcome, n, self.profile.spec.refusals.entry, self.report)

    def token_expires(self, expires_at: float, n: int) -> None:
        """The token of the connection expires at this time on the trace's clock."""
        ways = self.profile.spec.refusals.expiry
        self.expiry = TokenExpiry(
            self.user, expires_at, n, leeway_s=self._promised.leeway_s, epoch_s=self.epoch_s, ways=ways,
            report=self.report, may_finish=self._may_finish,
        )  # fmt: skip

    def _may_finish(self, event: Event) -> bool:
        """Whether an event is of a run that was asked for before the token expired, and is promised to finish."""
        run, by_request = self.registry.find(event.run or ""), self.requests.by_request
        ask = run.root.ask if run is not None else by_request.get(event.request or "")
        return self._outlives_token(ask)

    def _outlives_token(self, ask: Request | None) -> bool:
        promised, expiry = self.profile.promises.runs_outlive_tokens, self.expiry
        return promised and ask is not None and expiry is not None and ask.at < expiry.expires_at

    def attempted(self, attempt: ForeignAttempt) -> None:
        """A request was sent that has to be refused, since it names what belongs to another user."""
        self.connection_rules.spoken = True
        self.correlation.last_foreign = ""
        self.foreign_attempts.tried(attempt)
        if attempt.behind:
            self.registry.disturbed.reached(attempt.behind, Intruder(self.user, attempt.n))

    def opened_for(self, attempt: ForeignAttempt) -> None:
        """The connection itself names what belongs to another user: it may be refused in its handshake, or later."""
        self.attempted(attempt)
        self.connection_rules.promised = False
        # Behind an id that means another place for this user, their own events may come again.
        self.correlation.tabs_share = True

    def asked(self, ask: Request) -> None:
        """A request was sent."""
        self.connection_rules.spoken = True
        absent = self.profile.spec.absent
        if absent and ask.expect is not None:
            ask.expect = observable(ask.expect, absent)
        if ask.request and self.requests.streams:
            self.requests.unanswered = {**self.requests.unanswered, ask.request: ask.thread}
        else:
            self.reader.asked(ask.request, ask.thread)
        self.requests.asked(ask)

    def stop_sent(self, sent: Sent) -> None:
        """The user asked for a run to be stopped."""
        self.connection_rules.spoken = True
        if sent.run is not None:
            self.requests.stopping(sent.run, sent.at, sent.n, sent.unwelcome)
        else:
            self.requests.stopping_unnamed(sent.request, sent.thread, sent.at, sent.n, sent.unwelcome)

    def pinged(self, nonce: str | None, n: int) -> None:
        """An application ping was sent."""
        self.connection_rules.spoken = True
        self.connection_rules.pinged(nonce, n)

    def sent_invalid(self, ask: Request) -> None:
        """Something was sent that must be refused. Whatever is answered instead belongs to it, and nothing is owed."""
        self.connection_rules.spoken = True
        self.invalid.sent(ask.n)
        if self.invalid not in self.observers:
            self.observers = (*self.observers, self.invalid)
        if ask.request is not None:
            ask.invalid = ask.excused = ask.abandoned = ask.mixed_up = True
            self.reader.asked(ask.request, None)
            self.requests.asked(ask)

    def restoring(self, thread: str, last_seq: int | None, at: float) -> None:
        """The user asked to restore a thread on this connection, from the number after `last_seq`."""
        self.connection_rules.spoken = True
        self.requests.restoring(thread, last_seq, at)

    def cut(self, cut: Cut) -> None:
        """The suite is about to cut this connection, or to stop the backend."""
        self.cut_by_us = True
        self.tabs.cut = str(cut)
        if cut.ends_backend:
            for ask in self.requests.asks:
                ask.excused = True

    def throttled(self, at: float, *, over: bool) -> None:
        """The suite reads this connection slowly, or no longer so (`over`): meanwhile no time is judged."""
        self.budgets = self._promised if over else self._promised.unhurried()
        self.run_judge.keep_to(self.budgets)
        self.requests.held_back(at)

    def stalled(self, at: float, for_s: float) -> None:
        """The suite stood still for so long until `at`: that time counts for no request and no token of this user."""
        for ask in self.requests.asks:
            skip_in_request(ask, at, for_s, long=self.registry.stalls.is_long)
        if self.expiry is not None:
            self.expiry.stalled(at, for_s)

    def clock_moved(self, by_s: float) -> None:
        """The wall clock of the suite's machine was moved: stamps of both sides may differ by as much more."""
        self.run_judge.clock_moved(by_s)

    # What came ----------------------------------------------------------------------------------------------------

    def responded(self, response: Responded) -> Control | None:
        """An HTTP request of the user was responded to. Returns the error that the response is, if it is one.

        It ends what was asked for, as an error frame does.
        """
        n, body = response.n, response.body.encode(errors="surrogatepass")
        for text in response.headers:
            self.searched(text.encode(errors="surrogatepass"), "the head of a response", n)
        if body:
            self.searched(body, "the body of a response", n)
        error = self._error_of(response, body)
        if response.request and response.to is None and error is None:
            self._streams(response.request)
        if response.to is not None:
            self._responded_beside(response, response.to, error)
            return error
        if response.problem and not (self.cut_by_us and not response.status):
            self.connection_rules.no_stream(response.problem, n)
        elif self.sign_in is None:
            self.connection_rules.headed(response.after_ms, n, self.budgets.handshake_s)
        if error is not None:
            self.take(error, response.at, n)
        return error

    def _streams(self, request: str) -> None:
        """The answer to a request streams: until now, what came was of the stream before it."""
        requests = self.requests
        if request in requests.unanswered:
            self.reader.asked(request, requests.unanswered[request])
            requests.unanswered = {name: thread for name, thread in requests.unanswered.items() if name != request}
        if request in requests.by_request:
            requests.streams |= {request}

    def _responded_beside(self, response: Responded, to: int, error: Control | None) -> None:
        """Of requests beside the connection, those that begin or restore a run are owed one."""
        if self.sign_in is not None:
            return
        asks = response.what in ASKS
        if self.foreign_attempts.responded(to, response.status, response.n, decides=not asks):
            return
        if error is not None and (asks or response.what == "restore"):
            self._take(error, response.at, response.n)

    def _error_of(self, response: Responded, body: bytes) -> Control | None:
        """The error that a response is, with its code and text as the profile reads them."""
        if response.status < LEAST_ERROR and not response.problem:
            return None
        text = response.problem or body.decode(errors="replace")[:_SHOWN]
        values: dict[str, Any] = {"code": str(response.status), "text": text}
        reading = self.profile.read(body) if body.strip() else None
        if isinstance(reading, Control) and reading.name == "error":
            # A body of other members than the profile knows says something as well.
            said = {name: value for name, value in reading.values.items() if value is not None}
            values = said if "code" in said or "text" in said else values | said
        # Which request a response belongs to is known, whatever is in it.
        request = response.request or values.get("request")
        return Control("error", {**values, "status": response.status, "request": request})

    def received(
        self,
        data: bytes,
        at: float,
        n: int,
        *,
        binary: bool = False,
        clean: bool = False,
        reading: Reading | None = None,
        has_foreign: bool | None = None,
    ) -> Reading:
        """Reads and judges one message; returns how it was read. `clean`: no filter found anything in it.

        `has_foreign`: whether it may hold ids of other users; None: that was not looked at.
        """
        search = self.search
        if not clean and forbidden_text.suspicious(data):
            content.on_forbidden(forbidden_text.search(data), n, self.report)
        if clean and not search.expecting:
            search.keep((data,), n, len(data))
        elif seen := search.frame(data, n):
            isolation.on_canaries(seen, self.report)
        if reading is None:
            reading = self.reader.read(data, binary=binary)
        sign_in = self.sign_in
        if type(reading) is Event and sign_in is None and self.expiry is None:
            self.event(reading, at, n)
        else:
            if type(reading) is Ignored and sign_in is None and len(self.registry.users) > 1:
                self.correlation.ignored(self.reader.ids_in(data), n)
            self.take(reading, at, n)
        if has_foreign is None:
            has_foreign = self.correlation.may_hold_foreign((data,))
        if has_foreign and sign_in is None:
            self.correlation.text(data, reading, n)
        return reading

    def received_together(self, read: bytes, frames: Sequence[bytes], at: float, n: int) -> None:
        """Judges the text frames of one socket read, numbered from `n`, with one search for all of them.

        `read` is whatever holds them all: what was read from the socket, with the kept remainder, once inflated.
        """
        if forbidden_text.suspicious(read):
            for number, data in enumerate(frames, n):
                content.on_forbidden(forbidden_text.search(data), number, self.report)
        search = self.search
        if search.expecting or canary_search.suspicious(read):
            for number, data in enumerate(frames, n):
                isolation.on_canaries(search.frame(data, number), self.report)
        else:
            search.keep(frames, n, len(read))
        is_ascii = read.isascii()
        events = self.profile.events(frames) if is_ascii else None
        if events is None:
            self._read_each(frames, at, n, is_ascii=is_ascii)
            return
        judge = self.event
        for number, event in enumerate(events, n):
            if event is not None:
                judge(event, at, number)
            else:
                self.take(self.profile.explain(frames[number - n]), at, number)

    def _read_each(self, frames: Sequence[bytes], at: float, n: int, *, is_ascii: bool) -> None:
        """Reads and judges frames one by one: not all of them are plainly events."""
        fast, plain = self.profile.fast, self.profile.plain
        for number, data in enumerate(frames, n):
            try:
                reading = fast(data, is_ascii)
            except UNREADABLE:
                reading = None
            if type(reading) is Event:
                self.event(reading, at, number)
            elif reading is None and plain:
                self.take(self.profile.explain(data), at, number)
            else:
                self.take(reading if reading is not None else self.reader.read(data), at, number)

    def searched(self, data: bytes, where: str, n: int) -> None:
        """Searches what is no message: control frames, headers of the handshake, the reason of a close."""
        isolation.on_canaries(self.search.other(data, where, n), self.report)
        # A cookie may hold a token: it is for the user's own browser, and is not displayed.
        if forbidden_text.suspicious(data) and not data.lower().startswith(b"set-cookie:"):
            content.on_forbidden(forbidden_text.search(data), n, self.report)

    def take(self, reading: Reading, at: float, n: int) -> None:
        """Judges one message, as it was read."""
        for part in each(reading):
            if isinstance(part, Foreign) and self.correlation.repeats(part):
                self.take(part.reading, at, n)
            else:
                self._take(part, at, n)

    def _take(self, reading: Part, at: float, n: int) -> None:
        if self.sign_in is not None:
            self.sign_in.received(reading, n)
            return
        if self.expiry is not None:
            self.expiry.received(reading, at, n)
        if type(reading) is Event:
            self.event(reading, at, n)
            return
        if type(reading) is More:
            self._more(reading.event, at, n)
            return
        if type(reading) is Foreign:
            self.correlation.foreign(reading, n)
            return
        assert isinstance(reading, Control | Unmapped | Ignored)
        content.on_problems(reading.problems, n, None, self.report)
        if type(reading) is Control:
            self._control(reading, at, n)
        elif type(reading) is Unmapped:
            self.invalid.unreadable(reading.reason)
            continuity.on_unread(self.requests.orders.values())
            if (ask := self.requests.refusable()) is not None:
                ask.maybe_refused = True  # a frame that cannot be read may say so

    def event(self, event: Event, at: float, n: int) -> None:
        """Judges one event of a run. `at`: seconds on the monotonic clock."""
        run = self._runs.get(event.run)
        if run is None or event.request != run.request or event.thread != run.thread or event.user != run.user_id:
            self.event_seen = True
            run = self._attribute(event, at, n)
        if event.problems:
            # What a profile stores of a run is dropped at its end: a late event may lack it, and is a finding itself.
            late = run is not None and run.stage is Stage.ENDED
            content.on_problems(_of_form(event) if late else event.problems, n, run, self.report)
        if run is None:
            self._number(event, n, None)
            return
        seq = event.seq
        order = run.order
        if order.due != seq or self.tabs.several_or_restored:
            self._number(event, n, run)
        elif seq is not None:
            order.due = seq + 1
        key: str | int | None = event.event_id
        if key is None and self._gap_free:
            key = seq
        if key in run.event_ids:
            continuity.on_repeat(event, n, self.report, run)
            return
        if key is not None and run.events < MOST_KEYS:
            run.event_ids.add(key)
        for observer in self.observers:
            observer.on_event(run, event, at)
        self.run_judge.event(run, event, at, n)

    def _attribute(self, event: Event, at: float, n: int) -> RunState | None:
        if event.kind is EventKind.INPUT_REQUESTED:
            self.requests.shown_again(event)
        run = self.correlation.attribute(event, at, n)
        if run is None:
            self.foreign_attempts.shown(event, n)
        elif run.ask is not None and run.ask.invalid:
            self.invalid.ran(event)
        elif run.ask is not None and run.ask.unwelcome:
            refusal.on_unwelcome_request(run, run.ask, event, n, self.report)
        elif run.ask is not None and run.ask.foreign:
            self.foreign_attempts.served(run.ask, event, n)
        return run

    def _number(self, event: Event, n: int, run: RunState | None) -> None:
        if not self._gap_free or event.seq is None or (run is None and not self.correlation.counts(event)):
            return
        # An event of a run counts in the thread of that run, whatever thread it names.
        thread = event.thread if run is None or run.thread is None else run.thread
        order = self.requests.order(thread)
        tabs = self.tabs
        only = (tabs.ever <= 1 and not tabs.closed_in_run) or (
            thread in self.requests.replays and tabs.open == {self.connection}
        )
        only = only and not self.requests.has_several_streams(thread)
        continuity.on_seq(order, event, n, self.report, run, only=only)

    def _more(self, event: Event, at: float, n: int) -> None:
        run = self._runs.get(event.run)
        if run is None and event.kind is EventKind.ANSWER_PART:
            run = self._attribute(event, at, n)
        if event.problems:
            # A piece need not have all fields of the whole, but its frame is to be well-formed as well.
            content.on_problems(_of_form(event), n, run, self.report)
        # After a restore, pieces may come before the first event of their run.
        self._number(event, n, run)
        if run is not None:
            self.run_judge.more(run, event, at, n)
            for observer in self.observers:
                observer.on_more(run, at)

    def _control(self, control: Control, at: float, n: int) -> None:
        values = control.values
        self.correlation.control(control, n)
        if control.name == "ready":
            self.connection_rules.ready = True
            self.correlation.greeted(values.get("user"), n)
        elif control.name == "pong":
            self.connection_rules.ponged(values.get("nonce"))
        elif control.name == "restored":
            self.foreign_attempts.restored(control, n)
            self.requests.restored(values.get("thread"), n)
        elif control.name == "error":
            self._error(control, at, n)

    def _error(self, error: Control, at: float, n: int) -> None:
        """An error is the answer to what had to be refused, to a request to restore, or in place of a run.

        An error during a run is not its end; that is still owed.
        """
        requests, request = self.requests, error.values.get("request")
        ask = requests.by_request.get(str(request)) if request is not None else None
        if ask is not None and ask.invalid:
            requests.drop(ask)
            ask = None
        if ask is not None and ask.run is None and ask.repeats:
            ask.repeats -= 1  # the copy is refused, and the request itself is still owed its run
            return
        if ask is not None and ask.run is not None:
            ask = None
        expired = self.expiry is not None and self.expiry.over
        if expired or self.foreign_attempts.took(error, n):
            if ask is not None:
                requests.conclude(ask, at, excused=True, error=error)
                requests.drop(ask)
            return
        if ask is None and self.invalid.took(error, n):
            return
        if request is None:
            continuity.on_refused_restore(requests.orders, error, n, self.report)
            ask = requests.refusable()
        if ask is not None and ask.refusable:
            requests.refused(ask, at, error, surely=request is not None)
        elif ask is not None:
            lifecycle.on_error(ask, error, n, self.report)
            requests.conclude(ask, at, error=error)
            requests.drop(ask)

    def stream_ended(self, request: str | None, at: float, n: int, reset: str = "") -> None:
        """The stream of a request has ended: its run has ended before, or never will. `reset`: the error of its end."""
        self.requests.streams -= {request}
        if reset and not self.cut_by_us and not (self.expiry is not None and self.expiry.over):
            self.connection_rules.reset(reset, n)
        ask = self.requests.by_request.get(request) if request is not None else None
        if ask is None or ask.over or ask.abandoned or self.cut_by_us:
            return
        if ask.run is not None and ask.run.inputs:
            return  # what the user answers may continue the run in another stream
        if self.expiry is not None and self.expiry.over:
            self.requests.conclude(ask, at, excused=True)
            self.requests.drop(ask)
            return
        self.requests.conclude(ask, at)
        if ask.run is not None:
            self.run_judge.unfinished(ask, ask.run, n)
        elif not ask.maybe_refused and not ask.foreign:
            self._nothing_came(ask, n)
        ask.abandoned = True

    def _what(self, data: bytes) -> str:
        reading = next(each(self.profile.read(data)), None)
        if isinstance(reading, Event | More):
            return (reading.event if isinstance(reading, More) else reading).kind
        if isinstance(reading, Ignored | Foreign):
            return "a frame that the profile ignores" if isinstance(reading, Ignored) else "a frame of another user"
        return f"a frame of {reading.name}" if type(reading) is Control else "a frame that cannot be read"

    def lost(self) -> None:
        """The backend has ended the connection, and what was in progress on it will not be resumed."""
        for ask in self.requests.asks:
            self.requests.conclude(ask)

    # How it ended -------------------------------------------------------------------------------------------------

    def timed_out(
        self, waiting_for: str, after_s: float, request: str | None, at: float, n: int, *, run: str | None = None
    ) -> None:
        """The user waited in vain: for ready, start, end, pong, restored, refusal, expiry or close."""
        if self.sign_in is not None:
            self.sign_in.waited(after_s, n)
        elif waiting_for == "expiry" and self.expiry is not None:
            self.expiry.waited(after_s, n)
        elif waiting_for == "restored":
            continuity.on_no_restore(n, after_s, self.report)
        elif waiting_for == "input":
            self._no_input(self.requests.waited_for(request, run), after_s, at, n)
        elif waiting_for in ("start", "end"):
            self._no_answer(self.requests.waited_for(request, run), at, n)
        elif waiting_for != "refusal":
            self.connection_rules.timed_out(waiting_for, after_s, n)
        elif not self.foreign_attempts.waited(after_s, self.correlation.last_foreign, n):
            self.invalid.waited(after_s, n)

    def _no_input(self, ask: Request | None, after_s: float, at: float, n: int) -> None:
        """The user has not answered, for longer than the backend says that it waits, and nothing has come of it."""
        asked = next((each for each in (ask.run.inputs or ()) if each.is_open), None) if ask and ask.run else None
        if ask is not None and ask.run is not None and asked is not None:
            ask.abandoned = True
            self.requests.conclude(ask, at)
            inputs.on_unanswered(ask.run, asked, after_s, n, self.report)

    def _no_answer(self, ask: Request | None, at: float, n: int) -> None:
        """The user gave up. What comes later still belongs to the request, but is no longer owed."""
        if ask is None or ask.over or ask.abandoned:
            return
        ask.abandoned = True
        self.requests.conclude(ask, at, excused=bool(self.registry.stalls.crowded))
        if ask.run is not None:
            self.run_judge.gave_up(ask, ask.run, at, n)
        elif not ask.maybe_refused:
            timeliness.on_no_start(ask, at, n, self.budgets.start_s, self.report)
            self._nothing_came(ask, n, late=True)

    def _nothing_came(self, ask: Request, n: int, *, late: bool = False) -> None:
        lifecycle.on_nothing(ask, n, self.report, late=late)
        if ask.resumed:
            continuity.on_nothing(ask, n, self.report, late=late)
        elif not self.event_seen and self.tabs.open <= {self.connection}:
            self.connection_rules.no_event_came(ask.n, n, late=late)

    def refused(self, status: int | None, reason: str, n: int, *, unanswered: bool = False) -> None:
        """The connection was refused or failed. `unanswered`: it was waited for in vain."""
        if self.sign_in is not None:
            self.sign_in.answered(status, reason, n, unanswered=unanswered)
        elif status is not None and self.foreign_attempts.refused(status, reason, n):
            pass
        elif not self.cut_by_us:
            self.connection_rules.not_opened(status, reason, n, unanswered=unanswered)

    def closed(self, by: str, code: int | None, at: float, n: int, reason: str = "") -> None:
        """The connection ended. `by`: client, server (with a close frame, and a reason) or nobody (without one)."""
        self._search_open()
        if self.sign_in is not None:
            if by != "client":
                self.sign_in.closed(code, _end(by, code), n)
            return
        if self.cut_by_us:
            self.requests.closed("client")
            if by == "server":
                self.connection_rules.judge_code(code, n)
            return
        if by == "client":
            self.requests.closed(by)
        else:
            self._closed_by_backend(by, code, at, n, reason=reason)

    def _closed_by_backend(self, by: str, code: int | None, at: float, n: int, *, reason: str) -> None:
        came = _end(by, code)
        given_up = self.connection_rules.given_up(by, reason, self.registry.stalls)
        ended = by == "server" and code is None
        expired = self.expiry is not None and self.expiry.closed(code, came, at, n, in_order=ended)
        if given_up or self.connection_rules.flooded:
            self.requests.owe_nothing()
        elif expired:
            self.requests.owe_nothing(but=self._outlives_token)
        if self.registry.stalls.is_long:
            for ask in self.requests.asks:
                ask.excused = True
        self.requests.closed(by)
        self.foreign_attempts.closed(code, came, n, by=by)
        self.connection_rules.closed(by, code, n, reason)
        self.invalid.closed(code, came, n)
        if not given_up:
            self.connection_rules.unusable(code, came, n)

    def gave_up(self, code: int | None, reason: str, n: int) -> None:
        """What came was no message that a client can read, which had to end the connection."""
        self.requests.closed("nobody")
        if code == _TOO_LARGE and self.invalid.any_sent:
            return  # an echo of what the suite itself has sent is longer than the suite receives
        content.on_bad_message(reason, code, n, self.report)

    def finish(self, n: int) -> None:
        """Nothing more will come: what is still open has no end."""
        self._search_open()
        for ask in self.requests.finish():
            run = ask.run
            if ask.abandoned or (run is None and (ask.foreign or ask.maybe_refused)):
                continue
            if run is None:
                self._nothing_came(ask, n)
            elif run.stage is not Stage.ENDED and (ask.lost or not run.waits):
                self.run_judge.unfinished(ask, run, n)

    def _search_open(self) -> None:
        for run in self._runs.values():
            isolation.on_canaries(self.search.said_all(run), self.report)
        isolation.on_canaries(self.search.finish(), self.report)


def _end(by: str, code: int | None) -> str:
    if by == "server":
        return f"a close with {code}" if code is not None else "the end of the event stream"
    return "an end without a close frame"


def _of_form(event: Event) -> tuple[Problem, ...]:
    """What is wrong with the event besides fields that are missing."""
    return tuple(problem for problem in event.problems if problem.mistake is Mistake.FORM)
