"""A slow and obvious judge of whole traces of the default wire, written from the sentences of contract.md.

It looks at all records as often as it likes, remembers everything, and shares nothing with the rules. Each event is
sorted to the question whose request id it carries; then each rule is asked of each question, of each helper and of
each connection. An answer is a set of (rule, whom it concerns): the request id of a question, the run id of a helper,
or the connection of a frame that names neither.

Where a sentence leaves something open, this is how it is read:
- What begins a run names it: the run id of a question is that of the first event that is not a helper's.
- An event that was delivered before is CONTINUITY-2's alone. What came before the end and comes again after it is
  LIFECYCLE-3's. After the end, what does not carry the run's id is IDENTITY-1's alone.
- An event that names somebody else's run, thread, user or request is ISOLATION-2's; IDENTITY says no more
  of it than that it has no run id. If it answers the user's own question, its number has come all the same.
- A helper that has begun may go on after the end of the run that it helps; none may begin. It may have a conversation
  of its own.
- An answer begins when the tab that waits for it is shown it, even if another one is shown it a little earlier.
- What a user walks away from is owed again once they ask for the conversation in another tab.

Not covered: ISOLATION-1 in any but plain form, ISOLATION-3, CONTENT-5 and -6, CONTENT-4 for echoes, canned words and
what is left of a stopped answer, TIMELINESS-6, CONNECTION, REFUSAL; questions of which a helper is seen first, or whose
asker leaves before the answer begins and does not come back for it; waits that ended in vain (TimedOut), stalls,
restarts of the backend, wires without request ids.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from greenlight_gate.events import EventKind
from greenlight_gate.trace import AnyRecord, Expect, Received, Sent

from support.tests.rules.reference_evidence import (
    COMPLETED,
    DONE,
    ENDS,
    EXECUTING,
    FAILED,
    NO_ID,
    SHOWS,
    STARTED,
    STOPPED,
    THINKING,
    Event,
    Evidence,
    Question,
)

COVERED = frozenset({
    "LIFECYCLE-1", "LIFECYCLE-2", "LIFECYCLE-3", "LIFECYCLE-4", "LIFECYCLE-5", "PAIRING-1", "PAIRING-2", "PAIRING-3",
    "IDENTITY-1", "IDENTITY-2", "ISOLATION-1", "ISOLATION-2", "CONTENT-1", "CONTENT-2", "CONTENT-3", "CONTENT-4",
    "TIMELINESS-1", "TIMELINESS-2", "TIMELINESS-3", "TIMELINESS-4", "TIMELINESS-5", "CONTINUITY-1", "CONTINUITY-2",
    "CONTINUITY-3", "LIFECYCLE-6",
})  # fmt: skip
MICROSECOND = 1e-6

Breach = tuple[str, str]


class Reference(Evidence):
    """Judges one trace. `epoch_s`: wall time of the trace's zero; `budgets` has the contract's times, in seconds."""

    def __init__(self, records: Sequence[AnyRecord], budgets: Any, epoch_s: float, canaries: dict[str, str]) -> None:
        super().__init__(records)
        self.budgets, self.epoch_s, self.canaries = budgets, epoch_s, canaries
        self.breaches: set[Breach] = set()
        self.uncovered: set[str] = set()

    def judge(self) -> set[Breach]:
        """All breaches of all rules that are covered."""
        self._content_of_frames()
        self._isolation()
        self.uncovered = {
            concerns for question in self.questions.values()
            if self.is_shown_a_helper_first(question) or self.is_forgotten(question)
            for concerns in {question.request, *(e.concerns for e in self.own(question))}
        }  # fmt: skip
        for question in self.questions.values():
            if question.request not in self.uncovered:
                self._identity(question)
                self._question(question)
        for connection in self.users:
            for thread in {event.thread for event in self.events if event.connection == connection}:
                self._numbers(connection, thread)
        return {breach for breach in self.breaches if breach[1] not in self.uncovered}

    def object(self, rule: str, concerns: str) -> None:
        self.breaches.add((rule, concerns))

    def _content_of_frames(self) -> None:
        for record in self.unreadable:
            self.object("CONTENT-2", record.connection)
        for event in self.events:
            if event.kind in SHOWS and not event.text and not self._is_late(event):
                self.object("CONTENT-1", event.concerns)

    def _is_late(self, event: Event) -> bool:
        """Whether an event comes after the end of its run, which is a breach of its own."""
        question = self.questions.get(event.request)
        if question is None or question.user != event.user:
            return False
        if self.is_foreign(event) or self.is_lost(question, event):
            return False
        if event.parent is None:
            end = self.end_of(question)
        else:
            helped = (e for e in self.own(question) if e.parent is not None and e.run == event.run)
            end = next((e for e in helped if e.kind in ENDS), None)
        return end is not None and end.n < event.n

    def _isolation(self) -> None:
        for event in self.events:
            if self.is_foreign(event):
                self.object("ISOLATION-2", event.concerns)
                if event.run in (None, *NO_ID) and self.asker(event) in (None, event.user):
                    self.object("IDENTITY-1", event.concerns)
        for record in self.records:
            # Of a frame that is cut off, a part of a word may be left, which is not looked for here.
            if isinstance(record, Received) and record not in self.unreadable:
                for user, word in self.canaries.items():
                    if word in (record.text or "") and user != self.users[record.connection]:
                        self.object("ISOLATION-1", self.concerned(record.n))
        for record in self.unreadable:
            if self.names_another_user(record):
                self.object("ISOLATION-2", record.connection)

    def _identity(self, question: Question) -> None:
        run_id = self.run_id(question)
        user_id = next(user_id for user_id, user in self.names_by_id.items() if user == question.user)
        for event in self.own(question):
            named = event.run if event.parent is None else event.parent
            if (named in (None, *NO_ID) or named != run_id) and not self.bears_foreign_run(event):
                lost = self.is_lost(question, event)
                self.object("IDENTITY-1", event.concerns if lost else question.request)
            if self.is_foreign(event) or self.is_lost(question, event):
                continue
            asked_in = question.thread if event.parent is None else None
            # A second run for the same request is the same user's, and may have a thread of its own.
            second = run_id is not None and event.parent is None and event.run not in (None, *NO_ID, run_id)
            in_thread = second or event.thread == (asked_in or self.conversation_of(event))
            if not in_thread or event.user_id != user_id:
                self.object("IDENTITY-2", event.concerns)

    def first_seen(self, events: Iterable[Event], end: Event | None) -> Iterator[Event]:
        """Events without those that came before; CONTINUITY-2 for these, where one tab shows them twice."""
        seen: list[Event] = []
        for event in events:
            before = [e for e in seen if e.id == event.id]
            if end is not None and event.n > end.n and not self.in_tabs(event):
                before = [e for e in before if e.n >= end.n]
            if not before:
                yield event
            elif any(e.connection == event.connection and not self.restored_between(e, event) for e in before):
                self.object("CONTINUITY-2", event.concerns)
            seen.append(event)

    def _question(self, question: Question) -> None:
        mine, end = self.own(question), self.end_of(question)
        begun = next((e.n for e in mine if e.connection == self.holders(question, e.at)[-1][1]), 0)
        mine = [event for event in mine if event.n >= begun and not self.is_lost(question, event)]
        helpers = {e.run for e in mine if e.parent is not None}
        root = list(self.first_seen([e for e in mine if e.parent is None], end))
        alive = [e for e in root if end is None or e.n <= end.n]
        self._lifecycle(question.request, root)
        if end is None and self.is_owed(question):
            self.object("LIFECYCLE-2", question.request)
            if len(self.holders(question)) > 1:
                self.object("CONTINUITY-1", question.request)
        helped: list[Event] = []
        for helper in helpers:
            theirs = [e for e in mine if e.parent is not None and e.run == helper]
            theirs_end = next((e for e in theirs if e.kind in ENDS), None)
            events = list(self.first_seen(theirs, theirs_end))
            self._lifecycle(str(helper), events)
            self._run(str(helper), events)
            if end is not None and events[0].n > end.n:
                self.object("LIFECYCLE-3", question.request)
            helped += events
        self._run(question.request, root)
        if alive:
            self._timeliness(question, alive, [e for e in helped if end is None or e.n < end.n])
        if end is not None:
            self._owed_at_the_end(question, end, alive, [e for e in helped if e.n < end.n])

    def _lifecycle(self, concerns: str, events: list[Event]) -> None:
        ended = False
        for number, event in enumerate(events):
            if ended:
                self.object("LIFECYCLE-2" if event.kind in ENDS else "LIFECYCLE-3", concerns)
            elif (number == 0) != (event.kind == STARTED):
                self.object("LIFECYCLE-1", concerns)
            ended = ended or event.kind in ENDS

    def _run(self, concerns: str, events: list[Event]) -> None:
        """PAIRING, CONTENT-3 and TIMELINESS-4: what holds for helpers as well."""
        self._stamps(concerns, events)
        end = next((e for e in events if e.kind in ENDS), None)
        alive = [e for e in events if end is None or e.n <= end.n]
        left_open = self._pairs(concerns, alive)
        if end is None:
            return
        if left_open and end.kind == COMPLETED:
            self.object("PAIRING-2", concerns)
        started = next((e for e in alive if e.kind == STARTED), None)
        if any(end.at - e.at > self.budgets.tool_s for e in left_open):
            self.object("TIMELINESS-4", concerns)
        if started is not None and end.at - started.at > self.budgets.run_s:
            self.object("TIMELINESS-4", concerns)

    def _stamps(self, concerns: str, events: list[Event]) -> None:
        for number, event in enumerate(events):
            before = [e.stamp_s for e in events[:number]]
            skew = abs(event.stamp_s - self.epoch_s - event.at)
            if skew > self.budgets.clock_skew_s or (before and event.stamp_s < max(before) - MICROSECOND):
                self.object("CONTENT-3", concerns)

    def _pairs(self, concerns: str, alive: list[Event]) -> list[Event]:
        """PAIRING-1 and -3, and how long each tool took; the tools that are still open."""
        left_open: list[Event] = []
        for event in alive:
            begun = _begun(left_open, event) if event.kind == DONE else None
            # A result may name its call only, and a call that is not open has no name.
            needs_name = event.tool is not None or event.call is None or begun is not None or event.kind == EXECUTING
            if event.kind in (EXECUTING, DONE) and needs_name and not (event.tool or "").strip():
                self.object("PAIRING-3", concerns)
            if event.kind == EXECUTING:
                left_open.append(event)
            elif event.kind == DONE:
                if begun is None:
                    self.object("PAIRING-1", concerns)
                    continue
                left_open.remove(begun)
                if begun.tool and event.tool and begun.tool != event.tool:
                    self.object("PAIRING-3", concerns)
                if event.at - begun.at > self.budgets.tool_s:
                    self.object("TIMELINESS-4", concerns)
        return left_open

    def _timeliness(self, question: Question, alive: list[Event], helped: list[Event]) -> None:
        budgets = self.budgets
        holders = self.holders(question)
        taken_over = [at for at, connection in holders[1:] if connection is not None]
        started = next((e for e in alive if e.kind == STARTED), None)
        began = min(alive[0].at, *(e.at for e in helped)) if helped else alive[0].at
        asked = max([question.at, *(at for at in taken_over if at <= began)])
        if started is not None and started.at - asked > budgets.start_s:
            self.object("TIMELINESS-1", question.request)
        shown = sorted([*alive, *helped], key=lambda e: e.n)
        for before, after in itertools.pairwise(shown):
            since = max([before.at, *(at for at in taken_over if before.at <= at <= after.at)])
            if after.at - since > budgets.silence_s:
                self.object("TIMELINESS-2", question.request)
        end = alive[-1]
        if question.expect.paced and end.kind == COMPLETED and started is not None and not taken_over:
            took = end.at - started.at
            if end.stamp_s != int(end.stamp_s):
                took = max(took, min(end.stamp_s - started.stamp_s, end.at - asked))
            late = [e for e in shown if e.at >= end.at - took * 0.1]
            if took >= 0.5 and len(late) > len(shown) / 2 and self._held_back(shown, late, end, took):
                self.object("TIMELINESS-3", question.request)

    def _held_back(self, shown: list[Event], late: list[Event], end: Event, took: float) -> bool:
        """An agent may say much at the end: its long tool began before, or its stamps show that it is as it was."""
        if any(e.kind == EXECUTING for e in late) and not any(e.kind == EXECUTING and e not in late for e in shown):
            before = [e for e in shown if e not in late]
            if end.stamp_s == int(end.stamp_s) or not any(e.kind != STARTED for e in before):
                return True
            quickest = min(e.at - e.stamp_s for e in before)
            return any(abs(e.at - e.stamp_s - quickest) > 0.05 for e in late)
        if end.stamp_s == int(end.stamp_s):
            return False
        return sum(e.stamp_s >= end.stamp_s - took * 0.1 - MICROSECOND for e in late) <= len(shown) / 2

    def _owed_at_the_end(self, question: Question, end: Event, alive: list[Event], helped: list[Event]) -> None:
        expect, concerns = question.expect, question.request
        shown = [*alive, *helped]
        thought = any(e.kind == THINKING for e in shown)
        if expect.thinking and end.kind in {COMPLETED, expect.end} - {STOPPED} and not thought:
            self.object("LIFECYCLE-4", concerns)
        stops = [
            r.at
            for r in self.records
            if isinstance(r, Sent) and r.what == "stop" and r.n < end.n and r.run == self.run_id(question)
        ]
        # Nothing shows a stop before the run begins, and while the user is away.
        begins = [alive[0].at, *(at for at, holder in self.holders(question) if holder is not None)]
        if end.kind in (COMPLETED, STOPPED) and stops and end.at - max(stops[0], *begins) > self.budgets.stop_s:
            self.object("LIFECYCLE-6" if end.kind == COMPLETED else "TIMELINESS-5", concerns)
        if expect.end is not EventKind.COMPLETED:
            return
        if end.kind == COMPLETED:
            if expect.tools and not self._shows_all_five(expect, alive, helped):
                self.object("LIFECYCLE-5", concerns)
            answer = str(end.text or "").strip().casefold()
            holds = all(any(text.casefold() in answer for text in group) for group in expect.contains)
            if not answer or not holds:
                self.object("CONTENT-4", concerns)
        elif end.kind == FAILED:
            self.object("CONTENT-4", concerns)
        elif not stops:
            self.object("LIFECYCLE-6", concerns)

    def _shows_all_five(self, expect: Expect, alive: list[Event], helped: list[Event]) -> bool:
        # What a helper shows after its own end is no work any more.
        ended = {e.run: e.n for e in reversed(helped) if e.kind in ENDS}
        helped = [e for e in helped if e.kind == THINKING or e.n <= ended.get(e.run, e.n)]
        kinds = [e.kind for e in [*alive, *helped]]
        owed = (THINKING, EXECUTING, DONE) if expect.thinking else (EXECUTING, DONE)
        five = STARTED in [e.kind for e in alive] and all(kind in kinds for kind in owed)
        together = any(len(still) > 1 for still in _open_tools(alive)) or any(
            len(still) > 1
            for run in {e.run for e in helped}
            for still in _open_tools([e for e in helped if e.run == run])
        )
        return five and kinds.count(EXECUTING) >= expect.tools and (together or not expect.parallel)

    def _numbers(self, connection: str, thread: str | None) -> None:
        """What a connection is shown of a conversation has no gap and no repeat, and goes on where it was resumed."""
        due, looked_at, counted = None, 0, 0
        for event in self.events:
            foreign = self.is_foreign(event) and self.asker(event) != event.user
            if event.connection != connection or foreign or self.conversation_of(event) != thread:
                continue
            restore = self.last_restore(event.n, connection, thread)
            if restore is not None and restore.n > looked_at and restore.last_seq is not None:
                due = restore.last_seq + 1
            looked_at = event.n
            resumed = restore is not None and counted < self.restored(restore)
            unread = sum(counted < r.n < event.n for r in self.unreadable if r.connection == connection)
            if due is not None and event.seq < due:
                self.object("CONTINUITY-2" if resumed else "CONTINUITY-3", event.concerns)
                continue
            if due is not None and event.seq - due > unread:
                self._gap(event, thread, due, resumed=resumed)
            due, counted = event.seq + 1, event.n

    def _gap(self, event: Event, thread: str | None, due: int, *, resumed: bool) -> None:
        if resumed:
            self.object("CONTINUITY-1", event.concerns)
        elif self.is_only_tab(event, thread) or self.is_shown_nowhere(event.user, thread, due, event.seq):
            self.object("CONTINUITY-3", event.concerns)


def _begun(left_open: list[Event], done: Event) -> Event | None:
    """The open tool that a finished one closes: the same call id, else the same name, first in first out."""
    for event in left_open:
        if done.call is not None and event.call == done.call:
            return event
    for event in left_open:
        if event.tool == done.tool and (done.call is None or event.call is None):
            return event
    # Without ids to tell calls apart, the only one that is open is meant; its name is then PAIRING-3's.
    if len(left_open) == 1 and (not done.tool or done.call is None or left_open[0].call is None):
        return left_open[0]
    return None


def _open_tools(events: list[Event]) -> Iterator[list[Event]]:
    """Which tools are open after each event."""
    still: list[Event] = []
    for event in events:
        if event.kind == EXECUTING:
            still.append(event)
        elif event.kind == DONE and (begun := _begun(still, event)) is not None:
            still.remove(begun)
        yield list(still)
