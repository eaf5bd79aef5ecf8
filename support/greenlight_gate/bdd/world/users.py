"""The users of one scenario: their personas, and their tabs, which are opened, renewed and closed."""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.matchers.observable import NotExercised, must_have_shown
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.resumable_session import ResumableSession
from greenlight_gate.client.scenario_session import ScenarioSession
from greenlight_gate.events import EventKind
from greenlight_gate.findings import Finding
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.session.conditions import CONDITIONS
from greenlight_gate.session.jobs import users_of
from greenlight_gate.session.loop_thread import SuiteFault, admit, together
from greenlight_gate.session.pace import users_at_once, what_limits
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.targets.access import Token
from greenlight_gate.targets.sections import Persona
from greenlight_gate.transport.connection_setup import NOTHING_NAMED, Naming

T = TypeVar("T")
HOP_S = 600.0


class Users:
    """`sessions`: user -> their tabs, in the order of opening. `persona_of`: the persona of each user.

    `tokens`: of the users who have another one than they would be given. `further`: recorders of further conversations,
    each with a trace of its own. `slot`: which user ids they have if scenarios run in parallel
    (`greenlight_gate.session.jobs`).
    """

    def __init__(self, suite: ValidationSession, recorder: Recorder, slot: int = 0) -> None:
        self.suite = suite
        self.recorder = recorder
        self.further: list[Recorder] = []
        self.slot = slot
        self.sessions: dict[str, list[ScenarioSession]] = {}
        self.persona_of: dict[str, Persona] = {}
        self.tokens: dict[str, Token] = {}
        self._past: list[ScenarioSession] = []
        self._reopening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    # Personas -----------------------------------------------------------------------------------------------------

    def persona(self, user: str) -> Persona:
        """The persona of a user: the one of the same name, else one that is still free."""
        personas = self.personas(len(self.suite.target.personas))
        free = [persona for persona in personas if persona not in self.persona_of.values()]
        if user not in self.persona_of:
            if not free:
                raise NotExercised(f"{self.suite.target.name} has {len(personas)} users, one more is needed")
            self.persona_of[user] = next((persona for persona in free if persona.name == user), free[0])
        return self.persona_of[user]

    def personas(self, count: int) -> tuple[Persona, ...]:
        """Up to `count` personas of the target, with the user ids of this scenario."""
        return users_of(self.suite.target, count, self.slot)

    def canary(self, user: str) -> str:
        """The canary of a user of this scenario."""
        return self.suite.canary(self.persona(user))

    def users(self, count: int) -> list[str]:
        """The names of `count` users of the target."""
        return self.users_up_to(count, at_least=count)

    def users_up_to(self, most: int, *, at_least: int) -> list[str]:
        """The names of as many users as the target has and allows, up to `most`."""
        target = self.suite.target
        users = self.personas(users_at_once(target.limits, most))
        if len(users) < at_least:
            if exceeded := what_limits(target.limits, at_least):
                raise NotExercised(f"{target.name} {exceeded[1]}", exceeded[0])
            raise NotExercised(f"{target.name} has {len(users)} users, {at_least} are needed")
        self.persona_of.update({persona.name: persona for persona in users})
        return [persona.name for persona in users]

    # Tabs ---------------------------------------------------------------------------------------------------------

    def connect(self, user: str) -> None:
        """Opens a (further) tab for a user."""
        self.call(self.open_tab(user))

    def connect_all(self, users: Sequence[str]) -> None:
        """Opens a tab for each user, all at the same time."""
        self.call(together([self.open_tab(user) for user in users]))

    async def open_tab(self, user: str) -> None:
        """Opens a (further) tab for a user. Raises NotExercised if the target allows no more."""
        if self.is_full:
            limit = self.suite.target.limits.max_connections
            raise NotExercised(f"{self.suite.target.name} allows {limit} connections at a time")
        token = await self.token_of(user)
        await self.new_session(user).connect(token, self.suite.tls)

    @property
    def is_full(self) -> bool:
        """Whether as many connections are open as the target allows."""
        limit = self.suite.target.limits.max_connections
        return sum(session.open for tabs in self.sessions.values() for session in tabs) >= limit

    async def token_of(self, user: str) -> Token:
        """The token with which a user connects."""
        return self.tokens.get(user) or await self.suite.access.token_for(self.persona(user))

    def new_session(self, user: str) -> ScenarioSession:
        """A tab for a user, still to be opened."""
        session = self.suite.new_session(ScenarioSession, user, self.persona(user), self.recorder)
        self.sessions.setdefault(user, []).append(session)
        return session

    def tab(self, user: str, number: int = 1) -> ScenarioSession:
        """A user's tab, counted from 1."""
        tabs = self.sessions.get(user, [])
        if number > len(tabs):
            raise SuiteFault(f"{user} has {len(tabs)} tabs in this scenario, not {number}")
        return tabs[number - 1]

    def connected_tab(self, user: str, number: int = 1) -> ScenarioSession:
        """The user's tab; a channel that the server has ended in order is opened again, as an EventSource does.

        So is a connection that the server has closed to refuse what the user has tried. Raises Unmet if it ends again
        at once, and NotExercised where a proxy of the scenario would no longer be on the way.
        """
        return self.call(self._opened_again(user, number))

    async def _opened_again(self, user: str, number: int) -> ScenarioSession:
        async with self._reopening[user]:
            session = self.tab(user, number)
            if session.was_refused_by_close:
                return await self._renewed(user, number)
            if not session.ended_in_order:
                return session
            if isinstance(session, ResumableSession):
                raise NotExercised(f"{self.suite.target.name} ended the channel of {user} before it could be cut")
            naming = session.going_on() if self.suite.lacks("resume") is None else NOTHING_NAMED
            fresh = await self._renewed(user, number, naming)
            if not fresh.open:
                raise NotConnected(f"{user}'s channel was opened again, and ended at once")
            return fresh

    async def _renewed(self, user: str, number: int, naming: Naming = NOTHING_NAMED) -> ScenarioSession:
        """A new connection for a user's tab; `naming`: the conversation that it resumes."""
        suite, session = self.suite, self.tab(user, number)
        persona = session.played_by
        await session.close(keep_tab=True)
        fresh = suite.new_session(ScenarioSession, user, persona, session.recorder, before=session)
        self.sessions[user][number - 1] = fresh
        await fresh.connect(await self.token_of(user), suite.tls, naming=naming)
        return fresh

    def reconnect(self, user: str, tab: int = 1, naming: Naming = NOTHING_NAMED) -> None:
        """Closes the connection of a user's tab, and opens another one in it. `naming`: what that resumes."""
        self.call(self._renewed(user, tab, naming))

    def replace(self, old: ScenarioSession, new: ScenarioSession) -> None:
        """Replaces a connection of a tab by a new one."""
        tabs = self.sessions[old.user]
        tabs[tabs.index(old)] = new
        self._past.append(old)

    def leave_all(self) -> None:
        """Closes all tabs, also those with unfinished runs."""
        self._leave(*self.sessions.values())

    def leave(self, user: str) -> None:
        """Closes all tabs of a user."""
        self._leave(self.sessions[user])

    def _leave(self, *users: list[ScenarioSession]) -> None:
        sessions = [session for tabs in users for session in tabs]
        self._past += sessions
        self.call(together([session.close() for session in sessions]))
        for tabs in users:
            tabs.clear()

    def close_tab_during(self, question: UserRequest, kind: EventKind) -> None:
        """Closes the tab of a request once an event of the kind came. Raises as `must_have_shown` if none did."""
        session, tabs = self.session_of(question), self.sessions[question.user]
        self.call(session.wait_until(question, lambda: question.has(kind)))
        must_have_shown(question, kind)
        tabs.remove(session)
        self._past.append(session)
        self.call(session.close())

    def session_of(self, question: UserRequest) -> ScenarioSession:
        """The connection of the tab in which a request was sent."""
        for session in (*self.sessions[question.user], *self._past):
            if question in session.inbox.questions:
                return session
        raise SuiteFault(f"no tab of {question.user} sent {question.text!r}")

    def is_connected(self, question: UserRequest) -> bool:
        """Whether the connection on which a request was sent is still open."""
        return self.session_of(question).open

    # The loop thread, what the target lacks, and what was found ---------------------------------------------------

    def need(self, *needs: str) -> None:
        """Raises NotExercised for a capability or a prompt that the target lacks."""
        for need in needs:
            reason = self.suite.lacks(need)
            if reason is not None:
                raise NotExercised(reason, "" if need in CONDITIONS else need)

    @property
    def budgets(self) -> TimeBudgets:
        """The limits of each wait."""
        return self.suite.target.budgets

    @property
    def findings(self) -> list[Finding]:
        """The findings so far."""
        return [*self.recorder.findings, *(finding for each in self.further for finding in each.findings)]

    def call(self, coroutine: Coroutine[Any, Any, T], within_s: float = HOP_S) -> T:
        """Runs a coroutine on the loop thread. Raises Unmet for a failed connection: the target caused it."""
        try:
            result = self.suite.loop.call(coroutine, within_s)
        except NotConnected as error:
            if not error.rule:
                raise SuiteFault(str(error)) from error
            raise Unmet(error.rule, str(error)) from error
        finally:
            self.admit_fault()
        return result

    def admit_fault(self) -> None:
        """Raises SuiteFault if the suite could not process a message."""
        for each in (self.recorder, *self.further):
            admit(each.fault)
