"""One trace as a part of the timeline: its connections, its runs, and what is kept of them."""

from typing import Final

from greenlight_gate.events import Control, Event, EventKind, Reading, each
from greenlight_gate.findings import Finding
from greenlight_gate.measure.rule_counts import RuleCount
from greenlight_gate.measure.run_tracks import RunTrack
from greenlight_gate.measure.time_series import TimeWindow
from greenlight_gate.measure.timeline import Timeline, remember
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.trace import AnyRecord, Closed, Cut, Opened, Received, Sent

_INDEX: Final = {kind: number for number, kind in enumerate(EventKind)}
_MOST_ASKED = 256
_MOST_LEFT = 10_000


class _Line:
    """One connection. `provoked`: the suite gave the backend a reason to complain or to close it."""

    __slots__ = ("asked", "cut", "open", "person", "provoked", "slowed", "welcome")

    def __init__(self, person: str) -> None:
        self.person = person
        self.open = False
        self.welcome = True
        self.provoked = False
        self.cut = False
        self.slowed = False
        self.asked: dict[int, RunTrack] = {}


class TraceTimeline:
    """The records of one trace, and what the correlation says of them (an `EventObserver`).

    `scenario`: its key; `epoch_s`: the wall time of its zero. The lane of a question is known by the number of the
    record that asked it, from which its run counts (`RunState.first_n`).
    """

    def __init__(self, course: Timeline, scenario: str, epoch_s: float) -> None:
        self.course = course
        self.scenario = course.names.get(scenario, scenario)
        self.epoch_s = epoch_s
        self._lines: dict[str, _Line] = {}
        self._lanes: dict[int, RunTrack] = {}
        self._of_run: dict[str, RunTrack] = {}
        self._last_at = epoch_s
        self._took_backend_away = False

    def take(self, record: AnyRecord, reading: Reading | None) -> None:
        """One record, with how it was read."""
        course = self.course
        at = self._last_at = record.at + self.epoch_s
        window = course.latest if course.begin <= at < course.end else course.window(at)
        if type(record) is Received:
            window.messages += 1
            if type(reading) is Event:
                self._event(reading, record.connection, at, window)
                return
            self._frame(reading, record.connection, at, window)
        elif isinstance(record, Sent):
            self._sent(record, at, window)
        elif isinstance(record, Opened):
            self._opened(record, window)
        elif isinstance(record, Closed):
            self._closed(record, at, window)
        elif isinstance(record, Cut):
            # What the suite itself does to a connection explains its end, or that it was not opened.
            line = self._line(record.connection)
            line.provoked = line.cut = True
            self._took_backend_away = self._took_backend_away or record.ends_backend

    def on_event(self, run: RunState, event: Event, at: float) -> None:
        """An event of a run came, which may be a helper's."""
        root = run if run.parent is None else run.root
        lane = self._lanes.get(root.first_n)
        if lane is None:
            return
        if lane.run is None:
            self._begun(lane, root, event, at)
        # What a profile infers was not received; it only says that the run goes on or has ended.
        if not event.synthesised:
            lane.take(event, at + self.epoch_s)

    def on_more(self, run: RunState, at: float) -> None:
        """More of what was shown before is no mark of its own."""

    def on_settled(self, outcome: Outcome) -> None:
        """A run has ended, or is no longer waited for."""
        lane = self._lanes.get(outcome.request.n)
        if lane is None:
            return
        if outcome.ended_by is None:
            lane.wait(outcome.at + self.epoch_s)
            return
        if outcome.ended_by is EventKind.FAILED:
            at, expect = outcome.at + self.epoch_s, outcome.request.expect
            wanted = expect is not None and expect.end is EventKind.FAILED
            window = self.course.window(at)
            self._error(self._line(outcome.connection), "agent_failed", at, window, wanted=wanted)
        self._over(outcome.request.n, lane)

    def found(self, finding: Finding) -> None:
        """A rule has objected, just now."""
        course, at = self.course, self._last_at
        course.window(at).findings += 1
        broken = course.broken.get(finding.rule)
        if broken is None:
            broken = course.broken[finding.rule] = RuleCount(at)
        broken.add(self.scenario, finding, at)
        lane = self._of_run.get(finding.run) if finding.run is not None else None
        if lane is None:
            lane = self._lane_of(finding)
        if lane is not None:
            course.lanes.found(lane, finding, at)

    def finish(self) -> None:
        """The trace is complete."""
        self.course.window(self._last_at)
        for line in self._lines.values():
            self._leave(line)
        self.course.lanes.recent.clear()

    def person(self, connection: str) -> str:
        """Whose connection it is; "?" where that is not known."""
        line = self._lines.get(connection)
        return line.person if line is not None else "?"

    def _line(self, connection: str) -> _Line:
        line = self._lines.get(connection)
        if line is None:
            line = self._lines[connection] = _Line("?")
        return line

    def _lane_of(self, finding: Finding) -> RunTrack | None:
        recent = self.course.lanes.recent
        if finding.run is not None:
            return next((lane for lane in recent if lane.run == finding.run), None)
        line = self._lines.get(finding.connection)
        waiting = list(line.asked.values()) if line is not None else []
        late = [lane for lane in recent if lane.connection == finding.connection and lane.scenario == self.scenario]
        candidates = waiting or late
        return candidates[-1] if candidates else None

    # One kind of record each ----------------------------------------------------------------------------------------

    def _frame(self, reading: Reading | None, connection: str, at: float, window: TimeWindow) -> None:
        """A frame that is not just one event."""
        for part in each(reading):
            if isinstance(part, Event):
                self._event(part, connection, at, window)
            elif isinstance(part, Control) and part.name == "error":
                self._error(self._line(connection), f"error {part.values.get('code')}", at, window)

    def _event(self, event: Event, connection: str, at: float, window: TimeWindow) -> None:
        course, kind = self.course, event.kind
        if not event.synthesised:
            window.events += 1
            window.kinds[_INDEX[kind]] += 1
        line = self._lines.get(connection) or self._line(connection)
        stamp, offset = event.server_s, course.offset_s
        if stamp is not None and offset is not None and not line.slowed:
            late = at - stamp + offset
            window.delay(int(late * 1e6) if late > 0.0 else 0)

    def _begun(self, lane: RunTrack, run: RunState, event: Event, at: float) -> None:
        """A run begins to answer the question of a lane."""
        lane.run = run.id
        self._of_run[run.id] = lane
        course = self.course
        if course.offset_s is None and event.kind is EventKind.STARTED and not self._line(run.connection).slowed:
            course.window(at + self.epoch_s).delay(int((at + self.epoch_s - lane.asked_at) * 1e6))

    def _over(self, n: int, lane: RunTrack) -> None:
        self._lanes.pop(n, None)
        if lane.run is not None:
            self._of_run.pop(lane.run, None)
        line = self._lines.get(lane.connection)
        if line is not None and line.asked.pop(n, None) is not None:
            self.course.busy -= 1
        self.course.lanes.done(lane)

    def _error(self, line: _Line, what: str, at: float, window: TimeWindow, *, wanted: bool = False) -> None:
        if wanted or line.provoked or not line.welcome or self._took_backend_away:
            return
        window.errors += 1
        remember(self.course.errors, (at, f"'{self.scenario}', {line.person}: {what}"))

    def _sent(self, sent: Sent, at: float, window: TimeWindow) -> None:
        line = self._line(sent.connection)
        if sent.what in ("invalid", "pings") or sent.foreign:
            line.provoked = True
        if sent.what == "restore":
            # What waited for its user to reconnect says nothing about the latency of the backend.
            line.slowed = True
        if sent.what != "start" or sent.foreign:
            return
        window.asked += 1
        course = self.course
        course.busy += 1
        window.busy_most = max(window.busy_most, course.busy)
        asked_at = at if sent.intended_at is None else sent.intended_at + self.epoch_s
        prompt = sent.expect.prompt if sent.expect is not None else ""
        lane = RunTrack(self.scenario, line.person, sent.connection, prompt, asked_at)
        line.asked[sent.n] = self._lanes[sent.n] = lane
        if len(line.asked) > _MOST_ASKED:
            self._over(*next(iter(line.asked.items())))

    def _opened(self, opened: Opened, window: TimeWindow) -> None:
        line = self._line(opened.connection)
        line.person = opened.person
        if opened.unwelcome:
            line.welcome = False
            return
        # A token that expires ends the connection.
        line.provoked = line.provoked or opened.expires_at is not None
        line.slowed = opened.proxied or opened.beside
        line.open = True
        course = self.course
        course.open += 1
        window.tried += 1
        window.made += 1
        window.open_most = max(window.open_most, course.open)

    def _closed(self, closed: Closed, at: float, window: TimeWindow) -> None:
        line = self._line(closed.connection)
        if closed.during == "handshake":
            # Through a connection that the suite itself has cut, nothing arrives.
            if not closed.unwelcome and not line.provoked:
                window.tried += 1
                window.refused += 1
                came = closed.status if closed.status is not None else closed.reason
                remember(self.course.troubles, (at, f"'{self.scenario}', {closed.person}: refused ({came})"))
        elif (closed.by != "client" or closed.given_up) and line.welcome and not line.provoked:
            window.dropped += 1
            told = f"'{self.scenario}', {line.person}: closed by {closed.by} ({closed.code})"
            remember(self.course.troubles, (at, told))
        if closed.by != "client" or line.cut:
            for lane in line.asked.values():
                lane.cut = at - lane.asked_at
        self._leave(line)
        del self._lines[closed.connection]

    def _leave(self, line: _Line) -> None:
        course = self.course
        course.open -= line.open
        line.open = False
        for lane in line.asked.values():
            course.busy -= 1
            course.lanes.done(lane)
        line.asked.clear()
        # The rest of an answer may come on another connection; that of answers long past does not.
        while len(self._lanes) > _MOST_LEFT:
            lane = self._lanes.pop(next(iter(self._lanes)))
            self._of_run.pop(lane.run or "", None)
