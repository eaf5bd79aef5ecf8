"""What a trace of the default wire holds, sorted by questions: whose each event is, and who waits for which answer."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from math import inf
from typing import Any

from greenlight_gate.trace import AnyRecord, Closed, Expect, Opened, Received, Sent

STARTED, THINKING, EXECUTING, DONE = "agent_started", "agent_thinking", "tool_executing", "tool_completed"
COMPLETED, FAILED, STOPPED = "agent_completed", "agent_failed", "agent_stopped"
ENDS = (COMPLETED, FAILED, STOPPED)
KINDS = (STARTED, THINKING, EXECUTING, DONE, *ENDS)
SHOWS = {
    THINKING: ("reasoning",), DONE: ("result", "error_message"), COMPLETED: ("result",), FAILED: ("error_message",),
}  # fmt: skip
NO_ID = ("", "null", "registry")
_WORD = re.compile(r"[\w.:@-]+")


class Event:
    """One event as it came."""

    def __init__(self, record: Received, body: dict[str, Any], user: str) -> None:
        self.n, self.at, self.connection, self.user = record.n, record.at, record.connection, user
        self.kind: str = body["type"]
        self.run: str | None = body.get("run_id")
        self.thread: str | None = body.get("thread_id")
        self.user_id: str = body["user_id"]
        self.request: str = body["request_id"]
        self.parent: str | None = body.get("parent_run_id")
        self.seq: int = body["seq"]
        self.id: str = body["event_id"]
        self.stamp_s = datetime.fromisoformat(body["timestamp"]).timestamp()
        payload = body["payload"]
        self.tool, self.call = payload.get("tool_name"), payload.get("tool_call_id")
        self.text = next((payload[name] for name in SHOWS.get(self.kind, ()) if payload.get(name) is not None), None)

    @property
    def concerns(self) -> str:
        return self.request if self.parent is None else str(self.run)


class Question:
    """What somebody asked."""

    def __init__(self, sent: Sent, user: str) -> None:
        self.request, self.user, self.connection = sent.request or "", user, sent.connection
        self.n, self.at, self.thread = sent.n, sent.at, sent.thread
        self.expect = sent.expect or Expect()


class Evidence:
    """The records of a trace, and what can be looked up in them."""

    def __init__(self, records: Sequence[AnyRecord]) -> None:
        self.records = records
        self.users = {r.connection: r.user for r in records if isinstance(r, Opened)}
        self.names_by_id = {r.user_id: r.user for r in records if isinstance(r, Opened) and r.user_id is not None}
        self.questions = {
            r.request: Question(r, self.users[r.connection])
            for r in records
            if isinstance(r, Sent) and r.what == "start" and r.request and not r.foreign
        }
        self.restores = [r for r in records if isinstance(r, Sent) and r.what == "restore" and not r.foreign]
        self.events: list[Event] = []
        self.unreadable: list[Received] = []
        for record in records:
            if isinstance(record, Received):
                self._read(record)

    def _read(self, record: Received) -> None:
        try:
            body = json.loads(record.text or "")
        except ValueError:
            self.unreadable.append(record)
            return
        if body.get("type") in KINDS:
            self.events.append(Event(record, body, self.users[record.connection]))

    def concerned(self, n: int) -> str:
        """Whom the record with this number concerns."""
        record = self.records[n - 1]
        if isinstance(record, Sent) and record.request:
            return record.request
        return next((event.concerns for event in self.events if event.n == n), record.connection)

    def asker(self, event: Event) -> str | None:
        """Who asked what an event says that it answers."""
        question = self.questions.get(event.request)
        return question.user if question is not None else None

    def is_foreign(self, event: Event) -> bool:
        """Whether a frame belongs to another user's run, thread, user or question."""
        owners = (
            self.asker(event), self.names_by_id.get(event.user_id), self.first_to_have("run", event.run, event.n),
            self.first_to_have("thread", event.thread, event.n),
        )  # fmt: skip
        return any(owner not in (None, event.user) for owner in owners)

    def names_another_user(self, record: Received) -> bool:
        """Whether the user id of another user, who is known by then, stands whole in a frame that cannot be read."""
        opened = [
            r for r in self.records[: record.n] if isinstance(r, Opened) and r.user != self.users[record.connection]
        ]
        return not {r.user_id for r in opened}.isdisjoint(_WORD.findall(record.text or ""))

    def first_to_have(self, what: str, name: str | None, before: int) -> str | None:
        """Whose question was the first, before a record, to have a run or a conversation of this name."""
        asked = [(q.n, q.user) for q in self.questions.values() if what == "thread" and q.thread == name]
        shown = [
            (e.n, e.user) for e in self.events
            if getattr(e, what) == name and self.asker(e) == e.user and self._names(e, what)
        ]  # fmt: skip
        return min(((n, user) for n, user in [*asked, *shown] if n < before), default=(0, None))[1]

    def _names(self, event: Event, what: str) -> bool:
        """Whether an event is one that gives its run, or its conversation, the name."""
        if event.parent is not None:
            return what == "run"
        first = next(e for e in self.own(self.questions[event.request]) if e.parent is None)
        return first is event and not (what == "run" and event.run in (None, *NO_ID))

    def own(self, question: Question) -> list[Event]:
        """What came to the asker for a question, in order of receipt."""
        return [
            event for event in self.events
            if event.request == question.request and event.user == question.user
        ]  # fmt: skip

    def run_id(self, question: Question) -> str | None:
        """The id of the run that answers a question; None if it began without one of its own."""
        first = next((e for e in self.own(question) if e.parent is None), None)
        if first is None or first.run in (None, *NO_ID) or self._is_anothers(first):
            return None
        return first.run

    def _is_anothers(self, first: Event) -> bool:
        """Whether another question's run, or a helper, had the id before."""
        return any(
            e.n < first.n and e.run == first.run and e.request != first.request and self._names(e, "run")
            for e in self.events
        )

    def in_tabs(self, event: Event) -> bool:
        """Whether a conversation is shown in more than one tab of its user."""
        return any(restore.thread == event.thread for restore in self.restores)

    def restored_between(self, first: Event, second: Event) -> bool:
        """Whether the user asked to be shown a conversation again between two of its events."""
        restore = self.last_restore(second.n, second.connection, second.thread)
        return restore is not None and restore.n > first.n

    def last_restore(self, before: int, connection: str, thread: str | None) -> Sent | None:
        """The last request, before a record, to be shown a conversation on a connection."""
        found = [r for r in self.restores if r.n < before and r.connection == connection and r.thread == thread]
        return found[-1] if found else None

    def restored(self, restore: Sent) -> float:
        """The number of the record that says that all which was asked for has been shown."""
        done = {"type": "session_restored", "thread_id": restore.thread}
        frames = [r for r in self.records[restore.n :] if isinstance(r, Received) and r not in self.unreadable]
        here = [r for r in frames if r.connection == restore.connection]
        return next((r.n for r in here if done.items() <= json.loads(r.text or "").items()), inf)

    def is_forgotten(self, question: Question) -> bool:
        """Whether the asker left before the answer began, and it began before they came back for it, if they did."""
        holders = self.holders(question)
        began = next((e.at for e in self.own(question)), None)
        left = next((at for at, connection in holders if connection is None), None)
        if left is None or (began is not None and began < left):
            return False
        return began is None or not any(left < at <= began for at, connection in holders if connection is not None)

    def is_shown_a_helper_first(self, question: Question) -> bool:
        """Whether a helper is seen before the run that it helps."""
        mine = self.own(question)
        return bool(mine) and mine[0].parent is not None

    def bears_foreign_run(self, event: Event) -> bool:
        return self.first_to_have("run", event.run, event.n) not in (None, event.user)

    def is_lost(self, question: Question, event: Event) -> bool:
        """Whether an event comes after the end, and without the id by which it would be known."""
        end = self.end_of(question)
        if end is None or event.n <= end.n:
            return False
        if event.parent is None:
            return event.run in (None, *NO_ID) or event.run != self.run_id(question)
        begun = any(e.n < end.n and e.run == event.run and e.parent is not None for e in self.own(question))
        return event.parent != self.run_id(question) and not begun

    def end_of(self, question: Question) -> Event | None:
        """The first event that ends the run of a question."""
        mine = self.own(question)
        new = [event for number, event in enumerate(mine) if event.id not in [e.id for e in mine[:number]]]
        return next((event for event in new if event.parent is None and event.kind in ENDS), None)

    def holders(self, question: Question, until: float = inf) -> list[tuple[float, str | None]]:
        """Since when which connection has waited for the answer; None: the user has walked away."""
        found: list[tuple[float, str | None]] = [(question.at, question.connection)]
        for record in self.records[question.n :]:
            if record.at > until:
                break
            thread = question.thread or next((e.thread for e in self.own(question) if e.n < record.n), None)
            end = self.end_of(question)
            if end is not None and end.n < record.n:
                break
            if isinstance(record, Closed) and record.connection == found[-1][1]:
                found.append((record.at, None))
                if thread is None:
                    break
            if record in self.restores and found[-1][1] is None and getattr(record, "thread", None) == thread:
                found.append((record.at, record.connection))
        return found

    def conversation_of(self, event: Event) -> str | None:
        """The conversation in which an event counts: that which the first event of its run names."""
        question = self.questions.get(event.request)
        if question is None or self.is_lost(question, event):
            return event.thread
        own = [e for e in self.own(question) if e.parent == event.parent and (e.parent is None or e.run == event.run)]
        return own[0].thread if own else event.thread

    def is_only_tab(self, event: Event, thread: str | None) -> bool:
        """Whether nowhere else can this user's events have gone."""
        opened = [r for r in self.records[: event.n] if isinstance(r, Opened) and r.user == event.user]
        closed = {r.connection for r in self.records[: event.n] if isinstance(r, Closed)}
        here = self.last_restore(event.n, event.connection, thread) is not None
        return len(opened) == 1 or (here and {r.connection for r in opened} - closed == {event.connection})

    def is_shown_nowhere(self, user: str, thread: str | None, due: int, seq: int) -> bool:
        shown = {e.seq for e in self.events if e.thread == thread and e.user == user}
        return not self.is_torn(user) and any(number not in shown for number in range(due, seq))

    def is_torn(self, user: str) -> bool:
        """Whether a tab was closed in the middle of an answer, so that some events may have gone to nobody."""
        return any(
            isinstance(r, Closed) and self.users.get(r.connection) == user
            and any(at <= r.at and c == r.connection for q in self.questions.values() for at, c in self.holders(q))
            for r in self.records
        )  # fmt: skip

    def is_owed(self, question: Question) -> bool:
        """Whether its user waits for an answer when the trace ends."""
        return self.holders(question)[-1][1] is not None
