"""IDENTITY: to which question an event belongs, and whether it says so itself."""

from collections import Counter

from greenlight_gate.events import Control, Event, EventKind
from greenlight_gate.rules import continuity
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.rules.engine.open_requests import OpenRequests
from greenlight_gate.rules.engine.run_state import Report, Request, RunState, Stage
from greenlight_gate.rules.isolation import stranger, stranger_in

_PLACEHOLDERS = frozenset(
    {"", "registry", "null", "none", "nil", "undefined", "unknown", "placeholder", "default", "run", "run_id", "run-id",
     "id", "test", "todo", "tbd", "n/a", "na", "temp", "-1", "string", "uuid", "nan", "false", "true",
     "00000000-0000-0000-0000-000000000000"}
)  # fmt: skip


class Correlation(OpenRequests):
    """Finds the question and the run that each event of one connection belongs to.

    `foreign_leaks`: events of other people's runs have no business here; where the wire shows them to everybody, they
    are only counted. `strangers`: how many frames of each other person came here; "" stands for nobody in particular.
    """

    foreign_leaks = True

    def __init__(self, book: IdRegistry, person: str, connection: str, report: Report) -> None:
        super().__init__(book, person, connection, report)
        self.strangers: Counter[str] = Counter()

    def is_user(self, user: str | None) -> None:
        """As which user the person is connected; None: not known yet."""
        if user is not None:
            self.user = user
            self.book.user(user, self.person)

    def greeted(self, user: object, n: int) -> None:
        """The backend says whom it takes the person for: IDENTITY-2, or ISOLATION-2 if that is somebody else's."""
        if not isinstance(user, str | int):
            return
        if self.user is None or str(user) == self.user:
            self.is_user(str(user))
            return
        rule = "IDENTITY-2" if self.book.users.get(str(user), self.person) == self.person else "ISOLATION-2"
        self.report(rule, f"user {self.user}", f"user {user} in the greeting", n)

    def heard(self, control: Control, n: int) -> None:
        """ISOLATION-2 for a frame of the protocol that names somebody else's request or connection."""
        other = stranger_in(self.book, self.person, control)
        if other is not None:
            self.is_strangers(control.name, other, n)

    def attribute(self, event: Event, at: float, n: int) -> RunState | None:
        """The run that the event belongs to; None for what is not this connection's, or was judged before.

        Takes the run id at its word only where it agrees with the request id, the thread and the owner; reports
        IDENTITY-1, IDENTITY-2 and ISOLATION-2 where it does not.
        """
        ask = self.by_request.get(event.request) if event.request else None
        if ask is not None and ask.run is None and self._is_plainly_new(event, ask):
            return self.begin(event.run, ask, event, at)
        other = stranger(self.book, self.person, event)
        if other is not None:
            self.is_strangers(event.kind, other, n)
            # What answers somebody else's question is none of this person's, whichever run it names.
            if not self.foreign_leaks or self.book.requests.get(event.request or "", self.person) != self.person:
                return None
        run = self._find(event, at, n, foreign=other is not None)
        if run is not None and other is None:
            self._same_thread_and_user(run, event, n)
            run.request = event.request
            run.user = run.user or event.user
            if run.thread is None and event.thread is not None:
                run.thread, run.line = event.thread, self.line(event.thread)
        return run

    def counts(self, event: Event) -> bool:
        """Whether an event of no known run counts: in a conversation that the person has, and that it does not give."""
        thread = self.book.threads.get(event.thread or "")
        return self.foreign_leaks and thread is not None and thread.person == self.person

    def is_strangers(self, what: str, other: tuple[str, str], n: int) -> None:
        """Something came that is (somebody else's, what of theirs it is): ISOLATION-2, unless that is by design."""
        whose, thing = other
        self.strangers[whose] += 1
        if self.foreign_leaks:
            came = f"{what} that belongs to {thing} of {whose}"
            self.report("ISOLATION-2", f"only what belongs to {self.person}", came, n, about=whose)

    def _is_plainly_new(self, event: Event, ask: Request) -> bool:
        """Whether an event begins a run in the way that nearly all do; whatever else it may be needs a closer look."""
        run, thread = event.run, self.book.threads.get(event.thread or "")
        return (
            run is not None
            and self.book.find(run) is None
            and event.parent is None
            and event.user == self.user
            and (thread is None or thread.person == self.person)
            and (ask.thread is None or ask.thread == event.thread)
            and run.strip().casefold() not in _PLACEHOLDERS
        )

    def _find(self, event: Event, at: float, n: int, *, foreign: bool) -> RunState | None:
        ask = self.by_request.get(event.request) if event.request else None
        if event.run is None or event.run.strip().casefold() in _PLACEHOLDERS:
            self._wrong("a run id", f"{event.run!r} in {event.kind}", n)
            return self._guess(event, ask, at, n)
        known = self.book.find(event.run)
        if known is None:
            return self._unknown(event, ask, at, n, foreign=foreign)
        if known.person != self.person:
            return self._guess(event, ask, at, n) if ask is not None else None
        return self._known(known, event, ask, at, n)

    def _known(self, known: RunState, event: Event, ask: Request | None, at: float, n: int) -> RunState | None:
        if known.shown is not None or known.desk is not self or self._is_replayed(known):
            return self._in_windows(known, event, n)
        if ask is None and self._is_of_another_question(known, event):
            self._wrong(f"the run of request {event.request}", f"run {event.run} of request {known.request}", n)
            return self._guess(event, ask, at, n)
        if known.stage is Stage.ENDED:
            return self._again(known, event, ask, at, n)
        if ask is not None and known.ask is not ask and known.parent is None:
            self._wrong(f"the run of request {event.request}", f"run {event.run} of request {known.request}", n)
            return self._guess(event, ask, at, n)
        return known

    def _is_of_another_question(self, known: RunState, event: Event) -> bool:
        """Whether the person did ask what an event says that it answers, and this run answers something else."""
        if known.request in (None, "", event.request) or event.request is None:
            return False
        asked = self.book.requests
        return asked.get(event.request) == asked.get(known.request or "") == self.person

    def _again(self, run: RunState, event: Event, ask: Request | None, at: float, n: int) -> RunState | None:
        """What names a run that has ended: a late event of it, or another question's under the same id."""
        if ask is None and not event.request and event.kind is EventKind.STARTED:
            ask = self.waiting(event)
        if run.parent is not None and event.request == run.request:
            return run  # the question goes on without this helper
        if ask is None:
            # What has been found to reuse this id, and so was given another one, goes on.
            reuser = self.only_open(event) if not event.request else None
            return reuser if reuser is not None and reuser.id.startswith("?") else run
        self._wrong("a run id of its own for each question", f"run {event.run}, which has ended before", n)
        return self._guess(event, ask, at, n)

    def _unknown(self, event: Event, ask: Request | None, at: float, n: int, *, foreign: bool) -> RunState | None:
        parent = self.book.find(event.parent) if event.parent else None
        if parent is not None and parent.person == self.person and self._helps(parent, ask):
            return self._shared(self.helper(parent, event, n, at), event)
        if ask is None and not event.request and not foreign:
            ask = self.waiting(event)
        if ask is not None and ask.run is None:
            return self.begin(event.run, ask, event, at)
        if ask is not None and ask.resumed and ask.run is not None:
            continuity.on_other_run(ask.run, event, n, self.report)
            return ask.run
        if foreign or self._was_shown(event, n):
            return None
        run = ask.run if ask is not None else self.only_open(event)
        if run is not None:
            return self._by_another_name(run, event, at, n)
        self._nobodys(event, n)
        return None

    def _by_another_name(self, run: RunState, event: Event, at: float, n: int) -> RunState:
        if event.parent and event.parent != event.run:
            # Whatever its run calls itself: a helper's end is not the end of the run.
            self._wrong(f"a helper of run {run.id}", f"{event.kind} of a helper of run {event.parent}", n, run)
            return self._shared(self.helper(run, event, n, at), event)
        self._wrong(f"run id {run.id} throughout", f"{event.run} in {event.kind}", n, run)
        return run

    def _nobodys(self, event: Event, n: int) -> None:
        if self.foreign_leaks:
            came = f"{event.kind} of run {event.run}, which nobody asked for"
            self._wrong("events of runs that were asked for", came, n)
        else:
            # Whose it is may come to be known later; what everybody is shown may reach others first.
            self.strangers[""] += 1

    def _helps(self, parent: RunState, ask: Request | None) -> bool:
        """Whether a helper's run can be of the question that it names, if that is an open one."""
        return ask is None or ask.run is None or parent.root is ask.run

    def _guess(self, event: Event, ask: Request | None, at: float, n: int) -> RunState | None:
        ask = ask or (self.waiting(event) if not event.request else None)
        if ask is None:
            return self.only_open(event)
        return ask.run or self.begin(None, ask, event, at)

    # Several windows, and what is shown again ---------------------------------------------------------------------

    def _is_replayed(self, run: RunState) -> bool:
        over = Stage.ENDED in (run.stage, run.root.stage)
        return over and run.thread in self.replays and self.line(run.thread).replaying

    def _in_windows(self, run: RunState, event: Event, n: int) -> RunState | None:
        """An event of a run that more than one window may be shown: it is judged where it is seen first."""
        if run.shown is None:
            if run.desk is not self and (event.thread or run.thread) not in self.replays:
                came = f"{event.kind} of run {run.id} on another window"
                self._wrong("events on the connection that asked", came, n, run)
                return None
            run.shown = set(run.event_ids)
            run.desk.runs.pop(run.id, None)
            self.book.abandon(run)
        key = event.event_id if event.event_id is not None else event.seq
        if self._repeats(self.replays.get(event.thread or run.thread or "", run.shown), key, event, n, run):
            return None
        if run.stage is Stage.ENDED or key in run.event_ids:
            return None
        return run if key is not None or run.desk is self else None

    def _shared(self, helper: RunState, event: Event) -> RunState:
        """A helper that begins: where its run is shown in several windows, so is the helper, whoever sees it first.

        That may be a window that has restored the thread, and has not been shown anything of the run yet.
        """
        root = helper.root
        if root.shown is not None or (root.desk is not self and (event.thread or root.thread) in self.replays):
            helper.shown = set()
            self.runs.pop(helper.id, None)
            self.book.abandon(helper)
            key = event.event_id if event.event_id is not None else event.seq
            if key is not None:
                continuity.remember(self.replays.get(event.thread or "", helper.shown), key)
        return helper

    def _was_shown(self, event: Event, n: int) -> bool:
        """Whether the event is of a run that began elsewhere, in a thread that was restored here."""
        shown = self.replays.get(event.thread) if event.thread is not None else None
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

    def _same_thread_and_user(self, run: RunState, event: Event, n: int) -> None:
        due = (run.ask.thread if run.ask is not None else None) or run.thread
        if event.thread is not None and due is not None and event.thread != due:
            self.report("IDENTITY-2", f"thread {due}", f"thread {event.thread} in {event.kind}", n, run=run)
        user = self.user or run.user
        if event.user is not None and user is not None and event.user != user:
            self.report("IDENTITY-2", f"user {user}", f"user {event.user} in {event.kind}", n, run=run)

    def _wrong(self, expected: str, actual: str, n: int, run: RunState | None = None) -> None:
        self.report("IDENTITY-1", expected, actual, n, run=run)
