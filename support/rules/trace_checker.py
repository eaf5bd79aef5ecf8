"""A whole trace, judged record by record: the same in a running scenario and in a replay of its evidence."""

from support.events import Reading
from support.findings import Finding
from support.rules import continuity
from support.rules.book import Book
from support.rules.checker import ConnectionChecker
from support.rules.state import Ask, Budgets
from support.trace import AnyRecord, Closed, Opened, Received, Sent, TimedOut
from support.wire.profile import Profile


class TraceChecker:
    """Feeds the records of one scenario's trace to the checkers of its connections.

    `findings` grows as records come; `finish` judges what is left open.
    """

    def __init__(self, profile: Profile, budgets: Budgets, epoch_s: float) -> None:
        self.profile = profile
        self.budgets = budgets
        self.epoch_s = epoch_s
        self.findings: list[Finding] = []
        self.book = Book()
        self.connections: dict[str, ConnectionChecker] = {}
        self._last_n = 0

    def feed(self, record: AnyRecord) -> Reading | None:
        """Judges one record. Returns how a received message was read, None for other records."""
        self._last_n = record.n
        checker = self._checker(record)
        if isinstance(record, Received):
            data = record.data if record.data is not None else (record.text or "").encode(errors="surrogatepass")
            return checker.received(data, record.at, record.n, binary=record.binary)
        if isinstance(record, Sent):
            _sent(checker, record)
        elif isinstance(record, Opened):
            checker.opened(record.user, record.handshake_ms, record.n)
        elif isinstance(record, TimedOut):
            checker.timed_out(record.waiting_for, record.after_s, record.request, record.at, record.n, run=record.run)
        elif record.during == "handshake":
            if not record.expected:
                checker.refused(record.status, record.reason, record.n)
        elif record.given_up:
            checker.gave_up(record.code, record.reason, record.n)
        else:
            checker.closed(record.by, record.code, record.n)
        return None

    def finish(self) -> None:
        """The trace is complete: whatever has not ended never will."""
        for checker in self.connections.values():
            checker.finish(self._last_n)
        last = {checker.person: checker for checker in self.connections.values()}
        for thread in self.book.threads.values():
            if thread.missing and not self.book.windows(thread.person).torn:
                continuity.on_finish(thread, last[thread.person].report)

    def _checker(self, record: AnyRecord) -> ConnectionChecker:
        checker = self.connections.get(record.connection)
        if checker is None:
            person = record.person if isinstance(record, Opened | Closed) else ""
            checker = self.connections[record.connection] = ConnectionChecker(
                self.profile, self.budgets, self.book, person, record.connection,
                epoch_s=self.epoch_s, findings=self.findings,
            )  # fmt: skip
        return checker


def _sent(checker: ConnectionChecker, sent: Sent) -> None:
    if sent.what == "start":
        at = sent.at if sent.intended_at is None else sent.intended_at
        checker.asked(Ask(sent.n, at, sent.request, sent.thread, sent.expect))
    elif sent.what == "stop":
        checker.stop_sent(sent.run, sent.at)
    elif sent.what == "ping":
        checker.pinged(sent.nonce, sent.n)
    elif sent.what == "invalid":
        checker.sent_invalid(sent.n)
    elif sent.what == "restore" and sent.thread is not None:
        checker.restoring(sent.thread, sent.last_seq)
