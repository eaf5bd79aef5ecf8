"""The streaming checker of one connection: readings in, findings out, as they come.

Scenarios and the load engine use the same one. All state is bounded for each open run.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from greenlight_gate.events import Control, Event, Foreign, Ignored, More, Part, Problem, Reading, Unmapped, each
from greenlight_gate.findings import Finding
from greenlight_gate.rules import continuity
from greenlight_gate.rules.connection import ConnectionRules
from greenlight_gate.rules.engine import canary_search, forbidden_text, other_messages, timeouts
from greenlight_gate.rules.engine.canary_scan import LONGEST_KEPT, CanaryScan
from greenlight_gate.rules.engine.expected import observable
from greenlight_gate.rules.engine.finding_sink import FindingSink
from greenlight_gate.rules.engine.id_registry import SHORTEST_ID, IdRegistry
from greenlight_gate.rules.engine.outcome import INFERRED, EventObserver, Observer
from greenlight_gate.rules.engine.run_checker import RunChecker
from greenlight_gate.rules.engine.run_state import Request, RunState, TimeBudgets
from greenlight_gate.rules.identity import Correlation
from greenlight_gate.rules.isolation import named_in
from greenlight_gate.rules.refusal import ForeignAttempt, ForeignAttempts, SignInAttempt, TokenExpiry
from greenlight_gate.rules.registry import RULES, Rule
from greenlight_gate.trace import Cut
from greenlight_gate.wire.profile import UNREADABLE, Profile

# All that no id is made of becomes a space, so that what is left are words.
_WORDS: Final = re.sub(rb"[^A-Za-z0-9_.:-]", b" ", bytes(range(256)))


class ConnectionChecker:
    """Judges one connection of one person.

    `epoch_s` is the wall time of the monotonic clock's zero. `found` is called with each finding: the first of each
    rule and run, 10,000 at most; `counts` says how often each rule was broken.
    """

    def __init__(
        self, profile: Profile, budgets: TimeBudgets, book: IdRegistry, person: str, connection: str, *, epoch_s: float,
        found: Callable[[Finding], None], rules: Mapping[str, Rule] = RULES,
    ) -> None:  # fmt: skip
        self.profile = profile
        self.reader = profile.reader()
        self.budgets = self._promised = budgets
        self.book = book
        self.person = person
        self.connection = connection
        self.epoch_s = epoch_s
        self.windows = book.windows(person)
        ledger = FindingSink(person, connection, found, self.windows, rules)
        self.report = ledger.report
        self.counts = ledger.counts
        self.desk = Correlation(book, person, connection, self.report)
        self.desk.foreign_leaks = profile.promises.foreign == "leak"
        self.door = ConnectionRules(self.report, promised=profile.promises.ready)
        refusals = profile.spec.refusals
        self.entry: SignInAttempt | None = None
        self.expiry: TokenExpiry | None = None
        self.reaching = ForeignAttempts(person, refusals.foreign, self.report)
        self.cut_by_us = False
        self.named: set[str] = set()
        self.last_error: Control | None = None
        self.heard = False
        # A plain profile infers nothing, so that most loads have nobody to tell of single events. Python keeps
        # instances of up to 30 attributes in a form that is read faster; a load's checker has 29.
        self.observers: tuple[EventObserver, ...] = () if profile.plain else (INFERRED,)
        self._gap_free = profile.promises.gap_free_seq
        self._runs = self.desk.runs
        self.search = CanaryScan(person, self.windows.canaries, self.report, self._what)
        self.run_judge = RunChecker(self.desk, budgets, epoch_s, self.report, self.search)

    @property
    def ready(self) -> bool:
        """Whether the backend has said that it is ready."""
        return self.door.ready

    def observe(self, observer: Observer) -> None:
        """From now on it is told how each request is settled."""
        self.desk.observers = (*self.desk.observers, observer)

    def observe_events(self, observer: EventObserver) -> None:
        """From now on it is told that, and which run each event belongs to."""
        self.observe(observer)
        self.observers = (*self.observers, observer)

    # What the person's side did -----------------------------------------------------------------------------------

    def opened(self, user: str | None, handshake_ms: float, n: int) -> None:
        """The upgrade succeeded, as the person with this user id (None: not known yet)."""
        self.desk.is_user(user)
        self.windows.ever += 1
        self.windows.open.add(self.connection)
        self.windows.careful = self.windows.careful or self.windows.ever > 1
        self.door.opened(handshake_ms, n, self.budgets.handshake_s)

    def unwelcome(self, unwelcome: str, n: int) -> None:
        """Somebody came who has to be turned away: that is all that is judged on this connection."""
        self.entry = SignInAttempt(unwelcome, n, self.profile.spec.refusals.entry, self.report)

    def pass_ends(self, expires_at: float, n: int) -> None:
        """The pass that was shown ends at a time on the trace's clock."""
        ways = self.profile.spec.refusals.expiry
        self.expiry = TokenExpiry(self.person, expires_at, n, epoch_s=self.epoch_s, ways=ways, report=self.report)

    def reached(self, reach: ForeignAttempt) -> None:
        """A frame was sent that has to be refused, since it is about what belongs to somebody else."""
        self.door.spoken = True
        self.reaching.tried(reach)

    def asked(self, ask: Request) -> None:
        """A question was sent."""
        self.door.spoken = True
        absent = self.profile.spec.absent
        if absent and ask.expect is not None:
            ask.expect = observable(ask.expect, absent)
        self.reader.asked(ask.request, ask.thread)
        self.desk.asked(ask)

    def stop_sent(self, run_id: str | None, at: float, n: int) -> None:
        """The person asked for a run to be stopped."""
        self.door.spoken = True
        if run_id is not None:
            self.desk.stopping(run_id, at, n)

    def pinged(self, nonce: str | None, n: int) -> None:
        """An application ping was sent."""
        self.door.spoken = True
        self.door.pinged(nonce, n)

    def sent_invalid(self, n: int) -> None:
        """Something was sent that must be refused."""
        self.door.spoken = True
        self.door.sent_invalid(n)

    def restoring(self, thread: str, last_seq: int | None, at: float) -> None:
        """A thread was asked to be restored on this connection, from the number after `last_seq`."""
        self.door.spoken = True
        self.desk.restoring(thread, last_seq, at)

    def cut(self, cut: Cut) -> None:
        """The suite is about to cut this line, or to take the backend away."""
        self.cut_by_us = True
        self.windows.cut = str(cut)
        if cut.ends_backend:
            for ask in self.desk.asks:
                ask.excused = True

    def throttled(self, at: float, *, over: bool) -> None:
        """The suite takes hardly anything off this line, or no longer so: meanwhile the pace is its own."""
        self.budgets = self._promised if over else self._promised.unhurried()
        self.run_judge.keep_to(self.budgets)
        self.desk.held_back(at)

    # What came ----------------------------------------------------------------------------------------------------

    def received(
        self,
        data: bytes,
        at: float,
        n: int,
        *,
        binary: bool = False,
        clean: bool = False,
        reading: Reading | None = None,
    ) -> Reading:
        """Reads and judges one message; returns how it was read. `clean`: no filter found anything in it."""
        search = self.search
        if not clean and forbidden_text.suspicious(data):
            self._wrong(forbidden_text.search(data), n, None)
        if clean and not search.expecting:
            search.keep((data,), n, len(data))
        else:
            search.frame(data, n)
        if reading is None:
            reading = self.reader.read(data, binary=binary)
        entry, sole = self.entry, self.book.sole
        if sole is not None and sole != self.person and entry is None and self.desk.foreign_leaks:
            self._name_others(data, reading, n)
        if type(reading) is Event and entry is None and self.expiry is None:
            self.event(reading, at, n)
        else:
            self.take(reading, at, n)
        return reading

    def _name_others(self, data: bytes, reading: Reading, n: int) -> None:
        """ISOLATION-2 for the ids of other people's conversations and runs anywhere in a frame, whatever it is.

        Only long ids: short ones occur by chance. What the person named themselves may be repeated to them.
        """
        if type(reading) is Foreign or type(reading) is Ignored:
            return
        owners, person, least = self.book.owners, self.person, SHORTEST_ID
        words = data.translate(_WORDS).split()
        others = [word for word in words if len(word) >= least and owners.get(word, person) != person]
        # In an order that is the same wherever it is judged again; of several, only the first is told.
        for word in sorted(set(others)):
            other = named_in(self.book, person, word.decode())
            if other is not None and other[1] not in self.named:
                self.desk.is_strangers("a frame", (other[0], f"{other[2]} {other[1]}"), n)

    def received_together(self, read: bytes, frames: Sequence[bytes], at: float, n: int) -> None:
        """Judges the text frames of one socket read, numbered from `n`, at the price of one search.

        `read` is whatever holds them all: what was read from the socket, with the kept remainder, once inflated.
        """
        if forbidden_text.suspicious(read):
            for number, data in enumerate(frames, n):
                self._wrong(forbidden_text.search(data), number, None)
        search = self.search
        if search.expecting or canary_search.suspicious(read):
            for number, data in enumerate(frames, n):
                search.frame(data, number)
        elif len(read) > LONGEST_KEPT:
            search.keep(frames, n, len(read))
        else:
            search.last.append((n, frames))
        fast = self.profile.fast
        for number, data in enumerate(frames, n):
            try:
                reading = fast(data)
            except UNREADABLE:
                reading = None
            if type(reading) is Event:
                self.event(reading, at, number)
            elif reading is None and self.profile.plain:
                self.take(self.profile.explain(data), at, number)
            else:
                self.take(reading if reading is not None else self.reader.read(data), at, number)

    def searched(self, data: bytes, where: str, n: int) -> None:
        """ISOLATION-1 for what is no message: control frames, headers of the handshake, the reason of a close."""
        self.search.other(data, where, n)
        # A cookie is for the browser of its person, and nobody reads it.
        if forbidden_text.suspicious(data) and not data.lower().startswith(b"set-cookie:"):
            self._wrong(forbidden_text.search(data), n, None)

    def take(self, reading: Reading, at: float, n: int) -> None:
        """Judges what one message was read as."""
        for part in each(reading):
            self._take(part, at, n)

    def _take(self, reading: Part, at: float, n: int) -> None:
        if self.entry is not None:
            self.entry.heard(reading, n)
            return
        if self.expiry is not None:
            self.expiry.heard(reading, at, n)
        if type(reading) is Event:
            self.event(reading, at, n)
            return
        if type(reading) is More:
            other_messages.on_more(self, reading, at, n)
            return
        if type(reading) is Foreign:
            other_messages.on_foreign(self, reading, n)
            return
        assert isinstance(reading, Control | Unmapped | Ignored)
        self._wrong(reading.problems, n, None)
        if type(reading) is Control:
            self._control(reading, at, n)
        elif type(reading) is Unmapped:
            self.door.strange(reading.reason)
            continuity.on_unread(self.desk.lines.values())

    def event(self, event: Event, at: float, n: int) -> None:
        """Judges one event of a run. `at`: seconds on the monotonic clock."""
        run = self._runs.get(event.run)
        if run is None or event.request != run.request or event.thread != run.thread or event.user != run.user:
            self.heard = True
            run = self._attribute(event, at, n)
        if event.problems:
            self._wrong(event.problems, n, run)
        if run is None:
            self._number(event, n, None)
            return
        seq = event.seq
        line = run.line
        if line.due != seq or self.windows.careful:
            self._number(event, n, run)
        elif seq is not None:
            line.due = seq + 1
        key: str | int | None = event.event_id
        if key is None and self._gap_free:
            key = seq
        if key in run.event_ids:
            continuity.on_repeat(event, n, self.report, run)
            return
        if key is not None and run.events < continuity.MOST_KEYS:
            run.event_ids.add(key)
        for observer in self.observers:
            observer.on_event(run, event, at)
        self.run_judge.event(run, event, at, n)

    def _attribute(self, event: Event, at: float, n: int) -> RunState | None:
        run = self.desk.attribute(event, at, n)
        if run is None:
            self.reaching.shown(event, n)
        elif run.ask is not None and run.ask.foreign:
            self.reaching.served(run.ask, event, n)
        return run

    def _number(self, event: Event, n: int, run: RunState | None) -> None:
        if not self._gap_free or event.seq is None or (run is None and not self.desk.counts(event)):
            return
        # What belongs to a run counts in its conversation, whatever it says.
        thread = event.thread if run is None or run.thread is None else run.thread
        line = self.desk.line(thread)
        windows = self.windows
        only = windows.ever <= 1 or (thread in self.desk.replays and windows.open == {self.connection})
        continuity.on_seq(line, event, n, self.report, run, only=only)

    def _wrong(self, problems: tuple[Problem, ...], n: int, run: RunState | None) -> None:
        for problem in problems:
            self.report(problem.rule, problem.expected, problem.actual, n, run=run)

    def _control(self, control: Control, at: float, n: int) -> None:
        values = control.values
        self.desk.heard(control, n)
        if control.name == "ready":
            self.door.ready = True
            self.desk.greeted(values.get("user"), n)
        elif control.name == "pong":
            self.door.ponged(values.get("nonce"))
        elif control.name == "restored":
            self.reaching.restored(control, n)
            self.desk.restored(values.get("thread"))
        elif control.name == "error":
            self.last_error = control
            timeouts.on_error(self, control, at, n)

    def _what(self, data: bytes) -> str:
        reading = next(each(self.profile.read(data)), None)
        if isinstance(reading, Event | More):
            return (reading.event if isinstance(reading, More) else reading).kind
        if isinstance(reading, Ignored | Foreign):
            return "a frame that is not for the person" if isinstance(reading, Ignored) else "a frame of somebody else"
        return f"a frame of {reading.name}" if type(reading) is Control else "a frame that cannot be read"

    def lost(self) -> None:
        """The backend has ended the connection, and nobody will resume what was under way on it."""
        for ask in self.desk.asks:
            self.desk.conclude(ask)

    # How it ended -------------------------------------------------------------------------------------------------

    def timed_out(
        self, waiting_for: str, after_s: float, request: str | None, at: float, n: int, *, run: str | None = None
    ) -> None:
        """A person waited in vain: ready, start, end, pong, refusal or close."""
        if self.entry is not None:
            self.entry.waited(after_s, n)
        elif waiting_for == "expiry" and self.expiry is not None:
            self.expiry.waited(after_s, n)
        elif waiting_for == "restored":
            continuity.on_no_restore(n, after_s, self.report)
        elif waiting_for in ("start", "end"):
            timeouts.on_no_answer(self, timeouts.ask_of(self.desk, request, run), at, n)
        elif waiting_for != "refusal" or not self.reaching.waited(after_s, n):
            self.door.timed_out(waiting_for, after_s, n)

    def refused(self, status: int | None, reason: str, n: int) -> None:
        """The connection did not come about."""
        if self.entry is not None:
            self.entry.answered(status, reason, n)
        elif not self.cut_by_us:
            self.door.not_opened(status, reason, n)

    def closed(self, by: str, code: int | None, at: float, n: int) -> None:
        """The connection ended. `by`: client, server (with a close frame) or nobody (the line just broke)."""
        self._search_open()
        came = f"a close with {code}" if by == "server" else "a line that broke"
        if self.entry is not None:
            if by != "client":
                self.entry.closed(code, came, n)
            return
        if self.cut_by_us:
            timeouts.on_closed(self.desk, self.windows, "client")
            if by == "server":
                self.door.judge_code(code, n)
            return
        if by != "client" and self.expiry is not None and self.expiry.closed(code, came, at, n):
            self.desk.owe_nothing()
        timeouts.on_closed(self.desk, self.windows, by)
        if by != "client":
            self.reaching.closed(code, came, n)
            self.door.closed(by, code, n)

    def gave_up(self, code: int | None, reason: str, n: int) -> None:
        """CONTENT-2: what came was no message that a client can take, which had to end the connection."""
        timeouts.on_closed(self.desk, self.windows, "nobody")
        came = reason or "something else"
        expected = "WebSocket messages that can be taken"
        self.report("CONTENT-2", expected, f"{came} (ended with {code})", n, about="all that came")

    def finish(self, n: int) -> None:
        """Nothing more will come: what is still open has no end."""
        self._search_open()
        timeouts.on_finish(self, n)

    def _search_open(self) -> None:
        for run in self._runs.values():
            self.search.said_all(run)
        self.search.finish()
