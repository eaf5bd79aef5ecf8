"""Who owns what: the ids that were seen of runs, threads, users, connections and requests, each with its first user.

One registry serves all connections that are judged together. Ended and abandoned runs are kept for a bounded time, so
that what arrives late is still known.
"""

import re
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice, repeat
from typing import Final, NamedTuple, TypeVar

from greenlight_gate.events import Control, Event
from greenlight_gate.rules.engine.disturbed_answers import DisturbedAnswers
from greenlight_gate.rules.engine.run_state import GivenAnswer, OpenTool, RunState, Stage, Thread, UserTabs
from greenlight_gate.rules.engine.suite_stalls import Stalls, skip_in_request, skip_in_run

_MOST_ENDED = 16_384
# The last 16,384 that were answered, and 32,768 open ones.
_MOST_REQUESTS = 49_152
_MOST_THREADS = 262_144
_MOST_USERS = 262_144
_MOST_NAMES = 1024
# The owner of a word that only ends a name.
_OF_A_NAME = "\0"
_MOST_CONNECTIONS = 262_144
# Nothing is ever opened after the end: all ended runs share one empty list.
_NO_TOOLS: list[OpenTool] = []
# Shorter ids occur in answers by chance.
_SHORTEST_ID: Final = 12
_LONG_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.:-]{{{_SHORTEST_ID - 1},127}}", re.ASCII)
# All that no id is made of becomes a space, so that what is left are words.
_WORDS: Final = re.sub(rb"[^A-Za-z0-9_.:@-]", b" ", bytes(range(256)))
# Where no id has a colon, which is looked at for each frame, a colon ends a word.
_WITHOUT_COLONS: Final = _WORDS.replace(b":", b" ")
# A word behind an escape of JSON, which may itself stand in a text of JSON. The limit keeps the search linear.
_ESCAPED = re.compile(rb"\\\\{0,7}(?:[bfnrt]|u[0-9A-Fa-f]{4})([A-Za-z0-9_.:@-]{4,})")
# What ids may hold inside, and sentences have around them.
_EDGES: Final = b".:_"
# A colon at the end of a word. Behind the key of a JSON object there is one as well, but after a quote, now a space.
_COLON = re.compile(rb":(?= )(?<! :)")
# A user id that can be nothing else: letters, and a digit or a sign between or behind them.
_USER_ID = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9_.:@-])[A-Za-z0-9][A-Za-z0-9_.:@-]{3,127}", re.ASCII)
_NAME = re.compile(r"(?=.*[A-Za-z]{2})[A-Za-z0-9_.:@' -]{3,128}", re.ASCII)
# Values of many messages, which may be names of users as well.
_COMMON = frozenset({
    "user", "admin", "administrator", "assistant", "agent", "bot", "system", "guest", "anonymous", "test", "tester",
    "demo", "default", "root", "owner", "member", "client", "customer", "human", "person", "public", "private", "none",
    "null", "true", "false", "unknown", "name", "you",
})  # fmt: skip

V = TypeVar("V")


class OwnedId(NamedTuple):
    """An id of another user: the owner ("": not known), what it is (a run, thread, user, ...), and the id itself."""

    owner: str
    what: str
    id: str


