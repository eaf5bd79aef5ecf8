"""The checker of a whole trace, record by record: the same in a running scenario and in a replay of its evidence."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from greenlight_gate.events import Reading
from greenlight_gate.findings import Finding
from greenlight_gate.rules import continuity, isolation
from greenlight_gate.rules.engine import canary_search, forbidden_text
from greenlight_gate.rules.engine.canary import owner_code
from greenlight_gate.rules.engine.connection_checker import ConnectionChecker
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.finding_sink import MOST_FINDINGS
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.rules.engine.model_calls import ModelCalls
from greenlight_gate.rules.engine.outcome import EventObserver, Observer
from greenlight_gate.rules.engine.own_checks import OwnChecks
from greenlight_gate.rules.engine.run_state import Request
from greenlight_gate.rules.isolation import IsolationPair
from greenlight_gate.rules.refusal import ForeignAttempt
from greenlight_gate.rules.registry import RULES, Rule
from greenlight_gate.trace import (
    AnyRecord,
    ClockMoved,
    Closed,
    Crowded,
    Cut,
    ModelCall,
    Opened,
    Other,
    Received,
    Responded,
    Sent,
    Stalled,
    StreamEnded,
    Throttled,
    TimedOut,
)
from greenlight_gate.wire.profile import UNREADABLE, Profile

_PLACES = {
    "part": "part of a message", "comment": "a comment of the stream", "id": "the id of an event",
    "event": "the name of an event",
}  # fmt: skip


class TraceChecker:
    """Feeds the records of one scenario's trace to the checkers of its connections.

    `findings` grows as records come; `finish` judges what is left open. `cuts`: the connections that the suite cut.
    `rules`: those that are judged; `records`: how many records came; `own_checks`: the rules of a team's own.
    """

    def __init__(
        self, profile: Profile, budgets: TimeBudgets, epoch_s: float, *, rules: Mapping[str, Rule] = RULES
    ) -> None:
        self.profile = profile
        self.budgets = budgets
        self.epoch_s = epoch_s
        self.findings: list[Finding] = []
        self.registry = IdRegistry()
        self.registry.scope_names = profile.spec.scope_names
        self.registry.kept_names = profile.spec.kept_names
        self.connections: dict[str, ConnectionChecker] = {}
        self.cuts: list[Cut] = []
        self.records = 0
        self._model_calls = ModelCalls()
        self._observers: list[Observer] = [self._model_calls]
        self._event_observers: list[EventObserver] = []
        self._rules = rules
        self._last: AnyRecord | None = None
        self._late: list[tuple[float, Finding]] = []
        self.own_checks = OwnChecks(rules.values(), self.connections, lambda: self._last.n if self._last else 0)
        if self.own_checks:
            self._event_observers.append(self.own_checks)
        self._moved_s = 0.0
        self._user_of_persona: dict[str, str] = {}

    def _found(self, finding: Finding) -> None:
        """Of all connections together as many findings are kept as of one."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)
            if finding.late and self._last is not None:
                self._late.append((self._last.at, finding))

    def observe(self, observer: Observer) -> None:
        """It gets the outcome of each request, on all connections that are still to be opened."""
        self._observers.append(observer)

    def observe_events(self, observer: EventObserver) -> None:
        """It gets the outcome of each request, and each event with its run."""
        self._event_observers.append(observer)

    def feed(self, record: AnyRecord) -> Reading | None:
        """Judges one record. Returns how a received message was read, None for other records."""
        return next(self.feed_all((record,)))

    def feed_all(self, records: Sequence[AnyRecord]) -> Iterator[Reading | None]:
        """Judges records in their order, each when its reading is asked for, with one search for all of them."""
        came = [record.raw() if type(record) is Received else b"" for record in records]
        together = b"\n".join(came)
        clean = not (forbidden_text.suspicious(together) or canary_search.suspicious(together))
        self.records += len(records)
        known, profile = self.connections, self.profile
        # What a plain profile reads does not depend on what came before.
        readings = self._read(records, came, together.isascii()) if profile.plain else [None] * len(records)
        searched, has_foreign = 0, False
        for index, (record, data, reading) in enumerate(zip(records, came, readings, strict=True)):
            if type(record) is Received:
                self._last = record
                checker = known.get(record.connection) or self._checker(record)
                if index >= searched:
                    searched = _end_of_messages(records, index)
                    has_foreign = checker.correlation.may_hold_foreign(came[index:searched])
                yield checker.received(
                    data, record.at, record.n, binary=record.binary, clean=clean, reading=reading,
                    has_foreign=has_foreign,
                )  # fmt: skip
            else:
                yield self._feed(record)

    def _read(self, records: Sequence[AnyRecord], came: Sequence[bytes], is_ascii: bool) -> list[Reading | None]:
        """How a plain profile reads each of them that is a message, as `came`; `is_ascii`: all of that is."""
        fast, explain = self.profile.fast, self.profile.explain
        readings: list[Reading | None] = []
        for record, data in zip(records, came, strict=True):
            reading: Reading | None = None
            if type(record) is Received:
                try:
                    reading = None if record.binary else fast(data, is_ascii)
                except UNREADABLE:
                    reading = None
                if reading is None:
                    reading = explain(data, binary=record.binary)
            readings.append(reading)
        return readings

    def _feed(self, record: AnyRecord) -> Reading | None:
        """Judges a record that is no message. Returns how it was read, if it is the response to an HTTP request."""
        self._last = record
        if type(record) is Sent:
            _sent(self._checker(record), record)
            return None
        if isinstance(record, ModelCall):
            self._model_calls.add(record)
            return None
        if isinstance(record, Stalled | ClockMoved | Crowded):
            self._missed(record)
            return None
        checker = self._checker(record)
        if isinstance(record, Responded):
            return checker.responded(record)
        self._feed_to(checker, record)
        return None

    def _feed_to(self, checker: ConnectionChecker, record: AnyRecord) -> None:
        """Judges a record of one connection."""
        if isinstance(record, Opened):
            self._opened(checker, record)
        elif isinstance(record, Other):
            checker.searched(record.raw(), _PLACES.get(record.what, f"a {record.what} frame"), record.n)
        elif isinstance(record, Cut):
            self.cuts.append(record)
            checker.cut(record)
        elif isinstance(record, Throttled):
            checker.throttled(record.at, over=record.over)
        elif isinstance(record, TimedOut):
            checker.timed_out(record.waiting_for, record.after_s, record.request, record.at, record.n, run=record.run)
        elif isinstance(record, StreamEnded):
            if record.by_user:
                self._model_calls.stream_closed(record.request)
                checker.requests.stream_closed(record.request, record.n)
            else:
                checker.stream_ended(record.request, record.at, record.n, record.reset)
        elif isinstance(record, Closed):
            self._closed(checker, record)

    def _opened(self, checker: ConnectionChecker, opened: Opened) -> None:
        _note_persona(checker, opened)
        _note_captured(self.registry, checker, opened)
        if opened.foreign:
            checker.correlation.names(" ".join(opened.named))
        for name in opened.names:
            self.registry.add_name(name, opened.user)
        if opened.persona:
            self._user_of_persona[opened.persona] = opened.user
        if opened.expires_at is not None:
            checker.token_expires(opened.expires_at, opened.n)
        if opened.unwelcome:
            checker.unwelcome(opened.unwelcome, opened.n)
        else:
            checker.opened(opened.user_id, opened.handshake_ms, opened.n, unchosen=opened.unchosen)
        if opened.foreign:
            thread = f"thread {opened.resumes}" if opened.resumes is not None else "a conversation"
            checker.opened_for(_by_opening(checker, opened, thread, opened.resumes))
        elif opened.resumes is not None and not opened.unwelcome:
            checker.restoring(opened.resumes, opened.last_seq, opened.at)
        for text in (opened.subprotocol or "", *opened.headers):
            checker.searched(text.encode(errors="surrogatepass"), "the handshake", opened.n)

    def _closed(self, checker: ConnectionChecker, closed: Closed) -> None:
        if self.profile.promises.runs_end_with_connection:
            self._model_calls.left(closed.connection, closed.at)
        _closed(checker, closed)

    def _missed(self, missed: Stalled | ClockMoved | Crowded) -> None:
        """The suite stood still, its wall clock was moved, or its machine was busy: no time is judged across that."""
        if isinstance(missed, Crowded):
            self._crowded(missed)
            return
        if isinstance(missed, ClockMoved):
            self._moved_s += abs(missed.by_s)
            for each in self.connections.values():
                each.clock_moved(self._moved_s)
            return
        stalled = missed
        self.registry.stalled(stalled.at, stalled.for_s)
        self._model_calls.stalled(stalled.at, stalled.for_s)
        for checker in self.connections.values():
            checker.stalled(stalled.at, stalled.for_s)

    def _crowded(self, crowded: Crowded) -> None:
        """The machine was busy, which is known at the end of such a time only: what was late meanwhile is no finding.

        It was not idle just before that either, since the times are measured second by second.
        """
        stalls = self.registry.stalls
        stalls.crowded = stalls.crowded or crowded.why
        since = crowded.at - 2 * crowded.for_s
        for at, finding in self._late:
            if at >= since:
                self.findings.remove(finding)
                stalls.unjudged[finding.rule] += 1
        self._late = [(at, finding) for at, finding in self._late if at < since]

    @property
    def own_canary_seen(self) -> set[str]:
        """The users whose own canary was seen on their own connection."""
        return {checker.user for checker in self.connections.values() if checker.search.seen_own}

    @property
    def who_saw_whom(self) -> set[tuple[str, str]]:
        """(a user, another user of whom they received a canary, as far as its owner can be read, or an event)."""
        saw: set[tuple[str, str]] = set()
        for checker in self.connections.values():
            owners = [self._user_of_persona.get(owner, owner) for owner in checker.search.others]
            owners += checker.correlation.foreign_frames if checker.correlation.foreign_leaks else ()
            saw.update((checker.user, owner) for owner in owners)
        return saw

    def relation(self, name: str, users: Iterable[str]) -> IsolationPair:
        """What these users saw of their own and received of each other."""
        watched = tuple(users)
        saw = self.who_saw_whom
        correlations = [checker.correlation for checker in self.connections.values() if checker.user in watched]
        return IsolationPair(
            name, watched,
            own_seen=isolation.proven(watched, self.own_canary_seen, self._rules),
            saw=tuple(sorted(pair for pair in saw if pair[0] in watched)),
            by_design=sum(each.foreign_frames.total() for each in correlations if not each.foreign_leaks),
        )  # fmt: skip

    def finish(self) -> None:
        """The trace is complete: what has not ended yet never will."""
        for checker in self.connections.values():
            checker.finish(self._last.n if self._last is not None else 0)
        self._model_calls.judge(self.connections)
        last = {checker.user: checker for checker in self.connections.values()}
        for thread in self.registry.threads.values():
            if thread.missing and not self.registry.tabs(thread.user).closed_in_run:
                continuity.on_finish(thread, last[thread.user].report)

    def _checker(self, record: AnyRecord) -> ConnectionChecker:
        checker = self.connections.get(record.connection)
        if checker is None:
            user = record.user if isinstance(record, Opened | Closed | Cut) else ""
            checker = self.connections[record.connection] = ConnectionChecker(
                self.profile, self.budgets, self.registry, user, record.connection,
                epoch_s=self.epoch_s, found=self._found, rules=self._rules,
            )  # fmt: skip
            checker.clock_moved(self._moved_s)
            for observer in self._observers:
                checker.observe(observer)
            for watcher in self._event_observers:
                checker.observe_events(watcher)
        return checker


