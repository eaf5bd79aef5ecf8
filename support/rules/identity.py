"""IDENTITY: to which question an event belongs, and whether it says so itself."""

from support.events import Event, EventKind
from support.rules.book import Book
from support.rules.isolation import stranger
from support.rules.state import Ask, Report, Run

_PLACEHOLDERS = frozenset(
    {"", "registry", "null", "none", "nil", "undefined", "unknown", "placeholder", "default", "run", "run_id", "run-id",
     "id", "test", "todo", "tbd", "n/a", "na", "temp", "0", "-1", "string", "uuid", "nan", "false", "true",
     "00000000-0000-0000-0000-000000000000"}
)  # fmt: skip


class Desk:
    """The open questions of one connection, and the runs that answer them."""

    def __init__(self, book: Book, person: str, connection: str, report: Report) -> None:
        self.book = book
        self.person = person
        self.connection = connection
        self.user: str | None = None
        self.report = report
        self.asks: list[Ask] = []
        self.by_request: dict[str, Ask] = {}
        self.runs: dict[str | None, Run] = {}
        self.restored: set[str] = set()

    def asked(self, ask: Ask) -> None:
        """Remembers a question until its run has ended."""
        self.asks.append(ask)
        if ask.request is not None:
            self.by_request[ask.request] = ask

    def settle(self, run: Run, event_id: str | None) -> None:
        """Forgets the question of a run that has ended; a few words of the run stay known for a while."""
        ask = run.ask
        if ask is not None:
            ask.run = None
            self.drop(ask)
        self.runs.pop(run.id, None)
        self.book.end(run, event_id)

    def drop(self, ask: Ask) -> None:
        """Expects nothing more for a question."""
        if ask in self.asks:
            self.asks.remove(ask)
        if ask.request is not None:
            self.by_request.pop(ask.request, None)

    def attribute(self, event: Event, at: float, n: int) -> Run | None:
        """The run that the event belongs to; None for what is not this connection's.

        Takes the run id at its word only where it agrees with the request id, the thread and the owner; reports
        IDENTITY-1, IDENTITY-2 and ISOLATION-2 where it does not.
        """
        other = stranger(self.book, self.person, event)
        if other is not None:
            whose, what = other
            came = f"{event.kind} that belongs to {what} of {whose}"
            self.report("ISOLATION-2", f"only what belongs to {self.person}", came, n)
        run = self._find(event, at, n, foreign=other is not None)
        if run is not None:
            if other is None:
                self._same_thread_and_user(run, event, n)
            self._remember(run, event)
        return run

    def _find(self, event: Event, at: float, n: int, *, foreign: bool) -> Run | None:
        ask = self.by_request.get(event.request) if event.request is not None else None
        if event.run is None or event.run.strip().casefold() in _PLACEHOLDERS:
            self._wrong("a run id", f"{event.run!r} in {event.kind}", n)
            return self._guess(event, ask, at, n)
        known = self.book.runs.get(event.run)
        if known is None:
            return self._ended(event, ask, n) or self._unknown(event, ask, at, n, foreign=foreign)
        if known.person != self.person:
            return self._guess(event, ask, at, n) if ask is not None else None
        if known.connection != self.connection:
            return self._moved(known, event, n)
        if ask is not None and known.ask is not ask and known.parent is None:
            self._wrong(f"the run of request {event.request}", f"run {event.run} of request {known.request}", n)
            return self._guess(event, ask, at, n)
        return known

    def _ended(self, event: Event, ask: Ask | None, n: int) -> Run | None:
        run = self.book.revive(event.run or "")
        if run is None or run.person != self.person:
            return None
        again = ask or (self._waiting(event) if event.request is None and event.kind is EventKind.STARTED else None)
        if again is None:
            return run
        self._wrong("a run id of its own for each question", f"run {event.run}, which has ended before", n)
        return again.run or self._begin(f"?{again.n}", again, event, n=n, at=run.last_at)

    def _unknown(self, event: Event, ask: Ask | None, at: float, n: int, *, foreign: bool) -> Run | None:
        parent = self.runs.get(event.parent) if event.parent is not None else None
        if parent is not None:
            return self._begin(event.run, None, event, at, n, parent)
        if ask is None and event.request is None:
            ask = self._waiting(event)
        if ask is not None and ask.run is None:
            return self._begin(event.run, ask, event, at, n)
        if foreign or (event.thread is not None and event.thread in self.restored):
            return None
        run = ask.run if ask is not None else self._only_open()
        if run is not None:
            self._wrong(f"run id {run.id} throughout", f"{event.run} in {event.kind}", n, run)
            return run
        self._wrong("events of runs that were asked for", f"{event.kind} of run {event.run}, which nobody asked for", n)
        return None

    def _guess(self, event: Event, ask: Ask | None, at: float, n: int) -> Run | None:
        ask = ask or self._waiting(event)
        if ask is None:
            return self._only_open()
        return ask.run or self._begin(f"?{ask.n}", ask, event, at, n)

    def _waiting(self, event: Event) -> Ask | None:
        """The oldest question without an answer that the event may belong to."""
        for ask in self.asks:
            if ask.run is None and (ask.thread is None or event.thread in (None, ask.thread)):
                return ask
        return None

    def _only_open(self) -> Run | None:
        runs = [run for run in self.runs.values() if run.parent is None]
        return runs[0] if len(runs) == 1 else None

    def _moved(self, run: Run, event: Event, n: int) -> Run | None:
        if run.thread in self.restored:
            run.connection = self.connection
            self.runs[run.id] = run
            return run
        self._wrong("events on the connection that asked", f"{event.kind} of run {run.id} on another window", n)
        return None

    def _begin(
        self, run_id: str | None, ask: Ask | None, event: Event, at: float, n: int, parent: Run | None = None
    ) -> Run:
        run = Run(run_id or f"?{n}", self.person, self.connection, n, at, ask)
        run.parent = parent
        run.thread, run.user = event.thread, event.user
        if ask is not None:
            ask.run = run
        self.runs[run.id] = self.book.runs[run.id] = run
        return run

    def _same_thread_and_user(self, run: Run, event: Event, n: int) -> None:
        asked = run.ask.thread if run.ask is not None else None
        due = asked or run.thread
        if event.thread is not None and due is not None and event.thread != due:
            self.report("IDENTITY-2", f"thread {due}", f"thread {event.thread} in {event.kind}", n, run=run)
        if run.thread is not None and event.thread is None:
            self.report("IDENTITY-2", f"thread {due}", f"no thread id in {event.kind}", n, run=run)
        user = self.user or run.user
        if event.user is not None and user is not None and event.user != user:
            self.report("IDENTITY-2", f"user {user}", f"user {event.user} in {event.kind}", n, run=run)

    def _remember(self, run: Run, event: Event) -> None:
        run.request = event.request
        run.user = event.user if run.user is None else run.user
        run.thread = event.thread if run.thread is None else run.thread
        if event.thread is not None:
            self.book.thread(event.thread, self.person)

    def _wrong(self, expected: str, actual: str, n: int, run: Run | None = None) -> None:
        self.report("IDENTITY-1", expected, actual, n, run=run)
