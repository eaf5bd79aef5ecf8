"""The users of one scenario: their personas, and their tabs."""

from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.scenario_session import ScenarioSession
from greenlight_gate.session.jobs import users_of
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.session.pace import users_at_once, what_limits
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.targets.access import Token
from greenlight_gate.targets.sections import Persona


class Users:
    """`sessions`: user -> their tabs, in the order of opening. `persona_of`: the persona of each user.

    `tokens`: the tokens of users who have others than those that they would be given.
    `slot`: which user ids they have if scenarios run in parallel (`greenlight_gate.session.jobs`).
    """

    def __init__(self, suite: ValidationSession, recorder: Recorder, slot: int = 0) -> None:
        self.suite = suite
        self.recorder = recorder
        self.slot = slot
        self.sessions: dict[str, list[ScenarioSession]] = {}
        self.persona_of: dict[str, Persona] = {}
        self.tokens: dict[str, Token] = {}
        self._past: list[ScenarioSession] = []

    async def open_tab(self, user: str) -> None:
        """Opens a (further) tab for a user. Raises NotExercised if the target allows no more."""
        if self.is_full:
            limit = self.suite.target.limits.max_connections
            raise NotExercised(f"{self.suite.target.name} allows {limit} connections at a time")
        token = await self.token_of(user)
        await self.new_session(user).connect(token, self.suite.tls)

    async def token_of(self, user: str) -> Token:
        """The token with which a user connects."""
        return self.tokens.get(user) or await self.suite.access.token_for(self.persona(user))

    @property
    def is_full(self) -> bool:
        """Whether as many connections are open as the target allows."""
        limit = self.suite.target.limits.max_connections
        return sum(session.open for tabs in self.sessions.values() for session in tabs) >= limit

    def new_session(self, user: str) -> ScenarioSession:
        """A tab for a user, still to be opened."""
        session = self.suite.new_session(ScenarioSession, user, self.persona(user), self.recorder)
        self.sessions.setdefault(user, []).append(session)
        return session

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

    def tab(self, user: str, number: int = 1) -> ScenarioSession:
        """A user's tab, counted from 1."""
        tabs = self.sessions.get(user, [])
        if number > len(tabs):
            raise SuiteFault(f"{user} has {len(tabs)} tabs in this scenario, not {number}")
        return tabs[number - 1]

    def replace(self, old: ScenarioSession, new: ScenarioSession) -> None:
        """Replaces a connection of a tab by a new one."""
        tabs = self.sessions[old.user]
        tabs[tabs.index(old)] = new
        self._past.append(old)

    def session_of(self, question: UserRequest) -> ScenarioSession:
        """The connection of the tab in which a request was sent."""
        for session in (*self.sessions[question.user], *self._past):
            if question in session.inbox.questions:
                return session
        raise SuiteFault(f"no tab of {question.user} sent {question.text!r}")