def _end_of_messages(records: Sequence[AnyRecord], first: int) -> int:
    """The index behind the messages that came on one connection from the first one on, with nothing in between."""
    connection = records[first].connection
    for index in range(first + 1, len(records)):
        record = records[index]
        if type(record) is not Received or record.connection != connection:
            return index
    return len(records)


def _note_persona(checker: ConnectionChecker, record: Opened | Closed) -> None:
    if record.persona:
        checker.search.add_own(owner_code(record.persona))


def _note_captured(registry: IdRegistry, checker: ConnectionChecker, record: Opened) -> None:
    """What was captured before the connection: the reader needs it, and it says whose the connection is."""
    checker.reader.opened(record.user_id, record.values, resumes=record.resumes is not None)
    if record.foreign:
        return  # what it names is not the user's
    for value in (*record.values.values(), *record.earlier):
        registry.scope(str(value), record.user)
    registry.captured.append((record.user, checker.reader.values))
    registry.keeps(record.connection, record.values)


def _sent(checker: ConnectionChecker, sent: Sent) -> None:
    if sent.foreign:
        checker.attempted(_attempt(sent))
    if sent.foreign or sent.what == "start":
        checker.correlation.names(f"{sent.text} {sent.thread} {sent.run} {sent.request} {sent.claims}")
    if sent.what == "start":
        checker.search.typed(sent.text)
        at = sent.at if sent.intended_at is None else sent.intended_at
        # A request that names another user's thread is owed no run in it.
        thread = sent.thread if not sent.foreign or sent.claims is not None else None
        refusable = sent.refusable or bool(sent.behind or sent.unwelcome)
        # Of what may wait for a request that is not known, or is another user's, no time is judged.
        excused = refusable and (not sent.behind or bool(sent.foreign))
        checker.asked(Request(
            sent.n, at, sent.request, thread, sent.expect, foreign=bool(sent.foreign or sent.unwelcome),
            refusable=refusable, behind=sent.behind, excused=excused, untimed=excused, unwelcome=sent.unwelcome,
        ))  # fmt: skip
    elif sent.what in ("again", "stop", "respond"):
        _sent_in_run(checker, sent)
    elif sent.what == "ping":
        checker.pinged(sent.nonce, sent.n)
    elif sent.what == "pings":
        checker.connection_rules.flooded = True
    elif sent.what == "invalid":
        checker.sent_invalid(Request(sent.n, sent.at, sent.request, None, None))
    elif sent.what == "restore" and sent.thread is not None and not sent.foreign:
        checker.restoring(sent.thread, sent.last_seq, sent.at)