class IdRegistry:
    """What several connections know together.

    `owners`: whose the long ids are that runs and threads have, and the user ids that can be nothing else, or the last
    words of names (`_OF_A_NAME`); `sole`: whose all of them are, "" if several users'. `captured`: each connection's
    user with the values of its reader, of which `scope_names` say whose a frame is, and `kept_names` are those that a
    user keeps over a reconnect. `asking`: by thread, the open runs
    in which something was asked of the user.
    """

    def __init__(self) -> None:
        self.stalls = Stalls()
        self.answers: dict[str, GivenAnswer] = {}
        self.disturbed = DisturbedAnswers()
        self.runs: dict[str, RunState] = {}
        self.ended: dict[str, RunState] = {}
        self.threads: dict[str, Thread] = {}
        self.names: dict[str, str] = {}
        self.connections: dict[str, str] = {}
        self._named: dict[str, str] = {}
        self.scopes: dict[str, str] = {}
        self.scope_names: tuple[str, ...] = ()
        self.captured: list[tuple[str, Mapping[str, object]]] = []
        self.kept_names: frozenset[str] = frozenset()
        self._kept: dict[str, frozenset[str]] = {}
        self.requests: dict[str, str | None] = {}
        self.users: dict[str, UserTabs] = {}
        self.owners: dict[bytes, str] = {}
        self._colons = False
        self._shortest = sys.maxsize
        self._told: dict[str, str] = {}
        self._by_last_word: dict[bytes, list[str]] = {}
        self.sole: str | None = None
        self._abandoned: deque[str] = deque()
        self.asking: dict[str | None, list[RunState]] = {}

    def stalled(self, at: float, for_s: float) -> None:
        """The suite stood still for so long until `at`: that time counts for no run, and for no request left open."""
        self.stalls.add(for_s)
        for run in self.runs.values():
            skip_in_run(run, at, for_s)
        for tabs in self.users.values():
            for ask in tabs.unfinished:
                skip_in_request(ask, at, for_s, long=self.stalls.is_long)

    def thread(self, thread_id: str, user: str) -> Thread:
        """The thread; it becomes this user's if nobody had it before."""
        thread = self.threads.get(thread_id)
        if thread is None:
            thread = self.threads[thread_id] = Thread(user)
            self._owned(thread_id, user)
            for oldest in _forget_oldest(self.threads, _MOST_THREADS):
                self._disown(oldest)
        return thread

    def begin(self, run: RunState) -> None:
        """A run is open from now on."""
        self.runs[run.id] = run
        self._owned(run.id, run.user)

    def add_user(self, user_id: str, user: str) -> None:
        """Notes whose user id it is, if it was not known."""
        if user_id not in self.names:
            self.names[user_id] = user
            if _USER_ID.fullmatch(user_id):
                self._owned(user_id, user)
            else:
                self.add_name(user_id, user)
        for oldest in _forget_oldest(self.names, _MOST_USERS):
            self._disown(oldest)

    def add_name(self, name: str, user: str) -> None:
        """Notes a name by which the backend knows a user, unless many messages hold it; one of two users names neither.

        Only a whole JSON text of it counts: a name may be a word of any language.
        """
        if not _NAME.fullmatch(name) or name.casefold() in _COMMON or len(self._told) >= _MOST_NAMES:
            return
        if self._told.setdefault(name, user) != user:
            self._told[name] = ""
            return
        last = name.encode().translate(_WORDS).split()[-1]
        names = self._by_last_word.setdefault(last, [])
        if name not in names:
            names.append(name)
        self.owners.setdefault(last, _OF_A_NAME)
        self._shortest = min(self._shortest, len(last))
        self.sole = user if self.sole in (None, user) else ""

    def connection(self, connection: str, user: str, at: str) -> str:
        """Whose open connection it is, by the backend's own id; this user's own (`at`), if no open one has the id."""
        owner = self.connections.get(connection)
        if owner is None and at not in self._named:
            self.connections[connection], self._named[at] = user, connection
            _forget_oldest(self.connections, _MOST_CONNECTIONS)
            _forget_oldest(self._named, _MOST_CONNECTIONS)
        return owner or user

    def disconnected(self, at: str) -> None:
        """A connection has ended: backends use its id again."""
        name = self._named.pop(at, None)
        if name is not None:
            self.connections.pop(name, None)

    def scope(self, value: str, user: str) -> None:
        """Notes whose connection a captured value, such as a session id, belongs to; one of two users names neither."""
        if self.scopes.setdefault(value, user) != user:
            self.scopes[value] = ""
        _forget_oldest(self.scopes, _MOST_CONNECTIONS)

    def owner_of(self, value: str) -> str:
        """Whose a value is by which a frame says that it is not this connection's; "" if not known, or two users'."""
        if value in self.scopes:
            return self.scopes[value]
        users = {user for user, values in self.captured for name in self.scope_names if str(values.get(name)) == value}
        if not users:
            run, thread = self.find(value), self.threads.get(value)
            users.update(each.user for each in (run, thread) if each is not None)
            users.update(filter(None, (self.names.get(value),)))
        return users.pop() if len(users) == 1 else ""

    def was_given(self, value: str, user: str, other: str = "") -> bool:
        """Whether a connection of the user was given this value, and none of the other user: then it is theirs."""
        users = {whose for whose, values in self.captured if value in map(str, values.values())}
        return user in users and other not in users

    def keeps(self, connection: str, values: Mapping[str, object]) -> None:
        """Notes the values of a connection that the user's next one has as well."""
        if self.kept_names:
            self._kept[connection] = frozenset(str(values[name]) for name in self.kept_names & values.keys())
            _forget_oldest(self._kept, _MOST_CONNECTIONS)

    def follows(self, connection: str, earlier: str) -> bool:
        """Whether a connection has what an earlier one had that is kept over a reconnect."""
        return not self._kept.get(connection, frozenset()).isdisjoint(self._kept.get(earlier, ()))

    def follows_another(self, connection: str) -> bool:
        """Whether any earlier connection had what this one has kept."""
        return any(self.follows(connection, each) for each in self._kept if each != connection)

    def request(self, request: str, user: str) -> None:
        """Notes who sent a request with this id. One that two users chose names neither of them."""
        requests = self.requests
        if requests.setdefault(request, user) != user:
            requests[request] = None
        if len(requests) > _MOST_REQUESTS:
            _forget_oldest(requests, _MOST_REQUESTS)

    def tabs(self, user: str) -> UserTabs:
        """The connections of a user."""
        return self.users.setdefault(user, UserTabs())

    def find(self, run_id: str) -> RunState | None:
        """The run, open or ended, if it is known."""
        return self.runs.get(run_id) or self.ended.get(run_id)

    def has_shown(self, thread_id: str, user: str) -> bool:
        """Whether the user has received any run of this thread, as far back as runs are kept."""
        return any(
            run.thread == thread_id and run.user == user for runs in (self.runs, self.ended) for run in runs.values()
        )

    # What belongs to another user ---------------------------------------------------------------------------------

    def foreign_in_event(self, event: Event, user: str) -> OwnedId | None:
        """The first id that an event names and that belongs to another user, if any."""
        run = self.find(event.run) if event.run is not None else None
        if run is not None and run.user != user:
            return OwnedId(run.user, "run", run.id)
        user_id = event.user
        if user_id is not None and self.names.get(user_id, user) != user:
            return OwnedId(self.names[user_id], "user", user_id)
        thread = self.threads.get(event.thread) if event.thread is not None else None
        if thread is not None and thread.user != user and not self.was_given(event.thread or "", user, thread.user):
            return OwnedId(thread.user, "thread", event.thread or "")
        return self._foreign_request(event.request, user)

    def foreign_in_control(self, control: Control, user: str, at: str) -> OwnedId | None:
        """The same for a frame of the protocol that came on the user's connection `at`.

        A connection that it names and that nobody has open is this one. Ids of connections may repeat, since each
        replica counts for itself: a frame that names the user as well is theirs.
        """
        connection, request = control.values.get("connection"), control.values.get("request")
        if isinstance(connection, str | int) and connection != "":
            owner = self.connection(str(connection), user, at)
            if owner != user and self.names.get(str(control.values.get("user"))) != user:
                return OwnedId(owner, "connection", str(connection))
        return self._foreign_request(str(request), user) if isinstance(request, str | int) else None

    def foreign_in_text(self, data: bytes, user: str, *, users: bool = True) -> list[OwnedId]:
        """All ids of other users' runs and threads in a text, and with `users` those of users and their names, sorted.

        Only long ids of runs and threads: short ones occur by chance.
        """
        found = (self._foreign_word(word, data, user, users=users) for word in sorted(self.foreign_words(data, user)))
        return [each for each in found if each is not None]

    def foreign_words(self, data: bytes, user: str) -> list[bytes]:
        """The words of a text that may be ids of other users."""
        owners = self.owners
        # Nearly all words of a text are no ids, and of the others nearly all are the user's own.
        words = _words(data, least=self._shortest, colons=self._colons)
        return [word for word in owners.keys() & words if owners[word] != user]

    def _foreign_word(self, word: bytes, data: bytes, user: str, *, users: bool) -> OwnedId | None:
        name = word.decode()
        run, thread = self.find(name), self.threads.get(name)
        if run is not None and run.user != user:
            return OwnedId(run.user, "run", name)
        if thread is not None and thread.user != user and not self.was_given(name, user, thread.user):
            return OwnedId(thread.user, "thread", name)
        if not users:
            return None
        owner = self.names.get(name, user)
        if owner != user and self.owners[word] == owner:
            return OwnedId(owner, "user", name)
        for told in self._by_last_word.get(word, ()):
            if self._told[told] not in ("", user) and b'"%b"' % told.encode() in data:
                return OwnedId(self._told[told], "name", told)
        return None

    def _foreign_request(self, request: str | None, user: str) -> OwnedId | None:
        asker = self.requests.get(request) if request else None
        return OwnedId(asker, "request", request or "") if asker is not None and asker != user else None

    # What is over -------------------------------------------------------------------------------------------------

    def end(self, run: RunState, event_id: str | int | None) -> None:
        """An open run has ended: little of it is kept, and only for a while."""
        self.runs.pop(run.id, None)
        run.stage = Stage.ENDED
        run.event_ids.clear()
        if event_id is not None:
            run.event_ids.add(event_id)
        run.tools = _NO_TOOLS
        run.said = None
        run.thought = run.other_text = run.results = ""
        self.ended[run.id] = run
        if len(self.ended) > _MOST_ENDED:
            for oldest in _forget_oldest(self.ended, _MOST_ENDED):
                self._disown(oldest)

    def no_longer_asks(self, run: RunState) -> None:
        """A run has ended in which something was asked of the user."""
        runs = [other for other in self.asking.pop(run.thread, ()) if other is not run]
        if runs:
            self.asking[run.thread] = runs

    def abandon(self, run: RunState) -> None:
        """The end of this run is no longer waited for; the oldest such runs are forgotten."""
        self._abandoned.append(run.id)
        if len(self._abandoned) > _MOST_ENDED:
            oldest = self._abandoned.popleft()
            if self.runs.pop(oldest, None) is not None:
                self._disown(oldest)

    def _owned(self, name: str, user: str) -> None:
        if _LONG_ID.fullmatch(name) or name in self.names:
            self._colons = self._colons or ":" in name
            self._shortest = min(self._shortest, len(name))
            self.owners[name.encode()] = user
            self.sole = user if self.sole in (None, user) else ""

    def _disown(self, name: str) -> None:
        if self.find(name) is None and name not in self.threads and name not in self.names:
            self.owners.pop(name.encode(errors="surrogatepass"), None)


def words_of(text: bytes) -> list[str]:
    """All in a text that may be an id."""
    return [word.decode() for word in _words(text)]


def _words(data: bytes, *, least: int = 1, colons: bool = True) -> list[bytes]:
    """The words of a text that have so many characters, at least.

    Also without an escape before them, and without the signs of a sentence around them.
    """
    text = data.translate(_WORDS if colons else _WITHOUT_COLONS)
    words = [word for word in text.split() if len(word) >= least]
    if b"\\" in data:
        words += _ESCAPED.findall(data)
    # Faster than "in": full stops and underscores are rarer than spaces.
    if text.rfind(b". ") >= 0 or text.rfind(b"_ ") >= 0 or (colons and _COLON.search(text) is not None):
        words += [*map(bytes.strip, words, repeat(_EDGES))]
    return words


def _forget_oldest(known: dict[str, V], most: int) -> Sequence[str]:
    """Keeps to the limit; returns the keys that were removed for it."""
    if len(known) <= most:
        return ()
    # A dict looks for its first key among all that are gone: so many go at once that this does not matter.
    oldest = list(islice(known, most // 16 + 1))
    for key in oldest:
        del known[key]
    return oldest
