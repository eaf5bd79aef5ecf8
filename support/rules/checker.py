"""The streaming checker of one connection: readings in, findings out, as they come.

Scenarios and the load engine use the same one. All state is bounded for each open run.
"""

from support.events import Control, Event, EventKind, Unmapped
from support.findings import Finding
from support.rules import connection as door
from support.rules import content, continuity, leaks, lifecycle, pairing, timeliness
from support.rules.book import Book
from support.rules.identity import Desk
from support.rules.registry import RULES
from support.rules.state import BIT, Ask, Budgets, Run, Stage, Thread
from support.wire.profile import Profile

_STARTED = EventKind.STARTED
_THINKING = EventKind.THINKING
_TOOL_EXECUTING = EventKind.TOOL_EXECUTING
_TOOL_COMPLETED = EventKind.TOOL_COMPLETED
_STOP_GRACE_S = 0.25
REFUSING_CODES = frozenset({1002, 1003, 1007, 1008, 1009})


class ConnectionChecker:
    """Judges one connection of one person.

    `epoch_s` is the wall time of the monotonic clock's zero. Findings are handed to `findings` once for each rule
    and run; `counts` says how often each rule was broken.
    """

    def __init__(
        self, profile: Profile, budgets: Budgets, book: Book, person: str, connection: str, epoch_s: float,
        findings: list[Finding],
    ) -> None:  # fmt: skip
        self.profile = profile
        self.budgets = budgets
        self.book = book
        self.person = person
        self.connection = connection
        self.epoch_s = epoch_s
        self.findings = findings
        self.counts: dict[str, int] = {}
        self.desk = Desk(book, person, connection, self.report)
        self.ready = False
        self.last_error: Control | None = None
        self._shapes: dict[EventKind, int] = {}
        self._formats: dict[EventKind, str | None] = {}
        self._pings: dict[str | None, int] = {}
        self._invalid: list[int] = []
        self._instead: str | None = None
        self._reported: set[tuple[str, str]] = set()
        self._gap_free = profile.promises.gap_free_seq
        self._runs = self.desk.runs
        self._threads: dict[str | None, Thread] = book.threads
        self._skew_s = budgets.clock_skew_s
        self._silence_s = budgets.silence_s

    def report(self, rule: str, expected: str, actual: str, *evidence: int, run: Run | None = None) -> None:
        """Notes a breach; the first of each rule and run becomes a finding."""
        self.counts[rule] = self.counts.get(rule, 0) + 1
        key = (rule, run.id if run is not None else "")
        if key in self._reported:
            return
        self._reported.add(key)
        known = RULES[rule]
        self.findings.append(
            Finding(
                rule, known.severity, known.requirement, expected, actual, self.person, self.connection,
                run.id if run is not None else None, tuple(sorted(set(evidence))),
            )
        )  # fmt: skip

    # What the person's side did -------------------------------------------------------------------------------

    def opened(self, user: str | None, handshake_ms: float, n: int) -> None:
        """The upgrade succeeded, as the person with this user id (None: not known yet)."""
        self._is_user(user)
        self.book.windows.setdefault(self.person, set()).add(self.connection)
        door.on_opened(handshake_ms, n, self.budgets, self.report)

    def asked(self, ask: Ask) -> None:
        """A question was sent."""
        self.desk.asked(ask)

    def stop_sent(self, run_id: str | None, at: float) -> None:
        """The person asked for a run to be stopped."""
        run = self._runs.get(run_id)
        if run is not None:
            run.stop_at = at

    def pinged(self, nonce: str | None, n: int) -> None:
        """An application ping was sent."""
        self._pings[nonce] = n

    def sent_invalid(self, n: int) -> None:
        """Something was sent that must be refused."""
        self._invalid.append(n)
        self._instead = None

    def restoring(self, thread: str) -> None:
        """A thread was asked to be restored on this connection."""
        self.desk.restored.add(thread)

    # What came ------------------------------------------------------------------------------------------------

    def received(self, data: bytes, at: float, n: int, *, binary: bool = False) -> Event | Control | Unmapped:
        """Reads and judges one message; returns how it was read."""
        if leaks.suspicious(data):
            self.leaked(data, n)
        reading = self.profile.read(data, binary=binary)
        self.take(reading, at, n)
        return reading

    def leaked(self, data: bytes, n: int) -> None:
        """Looks closely at bytes that the filter let through."""
        for problem in leaks.search(data):
            self.report(problem.rule, problem.expected, problem.actual, n)

    def take(self, reading: Event | Control | Unmapped, at: float, n: int) -> None:
        """Judges one reading."""
        if type(reading) is Event:
            self.event(reading, at, n)
            return
        for problem in reading.problems:
            self.report(problem.rule, problem.expected, problem.actual, n)
        if type(reading) is Control:
            self._control(reading, n)
        elif type(reading) is Unmapped:
            self._instead = reading.reason

    def event(self, event: Event, at: float, n: int) -> None:
        """Judges one event of a run. `at`: seconds on the monotonic clock."""
        run = self._runs.get(event.run)
        if (
            run is None
            or event.request != run.request
            or event.thread != run.thread
            or event.user != run.user
            or run.connection != self.connection
        ):
            run = self.desk.attribute(event, at, n)
        for problem in event.problems:
            self.report(problem.rule, problem.expected, problem.actual, n, run=run)
        if run is None:
            return
        seq = event.seq
        if seq is not None and self._gap_free:
            thread = self._threads.get(event.thread)
            if thread is None or thread.missing or thread.next_seq.get(self.connection) != seq:
                self._number(run, event, n)
            else:
                thread.next_seq[self.connection] = seq + 1
        if event.event_id in run.event_ids:
            continuity.on_repeat(run, event, n, self.report)
            return
        continuity.remember(run, event)
        kind = event.kind
        if self._shapes.get(kind) != event.shape or self._formats.get(kind) != event.stamp_format:
            self._shape(run, event, n)
        stamp = event.server_s
        if stamp is not None and stamp >= run.last_stamp_s and -self._skew_s < stamp - self.epoch_s - at < self._skew_s:
            run.last_stamp_s = stamp
        else:
            content.on_stamp(run, event, self.epoch_s + at, n, self.budgets, self.report)
        if at - run.last_at > self._silence_s and run.stage is Stage.OPEN:
            timeliness.on_silence(run, at, n, self.budgets, self.report)
        self._live(run, event, at, n)
        run.last_at = at
        run.last_n = n
        if run.parent is not None:
            run.parent.last_at = at

    def _live(self, run: Run, event: Event, at: float, n: int) -> None:
        kind = event.kind
        before = run.stage
        run.stage, rule = lifecycle.TRANSITIONS[before][kind]
        if rule is not None:
            lifecycle.on_objection(rule, before, run, event, n, self.report)
        run.events += 1
        run.kinds |= BIT[kind]
        if run.recent is not None:
            run.recent.append(at)
        if kind is _THINKING or before is Stage.ENDED:
            return
        if kind is _TOOL_EXECUTING:
            pairing.on_executing(run, event, at, n, self.report)
        elif kind is _TOOL_COMPLETED:
            tool = pairing.on_completed(run, event, at, n, self.report)
            if tool is not None:
                timeliness.on_tool_done(run, tool, at, n, self.budgets, self.report)
        elif kind is _STARTED:
            if run.started_at is None:
                run.started_at = at
                timeliness.on_start(run, at, n, self.budgets, self.report)
        else:
            self._end(run, event, at, n)

    def _end(self, run: Run, event: Event, at: float, n: int) -> None:
        run.ended_at = at
        run.ended_by = event.kind
        lifecycle.on_end(run, event, n, self.report)
        pairing.on_end(run, event, n, self.report)
        content.on_end(run, event, n, self.report)
        timeliness.on_end(run, event, at, n, self.budgets, self.report)
        if run.stop_at is not None and event.kind is EventKind.COMPLETED and at - run.stop_at > _STOP_GRACE_S:
            later = f"agent_completed {at - run.stop_at:.2f} s later"
            self.report("LIFECYCLE-2", "agent_stopped once the person said stop", later, n, run=run)
        self.desk.settle(run, event.event_id)

    def _shape(self, run: Run, event: Event, n: int) -> None:
        kind = event.kind
        if kind not in self._shapes:
            self._shapes[kind] = event.shape
            self._formats[kind] = event.stamp_format
            return
        if self._shapes[kind] != event.shape:
            self.report("CONTENT-6", f"{kind} built as before on this connection", "built in another way", n, run=run)
        if self._formats[kind] != event.stamp_format:
            came = f"{event.stamp_format} ({event.stamp})"
            self.report("CONTENT-6", f"timestamps as {self._formats[kind]} in {kind}", came, n, run=run)

    def _number(self, run: Run, event: Event, n: int) -> None:
        if event.thread is not None:
            thread = self.book.thread(event.thread, self.person)
            alone = self.book.alone(self.person)
            continuity.on_seq(thread, self.connection, run, event, n, self.report, alone=alone)

    def _control(self, control: Control, n: int) -> None:
        if control.name == "ready":
            self.ready = True
            user = control.values.get("user")
            if isinstance(user, str):
                if self.desk.user is not None and user != self.desk.user:
                    owner = self.book.users.get(user)
                    rule = "ISOLATION-2" if owner not in (None, self.person) else "IDENTITY-2"
                    self.report(rule, f"user {self.desk.user}", f"user {user} in the greeting", n)
                else:
                    self._is_user(user)
        elif control.name == "pong":
            self._pings.pop(control.values.get("nonce"), None)
        elif control.name == "error":
            self._error(control, n)

    def _error(self, control: Control, n: int) -> None:
        self.last_error = control
        code, text = control.values.get("code"), control.values.get("text")
        ask = self.desk.by_request.get(str(control.values.get("request")))
        if self._invalid and (ask is None or ask.run is not None):
            invalid = self._invalid.pop(0)
            if not door.is_clear_error(control):
                self.report("REFUSAL-4", "an error that says what is wrong", "an error without words", invalid, n)
            return
        if ask is not None and ask in self.desk.asks:
            self.report("LIFECYCLE-1", "agent_started", f"error {code}: {content.shown(str(text))}", ask.n, n)
            self.desk.drop(ask)

    def _is_user(self, user: str | None) -> None:
        if user is not None:
            self.desk.user = user
            self.book.users.setdefault(user, self.person)

    # How it ended ---------------------------------------------------------------------------------------------

    def timed_out(self, waiting_for: str, after_s: float, request: str | None, at: float, n: int) -> None:
        """A person waited in vain: ready, start, end, pong, refusal or close."""
        ask = self.desk.by_request.get(request) if request is not None else None
        waited = f"nothing within {after_s:.1f} s"
        if waiting_for == "ready":
            self.report("CONNECTION-1", "the backend says that it is ready", waited, n)
        elif waiting_for == "pong":
            self.report("CONNECTION-2", "an answer to the ping", waited, n)
        elif waiting_for == "refusal":
            came = f"{self._instead} instead" if self._instead else waited
            self.report("REFUSAL-4", "a clear error", came, *self._invalid[:1], n)
            self._invalid.clear()
        elif waiting_for == "close":
            self.report("CONNECTION-3", "a close that is answered", waited, n)
        elif ask is not None:
            self._never_ended(ask, at, n)

    def _never_ended(self, ask: Ask, at: float, n: int) -> None:
        self.desk.drop(ask)
        run = ask.run
        if run is None:
            if at - ask.at > self.budgets.start_s:
                self.report("TIMELINESS-1", f"a start within {self.budgets.start_s:g} s", "none", ask.n, n)
            self.report("LIFECYCLE-2", "an answer that ends", "not one event of it", ask.n, n)
            return
        silent = at - run.last_at
        if silent > self.budgets.silence_s:
            timeliness.on_silence(run, at, n, self.budgets, self.report)
        for tool in run.tools:
            if at - tool.at > self.budgets.tool_s:
                timeliness.on_tool_done(run, tool, at, n, self.budgets, self.report)
        came = f"nothing for {silent:.1f} s after {run.events} events"
        self.report("LIFECYCLE-2", "one end", came, run.first_n, run.last_n, n, run=run)

    def refused(self, status: int | None, reason: str, n: int) -> None:
        """The connection did not come about."""
        came = f"HTTP {status}" if status is not None else reason
        self.report("CONNECTION-1", "a connection", came, n)

    def closed(self, by: str, code: int | None, n: int) -> None:
        """The connection ended. `by`: client, server (with a close frame) or nobody (the line just broke)."""
        self.book.windows.get(self.person, set()).discard(self.connection)
        if by == "client":
            self.desk.asks.clear()
            return
        if by == "server":
            door.on_close_code(code, n, self.report)
        else:
            self.report("CONNECTION-3", "a close frame before the line ends", "none", n)
        if self._invalid and code is not None and (code in REFUSING_CODES or code >= 4000):
            self._invalid.clear()
        if not self.ready and self.profile.promises.ready:
            self.report("CONNECTION-1", "the backend says that it is ready", f"a close ({code})", n)

    def finish(self, n: int) -> None:
        """Nothing more will come: what is still open has no end."""
        for ask in self.desk.asks:
            run = ask.run
            if run is None:
                self.report("LIFECYCLE-2", "an answer that ends", "not one event of it", ask.n, n)
            elif run.stage is not Stage.ENDED:
                last = f"{run.events} events and no end"
                self.report("LIFECYCLE-2", "one end", last, run.first_n, run.last_n, n, run=run)
        self.desk.asks.clear()