def _sent_in_run(checker: ConnectionChecker, sent: Sent) -> None:
    """Something was sent about a request that was sent before: its copy, a stop, or an answer to what is asked."""
    if sent.what == "again":
        checker.correlation.names(sent.text)
        checker.requests.repeated(sent.request)
    elif sent.what == "respond":
        checker.connection_rules.spoken = True
        checker.requests.responding(
            sent.run, sent.input, sent.at, sent.n, approves=sent.approves, unwelcome=sent.unwelcome
        )  # fmt: skip
    elif not (sent.foreign and sent.run is None):
        checker.stop_sent(sent)


def _attempt(sent: Sent) -> ForeignAttempt:
    where = f"thread {sent.thread}" if sent.thread is not None else "a conversation"
    named = f"run {sent.run}" if sent.what in ("stop", "respond") else where
    thread = sent.thread if sent.claims is None else None
    return ForeignAttempt(sent.n, sent.foreign, named, thread, sent.request, sent.claims, behind=sent.behind)


def _by_opening(
    checker: ConnectionChecker, record: Opened | Closed, what: str, thread: str | None = None
) -> ForeignAttempt:  # fmt: skip
    by_event_id = checker.profile.spec.resumes_by_event_id
    return ForeignAttempt(
        record.n, record.foreign, what, thread, None, by_opening=True, by_event_id=by_event_id, behind=record.behind
    )  # fmt: skip


def _closed(checker: ConnectionChecker, closed: Closed) -> None:
    in_handshake = closed.during == "handshake"
    where = "the answer to the handshake" if in_handshake else "the reason of the close"
    _note_persona(checker, closed)
    for text in (closed.reason, *closed.headers, closed.body):
        checker.searched(text.encode(errors="surrogatepass"), where, closed.n)
    if in_handshake:
        if closed.unwelcome and not closed.unreachable:
            checker.unwelcome(closed.unwelcome, closed.n)
        if closed.foreign and not closed.unreachable:
            checker.opened_for(_by_opening(checker, closed, "a conversation"))
        checker.refused(closed.status, closed.reason, closed.n, unanswered=closed.unanswered)
    elif closed.abandoned:
        checker.gave_up(closed.code, closed.reason, closed.n)
    else:
        checker.closed(closed.by, closed.code, closed.at, closed.n, closed.reason)
