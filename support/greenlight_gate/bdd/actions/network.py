"""The network between users and the backend: connections that are lost in several ways, and reconnects."""

import asyncio
import contextlib
import time
from collections.abc import Sequence

from greenlight_gate.bdd.matchers.observable import NotExercised, must_have_shown
from greenlight_gate.bdd.world.proxied_user import LAST_TRY_AFTER_S, ConnectionLoss, ProxiedUser
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.forged_tokens import expired_token
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.resumable_session import ResumableSession
from greenlight_gate.events import Event, EventKind
from greenlight_gate.faults.cut_after import CutAfter
from greenlight_gate.faults.link import End
from greenlight_gate.session.loop_thread import SuiteFault, together
from greenlight_gate.session.validation_session import RESUME_IN_RUN, RUN_RESUMED

_OTHER_ADDRESS = "127.0.0.2"
# This much of the response to the upgrade arrives before the loss: its first line, but no complete header.
_HALF_A_HANDSHAKE_BYTES = 40
_EXPIRED = "an expired token"


class Network:
    """The connections of one scenario: user -> their tabs, in the order of opening.

    `tries`: the number of attempts to reconnect; `returns_s`: how long each successful one took, in seconds.
    `_back_at`: when a user was back (monotonic seconds) who had left during the answer to this request.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.tries = 0
        self.returns_s: list[float] = []
        self.connections: dict[str, list[ProxiedUser]] = {}
        self._back_at: dict[UserRequest, float] = {}

    # Opening ------------------------------------------------------------------------------------------------------

    def connect(self, *users: str) -> None:
        """Each user opens a (further) tab, all at the same time."""
        self.world.call(self._connect_all(users))

    async def _connect_all(self, users: Sequence[str]) -> None:
        await together([self._connect(user) for user in users])

    async def _connect(self, user: str) -> None:
        connection = self.new_connection(user)
        self.world.sessions.setdefault(user, []).append(connection.session)
        await connection.open()

    def lose_during_handshake(self, user: str) -> None:
        """The user's connection is lost during the handshake."""
        self.world.call(self._lose_during_handshake(user))

    async def _lose_during_handshake(self, user: str) -> None:
        self.world.need("connection.opening")
        connection = self.new_connection(user)
        self.world.sessions.setdefault(user, []).append(connection.session)
        await connection.proxy.start()
        connection.proxy.add(fault := CutAfter(_HALF_A_HANDSHAKE_BYTES, how=End.RST))
        await fault.switch_on()
        connection.session.cut(ConnectionLoss.RST, "during the handshake")
        try:
            await connection.open()
        except NotConnected:
            await fault.switch_off()
            return
        raise SuiteFault("the connection should have been lost during the handshake, but was established")

    def new_connection(self, user: str) -> ProxiedUser:
        """A connection for a user, still to be opened."""
        world, persona = self.world, self.world.persona(user)
        connection = ProxiedUser(
            world.suite, persona, lambda: world.suite.new_session(ResumableSession, user, persona, world.recorder)
        )
        world.afterwards.append(connection.tear_down)
        self.connections.setdefault(user, []).append(connection)
        return connection

    # Losing the connection ---------------------------------------------------------------------------------------

    def lose(self, user: str, way: ConnectionLoss = ConnectionLoss.RST) -> None:
        """Cuts the user's connection, wherever the answer is."""
        self.world.call(self._lose(self.connection(user), way))

    def lose_once(self, question: UserRequest, kind: EventKind, way: ConnectionLoss = ConnectionLoss.RST) -> None:
        """Cuts the connection once an event of this kind was received. Raises as `must_have_shown` if none was."""
        self.world.call(self._lose_once(question, kind, way))

    async def _lose_once(self, question: UserRequest, kind: EventKind, way: ConnectionLoss) -> None:
        # Without the id of the conversation, there is nothing to resume.
        connection = self.connection_of(question)
        for other in connection.session.inbox.questions:
            await connection.session.wait_until(other, other.has_begun)
        await connection.session.wait_until(question, lambda: question.has(kind))
        must_have_shown(question, kind)
        await self._lose(connection, way)

    async def _lose(self, connection: ProxiedUser, way: ConnectionLoss) -> None:
        await connection.cut(way, where(connection.session.inbox.questions))

    def leave_and_return(self, question: UserRequest, kind: EventKind) -> None:
        """The user leaves once an event of this kind was received, and asks for what they have missed.

        Raises as `must_have_shown`, and NotExercised if the backend cannot resume.
        """
        self.world.need("resume")
        self.lose_once(question, kind, ConnectionLoss.FIN)
        self.world.call(self.reconnect_on(self.connection_of(question)))
        self._back_at[question] = time.monotonic()
        self.world.wait(question)

    def left(self, user: str) -> UserRequest:
        """The request during which the user has left.

        Raises NotExercised if that has to end its run, and the run may have completed before.
        """
        question = next((each for each in self._back_at if each.user == user), None)
        if question is None:
            raise SuiteFault(f"{user} has left no answer in this scenario")
        promises = self.world.suite.profile.promises
        if promises.runs_end_with_connection and question.has(EventKind.COMPLETED):
            after_s = question.last_at - self._back_at[question]
            if after_s < self.world.budgets.grace_s:
                raise NotExercised(f"the answer to {question.text!r} may have been complete when its user left")
        return question

    def until(self, question: UserRequest, kind: EventKind) -> None:
        """Waits until an answer has an event of this kind. Raises as `must_have_shown` if none was received."""
        self.world.call(self.connection_of(question).session.wait_until(question, lambda: question.has(kind)))
        must_have_shown(question, kind)

    def stay_away(self, user: str, seconds: float) -> None:
        """The user stays disconnected for so long."""
        if self.connection(user).session.open:
            raise SuiteFault(f"{user} has not lost the connection, and so cannot stay disconnected")
        self.world.call(asyncio.sleep(seconds))

    def lose_all(self) -> None:
        """All users lose their connections at the same time, during their answers."""
        self.world.call(self._lose_all())

    async def _lose_all(self) -> None:
        connections = [connection for connections in self.connections.values() for connection in connections]
        for connection in connections:
            for question in connection.session.inbox.questions:
                await connection.session.wait_until(question, question.has_begun)
        await together([self._lose(connection, ConnectionLoss.RST) for connection in connections])

    # Reconnecting -------------------------------------------------------------------------------------------------

    def reconnect(self, *users: str) -> None:
        """Each user reconnects each lost tab, all at the same time, and requests the missed events."""
        self.world.call(self._reconnect_all(users))

    async def _reconnect_all(self, users: Sequence[str]) -> None:
        lost = [connection for user in users for connection in self.connections[user] if not connection.session.open]
        if any(not question.over for connection in lost for question in connection.session.inbox.questions):
            self.world.need(RESUME_IN_RUN)
        await together([self.reconnect_on(connection) for connection in lost])

    def reconnect_together(self) -> None:
        """All users reconnect at the same time; a user who fails is counted, and is a finding as well."""
        self.world.need(*RUN_RESUMED)
        self.world.call(self._reconnect_together())

    async def _reconnect_together(self) -> None:
        async def one(connection: ProxiedUser) -> None:
            with contextlib.suppress(NotConnected):
                await self.reconnect_on(connection)

        await together([one(connection) for connections in self.connections.values() for connection in connections])

    async def reconnect_on(self, connection: ProxiedUser, patience_s: float = LAST_TRY_AFTER_S) -> None:
        """Reconnects one tab, and requests the missed events if the backend can resume."""
        before, began = connection.session, time.monotonic()
        self.tries += 1
        await connection.reconnect(patience_s=patience_s)
        self.world.replace(before, connection.session)
        await self.catch_up(connection)
        self.returns_s.append(time.monotonic() - began)

    def reload(self, user: str) -> None:
        """The user reconnects, and requests all of the conversation: nothing is left of what the page has shown."""
        self.world.call(self._reload(self.connection(user)))

    async def _reload(self, connection: ProxiedUser) -> None:
        before = connection.session
        await connection.reconnect(whole=True)
        self.world.replace(before, connection.session)
        for question in connection.session.inbox.questions:
            if not question.over and question.thread is not None:
                await connection.restore(question, whole=True)

    async def catch_up(self, connection: ProxiedUser) -> None:
        """Requests the missed events of each conversation of the tab. Raises NotExercised if there is no resume."""
        questions = connection.session.inbox.questions
        if all(question.over for question in questions):
            return
        self.world.need("resume")
        conversations = {question.thread: question for question in questions if question.thread is not None}
        for question in conversations.values():
            await connection.restore(question)

    def lose_and_reconnect(self, question: UserRequest, times: int) -> None:
        """Loses the connection and reconnects this many times during one answer, spread over its events."""
        self.world.need(*RUN_RESUMED)
        self.world.call(self._lose_and_reconnect(question, times))

    async def _lose_and_reconnect(self, question: UserRequest, times: int) -> None:
        connection = self.connection_of(question)
        await connection.session.wait_until(question, question.has_begun)
        if question.over:
            raise NotExercised(f"the answer to {question.text!r} ended before the connection could be lost")
        # A quick backend, or a slow machine, may be done before the last loss, which then happens after the answer.
        for number in range(times):
            await self._lose(connection, list(ConnectionLoss)[number % len(ConnectionLoss)])
            await self.reconnect_on(connection)

    def reconnect_from_another_address(self, user: str) -> None:
        """The user reconnects from another address, as in another network."""
        if not self.world.suite.target.is_loopback or ":" in self.world.suite.target.endpoint[0]:
            raise NotExercised(
                f"{self.world.suite.target.name} is not on this machine, and only there another address can be used"
            )
        connection = self.connection(user)
        connection.proxy.source = _OTHER_ADDRESS
        self.reconnect(user)

    def reconnect_with_expired_token(self, user: str) -> None:
        """The user's token expired while they were disconnected: they are refused, sign in again, and reconnect."""
        self.world.need("authentication")
        access, persona = self.world.suite.access, self.world.persona(user)
        expired = expired_token(access, persona)
        if expired is None:
            raise NotExercised(f"an expired token cannot be made for {self.world.suite.target.name} (auth.obtain)")
        connection = self.connection(user)

        async def try_it() -> None:
            session = connection.new_session()
            with contextlib.suppress(NotConnected):  # as expected; the rules judge how the refusal was done
                await session.connect(expired, self.world.suite.tls, unwelcome=_EXPIRED, via=connection.proxy.address)
            await session.close()

        self.world.call(try_it())
        self.reconnect(user)

    # Results --------------------------------------------------------------------------------------------

    def connection(self, user: str, tab: int = 1) -> ProxiedUser:
        """A user's tab, counted from 1."""
        connections = self.connections.get(user, [])
        if tab > len(connections):
            raise SuiteFault(f"{user} has {len(connections)} tabs in this scenario, not {tab}")
        return connections[tab - 1]

    def connection_of(self, question: UserRequest) -> ProxiedUser:
        """The tab in which a request was sent."""
        return next(
            connection
            for connection in self.connections[question.user]
            if question in connection.session.inbox.questions
        )


def where(questions: Sequence[UserRequest]) -> str:
    """The place in the latest unfinished answer, in words."""
    running = [question for question in questions if not question.over] or list(questions)
    if not running:
        return "before a request"
    events: Sequence[Event] = running[-1].events
    return f"after event {len(events)} ({events[-1].kind})" if events else "before event 1"
