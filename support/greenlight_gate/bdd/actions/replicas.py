"""Several replicas of one backend and the services behind them: users on both, and restarts."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from greenlight_gate.bdd.actions.backend_restarts import others_are_done
from greenlight_gate.bdd.actions.isolation import Privacy
from greenlight_gate.bdd.actions.network import Network, where
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
        self._asked: dict[str, UserRequest] = {}
        self.kept_out: list[str] = []

    @property
    def runtime(self) -> Ours:
        """The services of the suite's stack. Raises NotExercised if the suite has not started them."""
        self.world.need("services")
        if self.world.suite.stack is None:
            raise NotExercised(f"{self.world.suite.target.name} has no services that the suite may end")
        return self.world.suite.stack.runtime

    # Connecting ------------------------------------------------------------------------------------------------

    def connect(self, users: Sequence[str], replica: int) -> None:
        """Each user opens a (further) tab on this replica, all at the same time."""
        self.world.need("replicas")
        # An earlier scenario may still be restarting a service.
        self.world.call(others_are_done(self.world))
        self.world.call(together([self._connect_new(user, replica) for user in users]))

    def connect_in_turn(self, users: Sequence[str]) -> None:
        """Users connect, every second one to the second replica."""
        self.connect(users[::2], 1)
        self.connect(users[1::2], 2)

    async def _connect_new(self, user: str, replica: int) -> None:
        connection = self.network.new_connection(user)
        self.world.sessions.setdefault(user, []).append(connection.session)
        self._point(connection, replica)
        await connection.open()

    def _point(self, connection: ProxiedUser, replica: int) -> None:
        self._on[connection] = replica
        target = self.world.suite.target
        connection.proxy.target = target.at(target.replicas[replica - 1]).endpoint

    def _connections(self, replica: int | None = None) -> list[ProxiedUser]:
        return [connection for connection, on in self._on.items() if replica in (None, on)]

    # Following and reconnecting -----------------------------------------------------------------------------------

    def follow(self, user: str) -> None:
        """The user's newer tab follows, on its replica, the conversation of the latest request."""
        question = self.world.asking(user)
        self.world.wait_for_first_event(question)
        self.world.restore(user, question, len(self.world.sessions[user]))

    def shows_it_too(self, user: str) -> bool:
        """Whether the user's newer tab receives the end of the answer, possibly later than the older one."""
        question, number = self.world.last(user), len(self.world.sessions[user])
        return self.world.call(self._shows(question, number))

    async def _shows(self, question: UserRequest, number: int) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.world.budgets.silence_s):
                while number not in self.world.tabs_that_showed(question):  # noqa: ASYNC110 -- nothing signals a new record
                    await asyncio.sleep(0.01)
                return True
        return False

    def lose_and_reconnect_elsewhere(self, user: str, kind: EventKind) -> None:
        """The user loses the connection once an event was received, and reconnects to the other replica."""
        self.network.lose_once(self.world.asking(user), kind)
        connection = self.network.connection(user)
        self._point(connection, 3 - self._on[connection])
        self.network.reconnect(user)

    # Failures --------------------------------------------------------------------------------------------------

    def take_away(self, replica: int, *, kill: bool) -> None:
        """A replica ends while its users wait for answers (SIGTERM, or SIGKILL); they reconnect to the other one."""
        name, runtime = REPLICAS[replica - 1], self.runtime
        self.world.afterwards.append(lambda: asyncio.to_thread(runtime.resume, name))
        self.world.call(self._take_away(name, replica, kill=kill))

    async def _take_away(self, name: str, replica: int, *, kill: bool) -> None:
        connections, way = self._connections(replica), KILL if kill else RESTART
        for connection in connections:
            # Without a first event, a user does not know what to resume.
            for question in connection.session.inbox.questions:
                await connection.session.wait_until(question, question.has_begun)
        for connection in connections:
            connection.session.cut(way, where(connection.session.inbox.questions))
            connection.prepare_try = lambda session: session.cut(way, "while the backend is down")
            self._point(connection, 3 - replica)
        await asyncio.to_thread(self.runtime.kill if kill else _stopping(self.runtime), name)
        await together([self._reconnect_one(connection) for connection in connections])

    async def _reconnect_one(self, connection: ProxiedUser) -> None:
        await connection.session.wait_closed(_CLOSES_S)
        connection.prepare_try = _unprepared
        await self.network.reconnect_on(connection, patience_s=_AWAY_S)

    def bring_back(self, replica: int) -> None:
        """A replica that was ended starts again."""
        self.world.call(asyncio.to_thread(self.runtime.resume, REPLICAS[replica - 1]))

    def deploy(self, prompt: str) -> None:
        """Restarts one replica after the other, while all users send requests and reconnect."""
        for replica in (1, 2):
            self.world.begin_together([(user, prompt) for user in self.world.sessions])
            if self._connections(replica):
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

    def try_to_sign_in(self, user: str) -> None:
        """A new user tries to sign in."""
        suite, persona = self.world.suite, self.world.persona(user)
        if suite.target.auth.obtain != "login":
            raise NotExercised(f"{suite.target.name}: there is no sign-in (auth.obtain = {suite.target.auth.obtain!r})")
        try:
            suite.loop.call(suite.access.fresh_token_for(persona), _CLOSES_S)
        except (Misconfigured, TargetFault):
            self.kept_out.append(user)

    # Isolation across replicas -------------------------------------------------------------------------------------

    def gather(self, most: int) -> None:
        """Several users tell the assistant a secret on one replica, and follow that conversation on the other one."""
        world, privacy = self.world, self.privacy
        world.need("isolation", "remember", "recall", "resume", "replicas")
        users = world.users_up_to(most, at_least=2)
        self.connect_in_turn(users)
        for replica in (1, 2):
            self.connect(
                [connection.session.user for connection in self._connections(3 - replica)][: len(users)], replica
            )
        privacy.watch(users)
        world.pictured = True
        privacy.tell(users)
        for user in users:
            self._asked[user] = world.last(user)
            world.restore(user, self._asked[user], 2)

    def ask_all(self) -> None:
        """All users ask at the same time for their own secret in the conversation that they follow."""
        world = self.world
        asked = [world.ask(user, "recall", follow=question) for user, question in self._asked.items()]
        world.wait(*asked)


def _stopping(runtime: Ours) -> Callable[[str], object]:
    return lambda name: runtime.stop([name])


def _unprepared(_: ResumableSession) -> None:
    """A factory whose attempts are expected to succeed."""
