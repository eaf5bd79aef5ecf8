"""The correlation: which request and run each event of one connection belongs to.

Decided once, for all. What an event says wrongly of itself is reported by `rules/identity.py`, and what belongs to
another user by `rules/isolation.py`.
"""

from collections import Counter
from collections.abc import Sequence

from greenlight_gate.events import Control, Event, EventKind, Foreign, Ignored, Reading
from greenlight_gate.rules import continuity, identity, isolation, lifecycle
from greenlight_gate.rules.engine.id_registry import OwnedId, words_of
from greenlight_gate.rules.engine.open_requests import OpenRequests
from greenlight_gate.rules.engine.run_state import Request, RunState, Stage
from greenlight_gate.rules.identity import is_placeholder

_MOST_NAMED = 4096
# So many texts that the user has sent are kept as they are: the ids in them are hardly ever asked for. The oldest go
# together, since all others are moved then.
_MOST_TEXTS = 512
_SPARE_TEXTS = 64
_LONGEST_TEXT = 4096
_NO_WORDS: frozenset[str] = frozenset()


class Correlation:
    """Finds the request and the run that each event of one connection belongs to, among its open requests.

    `foreign_leaks`: events of other users' runs must not come here; where the profile declares that all users receive
    them, they are only counted. `tabs_share`: events of runs that another tab of the user has asked for come here as
    well, and are judged there. `foreign_frames`: frames of each other user that came here; "" where the owner is not
    known. `last_foreign`: the last frame of another user that came since the user tried to reach something of theirs,
    in words.
    """

    def __init__(self, requests: OpenRequests, *, foreign_leaks: bool = True, tabs_share: bool = False) -> None:
        self.requests = requests
        self.registry = requests.registry
        self.user = requests.user
        self.report = requests.report
        self.foreign_leaks = foreign_leaks
        self.tabs_share = tabs_share
        self.user_id: str | None = None
        self.foreign_frames: Counter[str] = Counter()
        # No deque and no set: each takes hundreds of bytes when it is empty, for each of thousands of users.
        self._sent: list[str] = []
        self._sent_words = _NO_WORDS
        self.last_foreign = ""
        self._last_foreign_n = 0

    def is_connected_as(self, user_id: str | None) -> None:
        """The user id of this connection; None: not known yet."""
        if user_id is not None:
            self.user_id = user_id
            self.registry.add_user(user_id, self.user)

    def names(self, text: str) -> None:
        """What the user has sent: ids in it may be repeated to them, whatever user they belong to."""
        if len(text) <= _LONGEST_TEXT:
            self._sent.append(text)
            if len(self._sent) >= _MOST_TEXTS + _SPARE_TEXTS:
                del self._sent[:-_MOST_TEXTS]
            return
        kept = self._sent_words if len(self._sent_words) < _MOST_NAMED else _NO_WORDS
        self._sent_words = frozenset((*kept, *_words_of(text)))

    def has_named(self, other: OwnedId) -> bool:
        """Whether the user has sent this id, which may be repeated to them."""
        sent = (text for text in self._sent if other.id in text)
        return other.id in self._sent_words or any(other.id in _words_of(text) for text in sent)

    def greeted(self, user_id: object, n: int) -> None:
        """The backend greets the user by a user id, which must be the user's own."""
        if not isinstance(user_id, str | int):
            return
        if self.user_id is None or str(user_id) == self.user_id:
            self.is_connected_as(str(user_id))
            return
        family = identity if self.registry.names.get(str(user_id), self.user) == self.user else isolation
        self._last_foreign_n = n
        family.on_greeting(self.user_id, str(user_id), n, self.report)

    def control(self, control: Control, n: int) -> None:
        """A frame of the protocol came, which may name another user's request or connection."""
        other = self.registry.foreign_in_control(control, self.user, self.requests.connection)
        if other is not None and not self.has_named(other):
            self._is_foreign(control.name, other, n)

    def repeats(self, foreign: Foreign) -> bool:
        """Whether a frame is outside of the scope only by what the user has sent, as in the answer to an attempt."""
        reading = foreign.reading
        if isinstance(reading, Event) and self.registry.foreign_in_event(reading, self.user) is not None:
            return False
        return self.has_named(OwnedId(self.registry.owner_of(foreign.owner), foreign.what, foreign.owner))

    def foreign(self, foreign: Foreign, n: int) -> None:
        """A frame came that the profile does not hold to be this connection's."""
        reading = foreign.reading
        what = _name(reading)
        other = self.registry.foreign_in_event(reading, self.user) if isinstance(reading, Event) else None
        if other is not None:
            self._is_foreign(what, other, n)
        # Not of another connection or conversation of this user; and what a profile ignores may be the backend's own.
        elif (owner := self.registry.owner_of(foreign.owner)) != self.user and (owner or type(reading) is not Ignored):
            self._is_foreign(what, OwnedId(owner, foreign.what, foreign.owner), n)

    def may_hold_foreign(self, frames: Sequence[bytes]) -> bool:
        """Whether any of these frames may hold an id of another user, and that is a leak.

        What the frames themselves bring about changes nothing: new ids in them are this user's own.
        """
        sole = self.registry.sole
        if sole is None or sole == self.user or not self.foreign_leaks:
            return False
        return bool(self.registry.foreign_words(b"\n".join(frames), self.user))

    def text(self, data: bytes, reading: Reading, n: int) -> None:
        """A frame that came, and was taken for the user's own, may hold ids of others, or of what is theirs, anywhere.

        In an order that is the same wherever it is judged again; of several, only the first becomes a finding. What a
        profile ignores may be a list of who is connected: there only threads and runs count.
        """
        if type(reading) is Foreign or self._last_foreign_n == n:
            return
        is_ignored = type(reading) is Ignored
        for other in self.registry.foreign_in_text(data, self.user, users=not is_ignored):
            if not self.has_named(other):
                self._is_foreign("an ignored frame" if is_ignored else "a frame", other, n)

    def ignored(self, ids: Event, n: int) -> None:
        """A frame came that the profile ignores. `ids`: the ids that [every] finds in it."""
        other = self.registry.foreign_in_event(ids, self.user)
        if other is not None and not self.has_named(other):
            self._is_foreign("an ignored frame", other, n)

    def attribute(self, event: Event, at: float, n: int) -> RunState | None:
        """The run that the event belongs to; None for what is not this connection's, or was judged before.

        The run id decides only where it agrees with the request id, the thread and the owner.
        """
        requests = self.requests
        ask = requests.by_request.get(event.request) if event.request else None
        if ask is not None and ask.run is None and self._is_plainly_new(event, ask):
            return requests.begin(event.run, ask, event, at)
        other = self.registry.foreign_in_event(event, self.user)
        if other is not None:
            self._is_foreign(event.kind, other, n)
            # What answers another user's request is not this user's, whichever run it names.
            if not self.foreign_leaks or self.registry.requests.get(event.request or "", self.user) != self.user:
                return None
        if self.tabs_share and ask is None and other is None and self._is_of_another_tab(event):
            return None
        run = self._find(event, at, n, foreign=other is not None)
        if run is not None and other is None:
            identity.on_thread_and_user(run, event, self.user_id, n, self.report)
            run.request = event.request
            run.user_id = run.user_id or event.user
            if run.thread is None and event.thread is not None:
                run.thread, run.order = event.thread, requests.order(event.thread)
        return run

    def counts(self, event: Event) -> bool:
        """Whether the sequence number of an event of no known run counts: in a thread that is the user's."""
        thread = self.registry.threads.get(event.thread or "")
        return self.foreign_leaks and thread is not None and thread.user == self.user

    def _is_of_another_tab(self, event: Event) -> bool:
        """Whether another tab of the user has asked for the run of an event, in a thread that was not restored here.

        It may come here first.
        """
        run = self.registry.find(event.run) if event.run else None
        run = run if run is not None or not event.parent else self.registry.find(event.parent)
        if run is None:
            return self.registry.requests.get(event.request or "") == self.user
        elsewhere = run.user == self.user and run.connection != self.requests.connection
        return elsewhere and (event.thread or run.thread) not in self.requests.replays

    def _is_foreign(self, what: str, other: OwnedId, n: int) -> None:
        """What came belongs to another user, which is a finding unless the profile declares it."""
        self.foreign_frames[other.owner] += 1
        self._last_foreign_n = n
        self.last_foreign = isolation.foreign_frame(what, other)
        if self.foreign_leaks:
            isolation.on_foreign(self.user, self.last_foreign, other, n, self.report)

    def _is_plainly_new(self, event: Event, ask: Request) -> bool:
        """Whether an event begins a run in the way that nearly all do; all others are looked at more closely."""
        run, thread = event.run, self.registry.threads.get(event.thread or "")
        return (
            run is not None
            and self.registry.find(run) is None
            and event.parent is None
            and event.user == self.user_id
            and (thread is None or thread.user == self.user)
            and (ask.thread is None or ask.thread == event.thread)
            and not is_placeholder(run)
        )

    def _find(self, event: Event, at: float, n: int, *, foreign: bool) -> RunState | None:
        ask = self.requests.by_request.get(event.request) if event.request else None
        if event.run is None or is_placeholder(event.run):
            identity.on_no_run_id(event, n, self.report)
            return self._without_known_run(event, ask, at, n)
        known = self.registry.find(event.run)
        if known is None:
            return self._unknown(event, ask, at, n, foreign=foreign)
        if known.user != self.user:
            return self._without_known_run(event, ask, at, n) if ask is not None else None
        return self._known(known, event, ask, at, n)

    def _known(self, known: RunState, event: Event, ask: Request | None, at: float, n: int) -> RunState | None:
        if known.shown is not None or known.siblings is not self.requests.runs or self._is_replayed(known):
            return self._on_several_connections(known, event, n)
        if ask is None and self._is_of_another_question(known, event):
            identity.on_run_of_another_request(known, event, n, self.report)
            return self._without_known_run(event, ask, at, n)
        if known.stage is Stage.ENDED:
            return self._after_its_end(known, event, ask, at, n)
        if ask is not None and known.ask is not ask and known.parent is None:
            identity.on_run_of_another_request(known, event, n, self.report)
            return self._without_known_run(event, ask, at, n)
        return known

    def _is_of_another_question(self, known: RunState, event: Event) -> bool:
        """Whether the event names one request of the user, and the run of another one of theirs."""
        if known.request in (None, "", event.request) or event.request is None:
            return False
        asked = self.registry.requests
        return asked.get(event.request) == asked.get(known.request or "") == self.user

    def _after_its_end(self, run: RunState, event: Event, ask: Request | None, at: float, n: int) -> RunState | None:
        """The event names a run that has ended: it is late, or belongs to another request under the same run id."""
        if ask is None and not event.request and event.kind is EventKind.STARTED:
            ask = self.requests.waiting(event)
        if run.parent is not None and event.request == run.request:
            return run  # the run that the user asked for goes on without this sub-agent
        if ask is None:
            # A run that reuses this id was given another one: the event belongs to that.
            reuser = self.requests.only_open(event) if not event.request else None
            return reuser if reuser is not None and reuser.id.startswith("?") else run
        identity.on_reused_run_id(event, n, self.report)
        return self._without_known_run(event, ask, at, n)

    def _unknown(self, event: Event, ask: Request | None, at: float, n: int, *, foreign: bool) -> RunState | None:
        parent = self.registry.find(event.parent) if event.parent else None
        if parent is not None and parent.user == self.user and self._is_of_request(parent, ask):
            return self._shared(self.requests.sub_agent(parent, event, n, at), event)
        if ask is None and not event.request and not foreign:
            ask = self.requests.waiting(event)
        if ask is not None and ask.run is None:
            return self.requests.begin(event.run, ask, event, at)
        if ask is not None and ask.resumed and ask.run is not None:
            continuity.on_other_run(ask.run, event, n, self.report)
            return ask.run
        if foreign or self._was_shown(event, n) or self._began_unseen(event):
            return None
        run = ask.run if ask is not None else self.requests.only_open(event)
        if run is not None:
            return self._with_changed_id(run, event, at, n)
        self._unrequested(event, n)
        return None

    def _with_changed_id(self, run: RunState, event: Event, at: float, n: int) -> RunState:
        if event.parent and event.parent != event.run:
            # Whatever its run id: the end of a sub-agent is not the end of the run.
            identity.on_unknown_sub_agent(run, event, n, self.report)
            return self._shared(self.requests.sub_agent(run, event, n, at), event)
        identity.on_changed_run_id(run, event, n, self.report)
        return run

    def _unrequested(self, event: Event, n: int) -> None:
        if self.foreign_leaks:
            identity.on_unrequested_run(event, n, self.report)
        else:
            # Whose it is may become known later; what all users receive may reach others first.
            self.foreign_frames[""] += 1

    def _is_of_request(self, parent: RunState, ask: Request | None) -> bool:
        """Whether the run of a sub-agent can belong to the request that it names, if that one is open."""
        return ask is None or ask.run is None or parent.root is ask.run

    def _without_known_run(self, event: Event, ask: Request | None, at: float, n: int) -> RunState | None:
        ask = ask or (self.requests.waiting(event) if not event.request else None)
        if ask is None:
            return self.requests.only_open(event)
        return ask.run or self.requests.begin(None, ask, event, at)

    # Several connections of one user, and what is sent again -------------------------------------------------------

    def _is_replayed(self, run: RunState) -> bool:
        over = Stage.ENDED in (run.stage, run.root.stage)
        return over and run.thread in self.requests.replays and self.requests.order(run.thread).replaying

    def _on_several_connections(self, run: RunState, event: Event, n: int) -> RunState | None:
        """An event of a run that more than one connection may receive: it is judged where it is received first."""
        if run.shown is None:
            if run.siblings is not self.requests.runs and (event.thread or run.thread) not in self.requests.replays:
                if not self._goes_on_here(run, event):
                    identity.on_another_connection(run, event, n, self.report)
                return None
            run.shown = set(run.event_ids)
            run.siblings.pop(run.id, None)
            self.registry.abandon(run)
        key = event.event_id if event.event_id is not None else event.seq
        if self._repeats(self.requests.replays.get(event.thread or run.thread or "", run.shown), key, event, n, run):
            return None
        if run.stage is Stage.ENDED:
            if run.end_seq is not None and event.seq is not None and event.seq > run.end_seq:
                lifecycle.on_work_after_stop(run, event, n, self.report)
            return None
        if key in run.event_ids:
            return None
        return run if key is not None or run.siblings is self.requests.runs else None

    def _goes_on_here(self, run: RunState, event: Event) -> bool:
        """Whether a run's connection is gone, and this one takes its place, or one of the user was given its thread.

        By HTTP, the answer to a request holds the run of that request only.
        """
        if run.connection in self.registry.tabs(self.user).open or self.requests.by_http:
            return False
        follows = self.registry.follows(self.requests.connection, run.connection)
        return follows or self.registry.was_given(event.thread or run.thread or "", self.user)

    def _began_unseen(self, event: Event) -> bool:
        """Whether an event may be of a run whose beginning was lost with an earlier connection of this tab."""
        registry, here = self.registry, self.requests.connection
        began = event.kind is EventKind.STARTED or bool(event.request)
        return not began and registry.tabs(self.user).closed_in_run and registry.follows_another(here)

    def _shared(self, sub_agent: RunState, event: Event) -> RunState:
        """A sub-agent begins: where several connections may receive its run, they may receive the sub-agent's events.

        The first may be one that has restored the thread, and has not received anything of the run yet.
        """
        root, runs, replays = sub_agent.root, self.requests.runs, self.requests.replays
        if root.shown is not None or (root.siblings is not runs and (event.thread or root.thread) in replays):
            sub_agent.shown = set()
            runs.pop(sub_agent.id, None)
            self.registry.abandon(sub_agent)
            key = event.event_id if event.event_id is not None else event.seq
            if key is not None:
                continuity.remember(replays.get(event.thread or "", sub_agent.shown), key)
        return sub_agent

    def _was_shown(self, event: Event, n: int) -> bool:
        """Whether the event is of a run that began elsewhere, in a thread that was restored here."""
        shown = self.requests.replays.get(event.thread) if event.thread is not None else None
        if shown is None:
            return False
        key = event.event_id if event.event_id is not None else event.seq
        self._repeats(shown, key, event, n, None)
        return True

    def _repeats(
        self, shown: set[str | int], key: str | int | None, event: Event, n: int, run: RunState | None
    ) -> bool:
        if key is None:
            return False
        if key in shown:
            continuity.on_repeat(event, n, self.report, run)
            return True
        continuity.remember(shown, key)
        return False


def _words_of(text: str) -> list[str]:
    return words_of(text.encode(errors="surrogatepass"))


def _name(reading: Reading) -> str:
    if isinstance(reading, Event):
        return str(reading.kind)
    return reading.name if isinstance(reading, Control) else "a frame"
