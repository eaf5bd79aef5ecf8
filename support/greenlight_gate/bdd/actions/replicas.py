"""Several replicas of one backend and the services behind them: users on both, and restarts."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from greenlight_gate.bdd.actions.backend_restarts import others_are_done
from greenlight_gate.bdd.actions.network import Network, where
from greenlight_gate.bdd.actions.privacy import Privacy
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.proxied_user import ProxiedUser
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.resumable_session import ResumableSession
from greenlight_gate.events import EventKind
from greenlight_gate.services.local import Ours
from greenlight_gate.services.stack import REPLICAS
from greenlight_gate.session.loop_thread import together
from greenlight_gate.targets.access import TargetFault
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.trace import KILL, RESTART

_CLOSES_S = 10.0
_AWAY_S = 20.0


class Replicas:
    """Which user is on which replica, in one scenario. Replicas are counted from 1."""

    def __init__(self, world: World, network: Network, privacy: Privacy) -> None:
        self.world = world
        self.network = network
        self.privacy = privacy
        self._on: dict[ProxiedUser, int] = {}
        self._told: dict[str, UserRequest] = {}
        self.kept_out: list[str] = []

    @property
    def runtime(self) -> Ours:
        """The services of the suite's stack. Raises NotExercised if the suite has not started them."""
        self.world.need("services")
        if self.world.suite.stack is None:
            raise NotExercised(f"{self.world.suite.target.name} has no services that the suite may end")
        return self.world.suite.stack.runtime

    # Connecting ------------------------------------------------------------------------------------------------

    def come(self, people: Sequence[str], replica: int) -> None:
        """Each user opens a (further) tab on this replica, all at the same time."""
        self.world.need("replicas")
        # An earlier scenario may still be restarting a service.
        self.world.call(others_are_done(self.world))
        self.world.call(together([self._come(person, replica) for person in people]))

    def come_in_turn(self, people: Sequence[str]) -> None:
        """Users connect, every second one to the second replica."""
        self.come(people[::2], 1)
        self.come(people[1::2], 2)

    async def _come(self, person: str, replica: int) -> None:
        line = self.network.new_line(person)
        self.world.sessions.setdefault(person, []).append(line.session)
        self._point(line, replica)
        await line.open()

    def _point(self, line: ProxiedUser, replica: int) -> None:
        self._on[line] = replica
        target = self.world.suite.target
        line.proxy.target = target.at(target.replicas[replica - 1]).endpoint

    def _lines(self, replica: int | None = None) -> list[ProxiedUser]:
        return [line for line, on in self._on.items() if replica in (None, on)]

    # Following and reconnecting -----------------------------------------------------------------------------------

    def follow(self, person: str) -> None:
        """The user's newer tab follows, on its replica, the conversation of the latest request."""
        question = self.world.asking(person)
        self.world.wait_for_a_sign(question)
        self.world.restore(person, question, len(self.world.sessions[person]))

    def shows_it_too(self, person: str) -> bool:
        """Whether the user's newer tab receives the end of the answer, possibly later than the older one."""
        question, number = self.world.last(person), len(self.world.sessions[person])
        return self.world.call(self._shows(question, number))

    async def _shows(self, question: UserRequest, number: int) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.world.budgets.silence_s):
                while number not in self.world.windows_that_showed(question):  # noqa: ASYNC110 -- nothing signals a new record
                    await asyncio.sleep(0.01)
                return True
        return False

    def lose_and_come_back_elsewhere(self, person: str, kind: EventKind) -> None:
        """The user loses the connection once an event was received, and reconnects to the other replica."""
        self.network.lose_once(self.world.asking(person), kind)
        line = self.network.line(person)
        self._point(line, 3 - self._on[line])
        self.network.come_back(person)

    # Failures --------------------------------------------------------------------------------------------------

    def take_away(self, replica: int, *, kill: bool) -> None:
        """A replica ends while its users wait for answers (SIGTERM, or SIGKILL); they reconnect to the other one."""
        name, runtime = REPLICAS[replica - 1], self.runtime
        self.world.afterwards.append(lambda: asyncio.to_thread(runtime.resume, name))
        self.world.call(self._take_away(name, replica, kill=kill))

    async def _take_away(self, name: str, replica: int, *, kill: bool) -> None:
        lines, way = self._lines(replica), KILL if kill else RESTART
        for line in lines:
            # Without a first event, a user does not know what to resume.
            for question in line.session.heard.questions:
                await line.session.wait_until(question, question.has_begun)
        for line in lines:
            line.session.cut(way, where(line.session.heard.questions))
            line.prepare_try = lambda session: session.cut(way, "while the backend is down")
            self._point(line, 3 - replica)
        await asyncio.to_thread(self.runtime.kill if kill else _stopping(self.runtime), name)
        await together([self._return(line) for line in lines])

    async def _return(self, line: ProxiedUser) -> None:
        await line.session.wait_closed(_CLOSES_S)
        line.prepare_try = _unprepared
        await self.network.return_on(line, patience_s=_AWAY_S)

    def bring_back(self, replica: int) -> None:
        """A replica that was ended starts again."""
        self.world.call(asyncio.to_thread(self.runtime.resume, REPLICAS[replica - 1]))

    def deploy(self, prompt: str) -> None:
        """Restarts one replica after the other, while all users send requests and reconnect."""
        for replica in (1, 2):
            self.world.begin_together([(person, prompt) for person in self.world.sessions])
            if self._lines(replica):
                self.take_away(replica, kill=False)
            self.bring_back(replica)

    def restart(self, service: str) -> None:
        """A service is restarted (SIGTERM) in the middle of an answer."""
        self.network.until(self.world.asking(), EventKind.TOOL_EXECUTING)
        self.world.call(asyncio.to_thread(self.runtime.restart, [service]))

    def stop(self, service: str) -> None:
        """A service ends; it is started again at the end of the scenario at the latest."""
        runtime = self.runtime
        self.world.afterwards.append(lambda: asyncio.to_thread(runtime.resume, service))
        self.world.call(asyncio.to_thread(runtime.stop, [service]))

    def start(self, service: str) -> None:
        """A service that was ended starts again."""
        self.world.call(asyncio.to_thread(self.runtime.resume, service))

    def try_to_sign_in(self, person: str) -> None:
        """A new user tries to sign in."""
        suite, persona = self.world.suite, self.world.persona(person)
        if suite.target.auth.obtain != "login":
            raise NotExercised(f"{suite.target.name}: there is no sign-in (auth.obtain = {suite.target.auth.obtain!r})")
        try:
            suite.loop.call(suite.access.fresh_pass_for(persona), _CLOSES_S)
        except (Misconfigured, TargetFault):
            self.kept_out.append(person)

    # Isolation across replicas -------------------------------------------------------------------------------------

    def gather(self, most: int) -> None:
        """Several users tell the assistant a secret on one replica, and follow that conversation on the other one."""
        world, privacy = self.world, self.privacy
        world.need("isolation", "remember", "recall", "resume", "replicas")
        people = world.people_up_to(most, at_least=2)
        self.come_in_turn(people)
        for replica in (1, 2):
            self.come([line.session.person for line in self._lines(3 - replica)][: len(people)], replica)
        privacy.watch(people)
        world.pictured = True
        privacy.tell(people)
        for person in people:
            self._told[person] = world.last(person)
            world.restore(person, self._told[person], 2)

    def ask_all(self) -> None:
        """All users ask at the same time for their own secret in the conversation that they follow."""
        world = self.world
        asked = [world.ask(person, "recall", follow=told) for person, told in self._told.items()]
        world.wait(*asked)


def _stopping(runtime: Ours) -> Callable[[str], object]:
    return lambda name: runtime.stop([name])


def _unprepared(_: ResumableSession) -> None:
    """A factory whose attempts are expected to succeed."""
