"""The streaming checker of one connection: readings in, findings out, as they come.

Scenarios and the load engine use the same one. All state is bounded for each open run.
"""

from collections.abc import Sequence

from support.events import Control, Event, EventKind, Problem, Unmapped
from support.findings import Finding
from support.rules import content, continuity, leaks, lifecycle, pairing, timeliness, waiting
from support.rules.book import Book
from support.rules.connection import Door
from support.rules.identity import Desk
from support.rules.registry import RULES
from support.rules.state import Ask, Budgets, Run, Stage
from support.wire.profile import UNREADABLE, Profile

_STARTED = EventKind.STARTED
_THINKING = EventKind.THINKING
_TOOL_EXECUTING = EventKind.TOOL_EXECUTING
_TOOL_COMPLETED = EventKind.TOOL_COMPLETED
_OPEN = Stage.OPEN
_ENDED = Stage.ENDED
_COMPLETED = EventKind.COMPLETED
_STEPS = lifecycle.TRANSITIONS
_MOST_FINDINGS = 10_000
_MOST_UNREAD = 64


class ConnectionChecker:
    """Judges one connection of one person.

    `epoch_s` is the wall time of the monotonic clock's zero. Findings are handed to `findings`, the first of each rule
    and run and 10,000 at most; `counts` says how often each rule was broken.
    """

    def __init__(
        self, profile: Profile, budgets: Budgets, book: Book, person: str, connection: str, *, epoch_s: float,
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
        self.door = Door(self.report, promised=profile.promises.ready)
        self.windows = book.windows(person)
        self.last_error: Control | None = None
        self.heard = False
        self._shapes: dict[EventKind, int] = {}
        self._formats: dict[EventKind, str | None] = {}
        self._unread: list[int] = []
        self._reported: set[tuple[str, str]] = set()
        self._gap_free = profile.promises.gap_free_seq
        self._runs = self.desk.runs
        self._skew_s = budgets.clock_skew_s
        self._silence_s = budgets.silence_s

    def report(self, rule: str, expected: str, actual: str, *evidence: int, run: Run | None = None) -> None:
        """Notes a breach; the first of each rule and run becomes a finding."""
        self.counts[rule] = self.counts.get(rule, 0) + 1
        key = (rule, run.id if run is not None else "")
        if key in self._reported or len(self.findings) >= _MOST_FINDINGS:
            return
        self._reported.add(key)
        known = RULES[rule]
        self.findings.append(
            Finding(
                rule, known.severity, known.requirement, expected, actual, self.person, self.connection,
                run.id if run is not None else None, tuple(sorted(set(evidence))),
            )
        )  # fmt: skip

    # What the person's side did -----------------------------------------------------------------------------------

    def opened(self, user: str | None, handshake_ms: float, n: int) -> None:
        """The upgrade succeeded, as the person with this user id (None: not known yet)."""
        self._is_user(user)
        self.windows.ever += 1
        self.windows.open.add(self.connection)
        self.windows.careful = self.windows.careful or self.windows.ever > 1
        self.door.opened(handshake_ms, n, self.budgets.handshake_s)

    def asked(self, ask: Ask) -> None:
        """A question was sent."""
        self.door.spoken = True
        self.desk.asked(ask)

    def stop_sent(self, run_id: str | None, at: float) -> None:
        """The person asked for a run to be stopped."""
        self.door.spoken = True
        run = self.book.runs.get(run_id) if run_id is not None else None
        if run is not None and run.person == self.person:
            run.stop_at = at

    def pinged(self, nonce: str | None, n: int) -> None:
        """An application ping was sent."""
        self.door.spoken = True
        self.door.pinged(nonce, n)

    def sent_invalid(self, n: int) -> None:
        """Something was sent that must be refused."""
        self.door.spoken = True
        self.door.sent_invalid(n)

    def restoring(self, thread: str, last_seq: int | None = None) -> None:
        """A thread was asked to be restored on this connection, from the number after `last_seq`."""
        self.door.spoken = True
        self.desk.restoring(thread, last_seq)

    # What came ----------------------------------------------------------------------------------------------------

    def received(self, data: bytes, at: float, n: int, *, binary: bool = False) -> Event | Control | Unmapped:
        """Reads and judges one message; returns how it was read."""
        if leaks.suspicious(data):
            self.leaked(data, n)
        reading = self.profile.read(data, binary=binary)
        self.take(reading, at, n)
        return reading

    def received_together(self, read: bytes, frames: Sequence[bytes], at: float, n: int) -> None:
        """Judges the text frames of one socket read, numbered from `n`, at the price of one search for leaks.

        `read` is whatever holds them all: what was read from the socket, with the kept remainder, once inflated.
        """
        if leaks.suspicious(read):
            for number, data in enumerate(frames, n):
                self.leaked(data, number)
        fast = self.profile.fast
        for number, data in enumerate(frames, n):
            try:
                reading = fast(data)
            except UNREADABLE:
                reading = None
            if type(reading) is Event:
                self.event(reading, at, number)
            else:
                self.take(reading if reading is not None else self.profile.explain(data), at, number)

    def leaked(self, data: bytes, n: int) -> None:
        """Looks closely at bytes that the filter let through."""
        self._wrong(leaks.search(data), n, None)

    def take(self, reading: Event | Control | Unmapped, at: float, n: int) -> None:
        """Judges one reading."""
        if type(reading) is Event:
            self.event(reading, at, n)
            return
        self._wrong(reading.problems, n, None)
        if type(reading) is Control:
            self._control(reading, n)
        elif type(reading) is Unmapped:
            self.door.strange(reading.reason)
            self._unread.append(n)
            del self._unread[:-_MOST_UNREAD]

    def event(self, event: Event, at: float, n: int) -> None:
        """Judges one event of a run. `at`: seconds on the monotonic clock."""
        run = self._runs.get(event.run)
        if run is None or event.request != run.request or event.thread != run.thread or event.user != run.user:
            self.heard = True
            run = self.desk.attribute(event, at, n)
        if event.problems:
            self._wrong(event.problems, n, run)
        if run is None:
            self._number(event, n, None)
            return
        seq = event.seq
        if seq is not None and self._gap_free:
            line = run.line
            if line.due == seq and not self.windows.careful:
                line.due = seq + 1
            else:
                self._number(event, n, run)
        key: str | int | None = event.event_id
        if key is None and self._gap_free:
            key = seq
        if key in run.event_ids:
            continuity.on_repeat(event, n, self.report, run)
            return
        if key is not None and run.events < continuity.MOST_KEYS:
            run.event_ids.add(key)
        self._judge(run, event, at, n)

    def _judge(self, run: Run, event: Event, at: float, n: int) -> None:
        kind = event.kind
        if self._shapes.get(kind) != event.shape:
            self._shape(run, event, n)
        stamp = event.server_s
        if stamp is not None and stamp >= run.last_stamp_s and -self._skew_s < stamp - self.epoch_s - at < self._skew_s:
            run.last_stamp_s = stamp
        else:
            content.on_stamp(run, event, self.epoch_s + at, n, skew_s=self._skew_s, report=self.report)
        if run.in_company:
            self._in_company(run, event, at, n)
        elif at - run.last_at > self._silence_s and run.stage is _OPEN:
            timeliness.on_silence(run, at, n, self._silence_s, self.report)
        run.events += 1
        run.last_at = at
        if kind is _THINKING and run.stage is _OPEN:
            run.thoughts += 1
        else:
            self._step(run, event, at, n)
        run.last_n = n

    def _step(self, run: Run, event: Event, at: float, n: int) -> None:
        kind, before = event.kind, run.stage
        run.stage, rule = _STEPS[before][kind]
        if rule is not None:
            lifecycle.on_objection(rule, before, run, event, n, self.report)
        if before is _ENDED:
            return
        if kind is _TOOL_EXECUTING:
            pairing.on_executing(run, event, at, n, self.report)
        elif kind is _TOOL_COMPLETED:
            tool = pairing.on_completed(run, event, n, self.report)
            if tool is not None and at - tool.at > self.budgets.tool_s:
                timeliness.on_tool(run, tool, at, n, tool_s=self.budgets.tool_s, report=self.report)
        elif kind is _STARTED:
            if run.started_at is None:
                run.started_at = at
                run.first_stamp_s = event.server_s
                timeliness.on_start(run, at, n, self.budgets.start_s, self.report)
        elif kind is _THINKING:
            run.thoughts += 1
        else:
            self._end(run, event, at, n)

    def _in_company(self, run: Run, event: Event, at: float, n: int) -> None:
        """A helper's event is a sign of life of the run that the person asked for, and shows its thinking."""
        root = run.root
        if at - root.last_at > self._silence_s and root.stage is _OPEN:
            timeliness.on_silence(root, at, n, self._silence_s, self.report)
        if run.recent is not None:
            run.recent.append(at)
        if run is not root:
            root.last_at = at
            root.last_n = n
            root.thoughts += event.kind is _THINKING

    def _end(self, run: Run, event: Event, at: float, n: int) -> None:
        run.ended_by = event.kind
        lifecycle.on_end(run, event, n, self.report)
        if run.tools:
            pairing.on_end(run, event, n, self.report)
        content.on_end(run, event, n, self.report)
        timeliness.on_end(run, event, at, n, self.budgets, report=self.report)
        if run.stop_at is not None and event.kind is _COMPLETED:
            waiting.on_ignored_stop(run, at, n, self.budgets, self.report)
        self.desk.settle(run, event.event_id if event.event_id is not None else event.seq)

    def _shape(self, run: Run, event: Event, n: int) -> None:
        kind = event.kind
        if kind not in self._shapes:
            self._shapes[kind] = event.shape
            self._formats[kind] = event.stamp_format
        elif self._formats[kind] != event.stamp_format:
            came = f"{event.stamp_format} ({event.stamp})"
            self.report("CONTENT-6", f"timestamps as {self._formats[kind]} in {kind}", came, n, run=run)
        else:
            self.report("CONTENT-6", f"{kind} built as before on this connection", "built in another way", n, run=run)

    def _number(self, event: Event, n: int, run: Run | None) -> None:
        if not self._gap_free or event.seq is None:
            return
        thread = event.thread if event.thread is not None or run is None else run.thread
        line = self.desk.line(thread)
        windows = self.windows
        only = windows.ever <= 1 or (thread in self.desk.replays and windows.open == {self.connection})
        unread = sum(number > run.last_n for number in self._unread) if run is not None else len(self._unread)
        continuity.on_seq(line, event, n, self.report, run, only=only, unread=unread)

    def _wrong(self, problems: tuple[Problem, ...], n: int, run: Run | None) -> None:
        for problem in problems:
            self.report(problem.rule, problem.expected, problem.actual, n, run=run)

    def _control(self, control: Control, n: int) -> None:
        values = control.values
        if control.name == "ready":
            self.door.ready = True
            self._greeted(values.get("user"), n)
        elif control.name == "pong":
            self.door.ponged(values.get("nonce"))
        elif control.name == "restored":
            self.desk.restored(values.get("thread"))
        elif control.name == "error":
            self.last_error = control
            waiting.on_error(self.desk, self.door, control, n, self.report)

    def _greeted(self, user: object, n: int) -> None:
        if not isinstance(user, str | int):
            return
        if self.desk.user is None or str(user) == self.desk.user:
            self._is_user(str(user))
            return
        rule = "IDENTITY-2" if self.book.users.get(str(user), self.person) == self.person else "ISOLATION-2"
        self.report(rule, f"user {self.desk.user}", f"user {user} in the greeting", n)

    def _is_user(self, user: str | None) -> None:
        if user is not None:
            self.desk.user = user
            self.book.user(user, self.person)

    # How it ended -------------------------------------------------------------------------------------------------

    def timed_out(
        self, waiting_for: str, after_s: float, request: str | None, at: float, n: int, *, run: str | None = None
    ) -> None:
        """A person waited in vain: ready, start, end, pong, refusal or close."""
        if waiting_for in ("start", "end"):
            waiting.on_no_answer(self, waiting.ask_of(self.desk, request, run), at, n)
        else:
            self.door.timed_out(waiting_for, after_s, n)

    def refused(self, status: int | None, reason: str, n: int) -> None:
        """The connection did not come about."""
        self.door.not_opened(status, reason, n)

    def closed(self, by: str, code: int | None, n: int) -> None:
        """The connection ended. `by`: client, server (with a close frame) or nobody (the line just broke)."""
        waiting.on_closed(self.desk, self.windows, by)
        if by != "client":
            self.door.closed(by, code, n)

    def finish(self, n: int) -> None:
        """Nothing more will come: what is still open has no end."""
        waiting.on_finish(self, n)
