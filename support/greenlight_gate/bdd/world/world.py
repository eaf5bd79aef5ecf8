"""The World: the typed state of one scenario. Steps call it; it passes the work to the loop thread."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.matchers.observable import NotExercised, must_have_shown
from greenlight_gate.bdd.world.users import Users
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.session import Session
from greenlight_gate.events import ENDS, Control, Event, EventKind, each
from greenlight_gate.evidence.conversation import as_table
from greenlight_gate.findings import Finding
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.session.loop_thread import together as _all
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.trace import Closed, Received

T = TypeVar("T")
# (user, prompt), and the number of the tab if it is not the first.
StackOptions = tuple[str, str] | tuple[str, str, int]

_HOP_S = 600.0
_MOST_SHOWN = 50
NOTHING_OBSERVED = "the scenario passed without having observed anything"


class Answered(NamedTuple):
    """An invalid message (by its name), its connection, and the error that answered it, if any."""

    session: Session
    message: str
    reply: Control | None


class World(Users):
    """One scenario's users, their connections, and their requests.

    `questions`: all requests, in order. `private`: the users whose isolation is checked; `pictured`: with a picture.
    `further`: recorders of further conversations, each with a trace of its own. `afterwards`: what is closed after all
    connections. `received_elsewhere`: the number of messages to virtual users, which the trace lacks. `lacking`: why it
    is not exercised, by the name under which `accepted_gaps` can accept it.
    """

    def __init__(self, suite: ValidationSession, key: str, number: int, slot: int = 0) -> None:
        self.key = key
        self.trace = f"traces/{number:04d}-{_slug(key)}.jsonl"
        path: Path = suite.evidence.folder / self.trace
        budgets = suite.target.budgets
        recorder = Recorder(
            key, path, suite.profile, budgets, suite.access.redact_bytes,
            rules=suite.plan.rules, watch=suite.loop.watch,
        )  # fmt: skip
        super().__init__(suite, recorder, slot)
        self.questions: list[UserRequest] = []
        self.answered_to: list[Answered] = []
        self.pinged: list[bool] = []
        self.private: tuple[str, ...] = ()
        self.pictured = False
        self.further: list[Recorder] = []
        self.afterwards: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._held = contextlib.AsyncExitStack()
        suite.worlds.add(self)
        self.received_elsewhere = 0
        self.lacking = ""

    # Users ---------------------------------------------------------------------------------------------

    def connect(self, user: str) -> None:
        """Opens a (further) tab for a user."""
        self.call(self.open_tab(user))

    def connect_all(self, users: Sequence[str]) -> None:
        """Opens a tab for each user, all at the same time."""
        self.call(_all([self.open_tab(user) for user in users]))

    def leave_all(self) -> None:
        """Closes all tabs, also those with unfinished runs."""
        sessions = [session for tabs in self.sessions.values() for session in tabs]
        self._past += sessions
        self.call(_all([session.close() for session in sessions]))
        for tabs in self.sessions.values():
            tabs.clear()

    def need(self, *needs: str) -> None:
        """Raises NotExercised for a capability or a prompt that the target lacks."""
        for need in needs:
            reason = self.suite.target.lacks(need)
            if reason is not None:
                raise NotExercised(reason, need)

    # Requests --------------------------------------------------------------------------------------------

    def ask(self, user: str, prompt: str, *, tab: int = 1, follow: UserRequest | None = None) -> UserRequest:
        """Sends a request and does not wait. `follow` continues the thread of that request."""
        self.need(prompt)
        self._one_at_a_time([(user, tab)])
        return self.call(self._ask(user, prompt, tab, follow))

    def claim(self, user: str, prompt: str, owner: str) -> None:
        """Sends a request with the user id of `owner`; waits for the result."""
        self.need(prompt)
        self.wait(self.call(self._ask(user, prompt, claims=owner)))

    async def _ask(
        self, user: str, prompt: str, tab: int = 1, follow: UserRequest | None = None, claims: str = ""
    ) -> UserRequest:
        target, canary = self.suite.target, self.canary(user)
        expect = target.expectation(prompt, canary)
        text = target.question(prompt, canary)
        thread = follow.thread if follow is not None else None
        user_id = self.persona(claims).user if claims else None
        session = await self._ready_to_ask(user, tab)
        if follow is not None and self.recorder.checker.connections[follow.connection].cut_by_us:
            self.need("resume")  # without it, nobody has promised that a conversation outlives its connection
        question = await session.ask(text, expect, thread, foreign=claims, claims=user_id)
        question.absent = self.suite.profile.spec.absent
        self.questions.append(question)
        return question

    async def _ready_to_ask(self, user: str, number: int) -> Session:
        """The user's tab, with a connection that accepts a request.

        If a connection answers only one request, or one at a time and the last one is still unanswered, the client
        opens a new one for the next, in the same tab.
        """
        session = self.tab(user, number)
        if not session.needs_another_to_ask:
            return session
        suite, persona = self.suite, session.played_by
        await session.close(keep_tab=True)
        fresh = suite.new_session(Session, user, persona, session.recorder, before=session)
        self.sessions[user][number - 1] = fresh
        await fresh.connect(await suite.access.token_for(persona), suite.tls)
        return fresh

    def ask_together(self, wishes: Sequence[StackOptions]) -> list[UserRequest]:
        """Sends all at the same time; waits for all the answers."""
        questions = self.begin_together(wishes)
        self.wait(*questions)
        return questions

    def begin_together(self, wishes: Sequence[StackOptions]) -> list[UserRequest]:
        """Sends all at the same time; does not wait."""
        self.need(*{wish[1] for wish in wishes})
        self._one_at_a_time([(wish[0], wish[2] if len(wish) == 3 else 1) for wish in wishes])
        return self.call(_all([self._ask(*wish) for wish in wishes]))

    def _one_at_a_time(self, tabs: Sequence[tuple[str, int]]) -> None:
        """Raises NotExercised for parallel requests on a connection that does not accept them."""
        name = self.suite.profile.name
        for place in tabs:
            alone = self.suite.profile.spec.connection.runs == "many" or tabs.count(place) == 1
            if not alone or _is_busy(self.tab(*place)):
                raise NotExercised(f"a connection of {name} answers one request at a time (connection.runs)")

    def wait_for_first_event(self, question: UserRequest) -> None:
        """Waits for the first event of an answer."""
        self.call(self._session(question).wait_until(question, question.has_begun))

    def wait(self, *questions: UserRequest) -> None:
        """Waits for answers to end. A timeout is a finding, and no error here."""
        self.call(_all([self._session(question).wait_end(question) for question in questions]))

    def ping(self, user: str) -> None:
        """Sends an application ping and remembers whether it was answered."""
        self.need("ping")
        self.pinged.append(self.call(self.tab(user).ping()))

    def hold(self, resource: AbstractAsyncContextManager[T]) -> T:
        """Enters a context manager on the loop thread, and leaves it when the scenario ends."""
        return self.call(self._held.enter_async_context(resource))

    def restore(self, user: str, question: UserRequest, tab: int) -> bool:
        """Requests, in a tab, the whole thread of an answer; returns whether the backend confirmed the restore."""
        self.need("resume")
        if question.thread is None:
            raise NotExercised(f"the answer to {question.text!r} names no conversation that could be restored")
        first = min((event.seq for event in question.events if event.seq is not None), default=1)
        return self.call(self.tab(user, tab).restore(question.thread, first - 1))

    def stop_once(self, question: UserRequest, kind: EventKind) -> None:
        """Sends a stop once an event of the kind was received, and waits for the end.

        Raises as `must_have_shown` if none was received.
        """
        self.need("stop")
        session = self._session(question)
        self.call(session.wait_until(question, lambda: question.has(kind)))
        must_have_shown(question, kind)
        self.call(session.stop(question))
        self.wait(question)

    # Results ----------------------------------------------------------------------------------------

    def asking(self, user: str | None = None) -> UserRequest:
        """The latest request, of any user or of this one; its answer may be unfinished."""
        for question in reversed(self.questions):
            if user in (None, question.user):
                return question
        raise SuiteFault(f"{user or 'no user'} has sent no request in this scenario")

    def last(self, user: str | None = None) -> UserRequest:
        """The latest request, once its answer has ended or timed out."""
        question = self.asking(user)
        if not question.over:
            self.wait(question)
        return question

    def asked_by(self, user: str) -> list[UserRequest]:
        """All requests of a user, in order."""
        return [question for question in self.questions if question.user == user]

    def answered(self, user: str) -> bool:
        """Whether the user received any event of an answer."""
        return any(question.events for question in self.asked_by(user))

    def tab_of(self, question: UserRequest) -> int:
        """The number of the tab in which a request was sent."""
        return self.sessions[question.user].index(self._session(question)) + 1

    def tabs_that_showed(self, question: UserRequest) -> list[int]:
        """The numbers of the user's tabs that received the end of an answer."""
        runs = {event.run for event in question.events if event.parent is None}
        shown = {
            entry.record.connection
            for entry in self.recorder.entries
            if any(isinstance(e, Event) and e.kind in ENDS and e.run in runs for e in each(entry.reading))
        }
        tabs = self.sessions[question.user]
        return [number for number, session in enumerate(tabs, 1) if session.connection in shown]

    @property
    def was_away(self) -> str:
        """For how long the suite itself stood still in this scenario, in words; "" if not for long."""
        stalls = [recorder.checker.registry.stalls for recorder in (self.recorder, *self.further)]
        longest_s = max(each.longest_s for each in stalls)
        is_long = any(each.is_long for each in stalls)
        return f"the suite itself stood still for {longest_s:.1f} s in this scenario" if is_long else ""

    def admit_stall(self, question: UserRequest) -> None:
        """Raises SuiteFault if the suite itself stalled during an answer: then its pace cannot be judged."""
        if self.recorder.stood_still(question.asked_at):
            raise SuiteFault(f"the suite stalled while {question.text!r} was answered, so its pace cannot be judged")

    def was_closed_by_backend(self, session: Session) -> bool:
        """Whether the backend closed a connection with a code; REFUSAL-4 judges what it says."""
        ends = [entry.record for entry in self.recorder.entries if isinstance(entry.record, Closed)]
        return any(end.connection == session.connection and end.by == "server" and end.code for end in ends)

    @property
    def budgets(self) -> TimeBudgets:
        """The limits of each wait."""
        return self.suite.target.budgets

    @property
    def findings(self) -> list[Finding]:
        """The findings so far."""
        return [*self.recorder.findings, *(finding for each in self.further for finding in each.findings)]

    def table(self) -> str:
        """The whole conversation, or the first one with findings, with the records that prove them marked."""
        recorders = [self.recorder, *self.further]
        reply = next((recorder for recorder in recorders if recorder.findings), self.recorder)
        marked = {number for finding in reply.findings for number in finding.evidence}
        return as_table([(entry.record, entry.reading) for entry in reply.entries], marked)

    @property
    def has_observed(self) -> bool:
        """Whether the backend has sent anything in this scenario, including refused connections."""
        records = [entry.record for entry in self.recorder.entries]
        received = any(isinstance(r, Received) or (isinstance(r, Closed) and r.by == "server") for r in records)
        return received or self.received_elsewhere > 0

    def ended_questions(self) -> list[UserRequest]:
        """All requests that were not abandoned."""
        return [question for question in self.questions if question.over and not self._left(question)]

    def _left(self, question: UserRequest) -> bool:
        return self._session(question) in self._past and not question.has_end

    def complaint(self) -> str:
        """All findings, one to a line, and the conversation; "" when there are none."""
        if not self.findings:
            return ""
        shown = [str(finding) for finding in self.findings[:_MOST_SHOWN]]
        more = len(self.findings) - len(shown)
        shown += [f"... and {more} more findings"] if more else []
        return "\n".join([*shown, "", self.table()])

    # The end of the scenario -------------------------------------------------------------------------------------

    def conclude(self) -> None:
        """Concludes the last step: waits for every answer to end; any finding fails the scenario.

        Raises AssertionError with the findings, or SuiteFault for a scenario that received nothing.
        """
        self.wait(*[question for question in self.questions if not question.over])
        self.call(_all([session.flush() for tabs in self.sessions.values() for session in tabs]))
        if self.findings:
            raise AssertionError(self.complaint())
        if not self.has_observed:
            raise SuiteFault(NOTHING_OBSERVED)

    async def linger(self) -> None:
        """Waits for late messages during the grace time, then closes all connections and the trace."""
        sessions = [*self._past, *(session for tabs in self.sessions.values() for session in tabs)]
        if any(session.open for session in sessions):
            await asyncio.sleep(self.suite.target.budgets.grace_s)
        try:
            await self._held.aclose()
            await _all([session.close() for session in sessions])
            for tear_down in self.afterwards:
                await tear_down()
        finally:
            for recorder in (self.recorder, *self.further):
                recorder.finish()
            self.suite.worlds.discard(self)
        self._admit_fault()

    def forget(self) -> None:
        """Releases the memory of the records, which are on disk."""
        for recorder in (self.recorder, *self.further):
            recorder.entries.clear()

    def call(self, coroutine: Coroutine[Any, Any, T], within_s: float = _HOP_S) -> T:
        """Runs a coroutine on the loop thread. Raises Unmet for a failed connection: the target caused it."""
        try:
            result = self.suite.loop.call(coroutine, within_s)
        except NotConnected as error:
            if not error.rule:
                raise SuiteFault(str(error)) from error
            raise Unmet(error.rule, str(error)) from error
        finally:
            self._admit_fault()
        return result

    def _admit_fault(self) -> None:
        fault = next((each.fault for each in (self.recorder, *self.further) if each.fault is not None), None)
        if fault is not None:
            raise SuiteFault(f"a message could not be processed: {fault!r}") from fault


def _is_busy(session: Session) -> bool:
    """Whether an answer is unfinished on a connection that answers one request at a time."""
    runs = session.profile.spec.connection.runs
    return runs != "many" and any(not question.over for question in session.inbox.questions)


def _slug(key: str) -> str:
    """A scenario's key as a file name: letters, digits and dashes only."""
    return "".join(char if char.isascii() and char.isalnum() else "-" for char in key)[:80].strip("-")
