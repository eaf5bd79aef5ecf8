"""How long users need to recover after the suite has cut their connection: from the first reconnect on."""

from greenlight_gate.events import Control, Event, Reading, each
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.rules.engine.suite_stalls import without
from greenlight_gate.trace import AnyRecord, Closed, Cut, Opened, Received, Sent, Stalled


class Recovery:
    """Follows the records of one trace after the other. A user has recovered once the missed events have come.

    One who restores nothing and asks again has recovered once that is being answered; the time in which they asked for
    nothing does not count, and neither does a request that may have to wait for another one. Where nothing is asked,
    it is enough that the backend says that it is ready, or lets them in where it says nothing. `times`: seconds.
    `cuts`: the connections that the suite cut, or had no chance to come about. `trying`: the connections on which a
    user is recovering, and since when; others do not matter.
    """

    def __init__(self) -> None:
        self.times = Histogram()
        self.cuts: set[str] = set()
        self._users: dict[str, str] = {}
        self._away: dict[str, float | None] = {}
        self.trying: dict[str, float] = {}
        self._in: dict[str, float] = {}
        # How long the reconnect took, and when the user asked again.
        self._asked: dict[str, tuple[float, float]] = {}

    def take(self, record: AnyRecord, reading: Reading | None) -> None:
        """One record, with how it was read."""
        connection = record.connection
        if isinstance(record, Cut):
            self._cut(record)
        elif isinstance(record, Stalled):
            self._stalled(record)
        elif isinstance(record, Opened):
            self._users[connection] = record.user
            if record.user in self._away:
                began = self._away.pop(record.user)
                began = record.at - record.handshake_ms / 1e3 if began is None else began
                self.trying[connection] = began
                self._in[connection] = record.at - began
        elif isinstance(record, Closed) and record.during == "handshake":
            self._tried(record.user, record.at)
        elif connection in self.trying:
            self._reconnects(record, reading)

    def end_of_trace(self) -> None:
        """A user who asked for nothing has recovered as soon as the connection was accepted."""
        for took in self._in.values():
            self.times.record(took)
        self.cuts.clear()
        for known in (self._users, self._away, self.trying, self._in, self._asked):
            known.clear()

    def _stalled(self, stalled: Stalled) -> None:
        """The suite stood still: that time counts for no user who was away or reconnected meanwhile."""
        for users in (self._away, self.trying):
            for name, began in users.items():
                if began is not None:
                    users[name] = without(began, stalled.at, stalled.for_s)
        for connection, (took, asked_at) in self._asked.items():
            self._asked[connection] = took, without(asked_at, stalled.at, stalled.for_s)

    def _cut(self, cut: Cut) -> None:
        self.cuts.add(cut.connection)
        user = self._users.get(cut.connection)
        if user is None:
            self._tried(cut.user, cut.at)
        else:
            self._away[user] = None

    def _tried(self, user: str, at: float) -> None:
        if user in self._away and self._away[user] is None:
            self._away[user] = at

    def _reconnects(self, record: AnyRecord, reading: Reading | None) -> None:
        connection = record.connection
        if isinstance(record, Sent):
            if record.what == "restore":
                self._in.pop(connection, None)
            elif record.what == "start" and not record.refusable and connection in self._in:
                self._asked[connection] = self._in.pop(connection), record.at
        elif isinstance(record, Received) and isinstance(reading, Control):
            took = record.at - self.trying[connection]
            if reading.name == "restored":
                self._recovered(connection, took)
            elif reading.name == "ready" and connection in self._in:
                self._in[connection] = took
        elif connection in self._asked and any(isinstance(part, Event) for part in each(reading)):
            took, asked_at = self._asked[connection]
            self._recovered(connection, took + record.at - asked_at)

    def _recovered(self, connection: str, took_s: float) -> None:
        self.times.record(took_s)
        del self.trying[connection]
        self._asked.pop(connection, None)
