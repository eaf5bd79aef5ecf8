"""Who owns what: the ids that were seen of runs, threads, users, connections and requests, with their first person.

One book serves all connections that are judged together. Ended and abandoned runs are kept for a bounded time, so
that what arrives late is still known.
"""

from collections import deque
from typing import TypeVar

from support.rules.state import OpenTool, Run, Stage, Thread, Windows

_MOST_ENDED = 16_384
# Those that were answered last, and as many open ones.
_MOST_REQUESTS = 131_072
_MOST_THREADS = 262_144
_MOST_USERS = 262_144
_MOST_CONNECTIONS = 262_144
# Nothing is ever opened after the end: all ended runs share one empty list.
_NO_TOOLS: list[OpenTool] = []

K = TypeVar("K")
V = TypeVar("V")


class Book:
    """Shared memory of several connections."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.ended: dict[str, Run] = {}
        self.threads: dict[str, Thread] = {}
        self.users: dict[str, str] = {}
        self.connections: dict[str, str] = {}
        self.scopes: dict[str, str] = {}
        self.requests: dict[str, str | None] = {}
        self.people: dict[str, Windows] = {}
        self._abandoned: deque[str] = deque()

    def thread(self, thread_id: str, person: str) -> Thread:
        """The thread, claimed for the person if nobody had it before."""
        thread = self.threads.get(thread_id)
        if thread is None:
            thread = self.threads[thread_id] = Thread(person)
            _forget_oldest(self.threads, _MOST_THREADS)
        return thread

    def user(self, user: str, person: str) -> None:
        """Notes whose user id it is, if it was not known."""
        self.users.setdefault(user, person)
        _forget_oldest(self.users, _MOST_USERS)

    def connection(self, connection: str, person: str) -> str:
        """Whose connection it is, by the backend's own id; the person's, if it was not known."""
        owner = self.connections.setdefault(connection, person)
        _forget_oldest(self.connections, _MOST_CONNECTIONS)
        return owner

    def scope(self, value: str, person: str) -> None:
        """Notes whose connection a captured value belongs to, such as a session; one that two have is nobody's."""
        if self.scopes.setdefault(value, person) != person:
            self.scopes[value] = ""
        _forget_oldest(self.scopes, _MOST_CONNECTIONS)

    def request(self, request: str, person: str) -> None:
        """Notes who asked under this id. One that two people chose names neither of them."""
        requests = self.requests
        if requests.setdefault(request, person) != person:
            requests[request] = None
        if len(requests) > _MOST_REQUESTS:
            del requests[next(iter(requests))]

    def windows(self, person: str) -> Windows:
        """The connections of a person."""
        return self.people.setdefault(person, Windows())

    def find(self, run_id: str) -> Run | None:
        """The run, open or ended, if it is known."""
        return self.runs.get(run_id) or self.ended.get(run_id)

    def has_shown(self, thread_id: str, person: str) -> bool:
        """Whether any run of this thread was shown to the person, as far back as runs are kept."""
        return any(
            run.thread == thread_id and run.person == person
            for runs in (self.runs, self.ended)
            for run in runs.values()
        )

    def end(self, run: Run, event_id: str | int | None) -> None:
        """An open run is over: little of it is kept, and not for ever."""
        self.runs.pop(run.id, None)
        run.stage = Stage.ENDED
        run.event_ids.clear()
        if event_id is not None:
            run.event_ids.add(event_id)
        run.tools = _NO_TOOLS
        run.said = None
        run.thought = run.aside = ""
        self.ended[run.id] = run
        _forget_oldest(self.ended, _MOST_ENDED)

    def abandon(self, run: Run) -> None:
        """Nobody waits for this run's end any more; the oldest such runs are forgotten."""
        self._abandoned.append(run.id)
        if len(self._abandoned) > _MOST_ENDED:
            self.runs.pop(self._abandoned.popleft(), None)


def _forget_oldest(book: dict[K, V], most: int) -> None:
    if len(book) > most:
        del book[next(iter(book))]
