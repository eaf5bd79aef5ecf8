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
from greenlight_gate.rules.engine.suite_stalls import LONG_S
from greenlight_gate.trace import (
    AnyRecord,
    ClockMoved,
    Closed,
    Cut,
    Expect,
    Opened,
    Received,
    Sent,
    Stalled,
    to_be_refused,
)

_INDEX: Final = {kind: number for number, kind in enumerate(EventKind)}
_MOST_ASKED = 256
_MOST_LEFT = 10_000
# How long before its trace an event may have been sent, by clocks that are not read at once.
_OLDEST_S = 10.0


class _State:
    """One connection. `provoked`: the suite gave the backend a reason to complain or to close it.

    `to_fail`: the latest request was sent to fail.
    """

    __slots__ = ("asked", "cut", "open", "provoked", "slowed", "to_fail", "user", "welcome")

    def __init__(self, user: str) -> None:
        self.user = user
        self.open = False
        self.welcome = True
        self.provoked = False
        self.cut = False
        self.slowed = False
        self.to_fail = False
        self.asked: dict[int, RunTrack] = {}


def _is_to_fail(expect: Expect | None) -> bool:
    return expect is not None and expect.end is EventKind.FAILED


class TraceTimeline:
    """The records of one trace, and what the correlation says of them (an `EventObserver`).

    `scenario`: its key; `epoch_s`: the wall time of its zero. The track of a question is known by the number of the
    record that asked it, from which its run counts (`RunState.first_n`).
    """

    def __init__(self, timeline: Timeline, scenario: str, epoch_s: float) -> None:
        self.timeline = timeline
        self.scenario = timeline.names.get(scenario, scenario)
        self.epoch_s = epoch_s
        self._states: dict[str, _State] = {}
        self._tracks: dict[int, RunTrack] = {}
        self._of_run: dict[str, RunTrack] = {}
        self._last_at = epoch_s
        self._took_backend_away = False
        # The suite stood still so long that the backend may have given up its users.
        self._was_away = False
        # What was sent before says nothing about latency.
        self._unjudged_until = epoch_s - _OLDEST_S

    def take(self, record: AnyRecord, reading: Reading | None) -> None:
        """One record, with how it was read."""
        timeline = self.timeline
        at = self._last_at = record.at + self.epoch_s
        window = timeline.latest if timeline.begin <= at < timeline.end else timeline.window(at)
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
            state = self._state(record.connection)
            state.provoked = state.cut = True
            self._took_backend_away = self._took_backend_away or record.ends_backend
        elif isinstance(record, Stalled):
            self._unjudged_until = at
            self._was_away = self._was_away or record.for_s >= LONG_S
        elif isinstance(record, ClockMoved):
            self._unjudged_until = at

    def on_event(self, run: RunState, event: Event, at: float) -> None:
        """An event of a run came, which may be a helper's."""
        root = run if run.parent is None else run.root
        track = self._tracks.get(root.first_n)
        if track is None:
            return
        if track.run is None:
            self._begun(track, root, event, at)
        # What a profile infers was not received; it only says that the run goes on or has ended.
        if not event.synthesised:
            track.take(event, at + self.epoch_s)

    def on_more(self, run: RunState, at: float) -> None:
        """More of what was shown before is no mark of its own."""

    def on_settled(self, outcome: Outcome) -> None:
        """A run has ended, or is no longer waited for."""
        track = self._tracks.get(outcome.request.n)
        if track is None:
            return
        if outcome.ended_by is None:
            track.wait(outcome.at + self.epoch_s)
            return
        if outcome.ended_by is EventKind.FAILED:
            at, wanted = outcome.at + self.epoch_s, _is_to_fail(outcome.request.expect)
            window = self.timeline.window(at)
            self._error(self._state(outcome.connection), "agent_failed", at, window, wanted=wanted)
        self._over(outcome.request.n, track)

    def found(self, finding: Finding) -> None:
        """A rule has objected, just now."""
        timeline, at = self.timeline, self._last_at
        timeline.window(at).findings += 1
        broken = timeline.broken.get(finding.rule)
        if broken is None:
            broken = timeline.broken[finding.rule] = RuleCount(at)
        broken.add(self.scenario, finding, at)
        track = self._of_run.get(finding.run) if finding.run is not None else None
        if track is None:
            track = self._track_of(finding)
        if track is not None:
            timeline.tracks.found(track, finding, at)

    def finish(self) -> None:
        """The trace is complete."""
        self.timeline.window(self._last_at)
        for state in self._states.values():
            self._leave(state)
        self.timeline.tracks.recent.clear()

    def user(self, connection: str) -> str:
        """Whose connection it is; "?" where that is not known."""
        state = self._states.get(connection)
        return state.user if state is not None else "?"

    def _state(self, connection: str) -> _State:
        state = self._states.get(connection)
        if state is None:
            state = self._states[connection] = _State("?")
        return state

    def _track_of(self, finding: Finding) -> RunTrack | None:
        recent = self.timeline.tracks.recent
        if finding.run is not None:
            return next((track for track in recent if track.run == finding.run), None)
        state = self._states.get(finding.connection)
        waiting = list(state.asked.values()) if state is not None else []
        late = [track for track in recent if track.connection == finding.connection and track.scenario == self.scenario]
        candidates = waiting or late
        return candidates[-1] if candidates else None

    # One kind of record each ----------------------------------------------------------------------------------------

    def _frame(self, reading: Reading | None, connection: str, at: float, window: TimeWindow) -> None:
        """A frame that is not just one event."""
        for part in each(reading):
            if isinstance(part, Event):
                self._event(part, connection, at, window)
            elif isinstance(part, Control) and part.name == "error":
                state = self._state(connection)
                self._error(state, f"error {part.values.get('code')}", at, window, wanted=state.to_fail)

    def _event(self, event: Event, connection: str, at: float, window: TimeWindow) -> None:
        timeline, kind = self.timeline, event.kind
        if not event.synthesised:
            window.events += 1
            window.kinds[_INDEX[kind]] += 1
        state = self._states.get(connection) or self._state(connection)
        stamp, offset = event.server_s, timeline.offset_s
        if stamp is not None and offset is not None and not state.slowed:
            sent_at = stamp - offset
            # An event cannot be older than the trace: then the server's clock was moved.
            if sent_at > self._unjudged_until:
                window.delay(int((at - sent_at) * 1e6) if at > sent_at else 0)

    def _begun(self, track: RunTrack, run: RunState, event: Event, at: float) -> None:
        """A run begins to answer the question of a track."""
        track.run = run.id
        self._of_run[run.id] = track
        timeline = self.timeline
        timed = track.asked_at > self._unjudged_until and not self._state(run.connection).slowed
        if timeline.offset_s is None and event.kind is EventKind.STARTED and timed:
            timeline.window(at + self.epoch_s).delay(int((at + self.epoch_s - track.asked_at) * 1e6))

    def _over(self, n: int, track: RunTrack) -> None:
        self._tracks.pop(n, None)
        if track.run is not None:
            self._of_run.pop(track.run, None)
        state = self._states.get(track.connection)
        if state is not None and state.asked.pop(n, None) is not None:
            self.timeline.busy -= 1
        self.timeline.tracks.done(track)

    def _error(self, state: _State, what: str, at: float, window: TimeWindow, *, wanted: bool = False) -> None:
        if wanted or state.provoked or not state.welcome or self._took_backend_away or self._was_away:
            return
        window.errors += 1
        remember(self.timeline.errors, (at, f"'{self.scenario}', {state.user}: {what}"))

    def _sent(self, sent: Sent, at: float, window: TimeWindow) -> None:
        state = self._state(sent.connection)
        # A stop may come too late, and a request too soon: a backend may refuse both.
        if sent.what in ("invalid", "pings", "stop") or sent.foreign or sent.behind or sent.unwelcome:
            state.provoked = True
        if sent.what == "restore":
            # What waited for its user to reconnect says nothing about the latency of the backend.
            state.slowed = True
        if sent.what != "start" or sent.foreign:
            return
        state.to_fail = _is_to_fail(sent.expect)
        window.asked += 1
        timeline = self.timeline
        timeline.busy += 1
        window.busy_most = max(window.busy_most, timeline.busy)
        asked_at = at if sent.intended_at is None else sent.intended_at + self.epoch_s
        prompt = sent.expect.prompt if sent.expect is not None else ""
        track = RunTrack(self.scenario, state.user, sent.connection, prompt, asked_at)
        state.asked[sent.n] = self._tracks[sent.n] = track
        if len(state.asked) > _MOST_ASKED:
            self._over(*next(iter(state.asked.items())))

    def _opened(self, opened: Opened, window: TimeWindow) -> None:
        state = self._state(opened.connection)
        state.user = opened.user
        if opened.unwelcome:
            state.welcome = False
            return
        # A token that expires ends the connection, and so may the name of another user's conversation.
        state.provoked = state.provoked or opened.expires_at is not None or to_be_refused(opened)
        state.slowed = opened.proxied or opened.in_parallel
        state.open = True
        timeline = self.timeline
        timeline.open += 1
        window.tried += 1
        window.made += 1
        window.open_most = max(window.open_most, timeline.open)

    def _closed(self, closed: Closed, at: float, window: TimeWindow) -> None:
        state = self._state(closed.connection)
        if closed.during == "handshake":
            # Through a connection that the suite itself has cut, nothing arrives.
            if not to_be_refused(closed) and not state.provoked and not self._was_away:
                window.tried += 1
                window.refused += 1
                came = closed.status if closed.status is not None else closed.reason
                remember(self.timeline.troubles, (at, f"'{self.scenario}', {closed.user}: refused ({came})"))
        elif (
            (closed.by != "client" or closed.abandoned) and state.welcome and not state.provoked and not self._was_away
            and not (_is_in_order(closed) and not state.asked)
        ):  # fmt: skip
            window.dropped += 1
            text = f"'{self.scenario}', {state.user}: closed by {closed.by} ({closed.code})"
            remember(self.timeline.troubles, (at, text))
        if closed.by != "client" or state.cut:
            for track in state.asked.values():
                track.cut = at - track.asked_at
        self._leave(state)
        del self._states[closed.connection]

    def _leave(self, state: _State) -> None:
        timeline = self.timeline
        timeline.open -= state.open
        state.open = False
        for track in state.asked.values():
            timeline.busy -= 1
            timeline.tracks.done(track)
        state.asked.clear()
        # The rest of an answer may come on another connection; that of answers long past does not.
        while len(self._tracks) > _MOST_LEFT:
            track = self._tracks.pop(next(iter(self._tracks)))
            self._of_run.pop(track.run or "", None)


def _is_in_order(closed: Closed) -> bool:
    """Whether a server has ended a channel as HTTP has it, which may be idle; a close frame always has a code."""
    return closed.by == "server" and closed.code is None and not closed.abandoned
