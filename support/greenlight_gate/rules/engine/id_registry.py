"""Who owns what: the ids that were seen of runs, threads, users, connections and requests, with their first person.

One book serves all connections that are judged together. Ended and abandoned runs are kept for a bounded time, so
that what arrives late is still known.
"""

import re
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final, TypeVar

from greenlight_gate.rules.engine.run_state import OpenTool, RunState, Stage, Thread, UserTabs

_MOST_ENDED = 16_384
# The last 16,384 that were answered, and 32,768 open ones.
_MOST_REQUESTS = 49_152
_MOST_THREADS = 262_144
_MOST_USERS = 262_144
_MOST_CONNECTIONS = 262_144
# Nothing is ever opened after the end: all ended runs share one empty list.
_NO_TOOLS: list[OpenTool] = []
# Shorter ids occur in answers by chance.
SHORTEST_ID: Final = 12
_LONG_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.:-]{{{SHORTEST_ID - 1},127}}", re.ASCII)

V = TypeVar("V")


class IdRegistry:
    """Shared memory of several connections.

    `owners`: whose the long ids are that runs and threads have; `sole`: whose all of them are, "" if several people's.
    """

    def __init__(self) -> None:
        self.runs: dict[str, RunState] = {}
        self.ended: dict[str, RunState] = {}
        self.threads: dict[str, Thread] = {}
        self.users: dict[str, str] = {}
        self.connections: dict[str, str] = {}
        self.scopes: dict[str, str] = {}
        self.requests: dict[str, str | None] = {}
        self.people: dict[str, UserTabs] = {}
        self.owners: dict[bytes, str] = {}
        self.sole: str | None = None
        self._abandoned: deque[str] = deque()

    def thread(self, thread_id: str, person: str) -> Thread:
        """The thread, claimed for the person if nobody had it before."""
        thread = self.threads.get(thread_id)
        if thread is None:
            thread = self.threads[thread_id] = Thread(person)
            self._owned(thread_id, person)
            for oldest in _forget_oldest(self.threads, _MOST_THREADS):
                self._disown(oldest)
        return thread

    def begin(self, run: RunState) -> None:
        """A run is open."""
        self.runs[run.id] = run
        self._owned(run.id, run.person)

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
            _forget_oldest(requests, _MOST_REQUESTS)

    def windows(self, person: str) -> UserTabs:
        """The connections of a person."""
        return self.people.setdefault(person, UserTabs())

    def find(self, run_id: str) -> RunState | None:
        """The run, open or ended, if it is known."""
        return self.runs.get(run_id) or self.ended.get(run_id)

    def has_shown(self, thread_id: str, person: str) -> bool:
        """Whether any run of this thread was shown to the person, as far back as runs are kept."""
        return any(
            run.thread == thread_id and run.person == person
            for runs in (self.runs, self.ended)
            for run in runs.values()
        )

    def end(self, run: RunState, event_id: str | int | None) -> None:
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
        if len(self.ended) > _MOST_ENDED:
            for oldest in _forget_oldest(self.ended, _MOST_ENDED):
                self._disown(oldest)

    def abandon(self, run: RunState) -> None:
        """Nobody waits for this run's end any more; the oldest such runs are forgotten."""
        self._abandoned.append(run.id)
        if len(self._abandoned) > _MOST_ENDED:
            oldest = self._abandoned.popleft()
            if self.runs.pop(oldest, None) is not None:
                self._disown(oldest)

    def _owned(self, name: str, person: str) -> None:
        if _LONG_ID.fullmatch(name):
            self.owners[name.encode()] = person
            self.sole = person if self.sole in (None, person) else ""

    def _disown(self, name: str) -> None:
        if self.find(name) is None and name not in self.threads:
            self.owners.pop(name.encode(errors="surrogatepass"), None)


def _forget_oldest(book: dict[str, V], most: int) -> Sequence[str]:
    """Keeps to the limit; the keys that had to go for it."""
    if len(book) <= most:
        return ()
    # A dict looks for its first key among all that are gone: so many go at once that this does not matter.
    oldest = list(islice(book, most // 16 + 1))
    for key in oldest:
        del book[key]
    return oldest
