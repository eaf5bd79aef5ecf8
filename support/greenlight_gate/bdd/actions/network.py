"""The network between users and the backend: connections that are lost in several ways, and reconnects."""

import asyncio
import contextlib
import time
from collections.abc import Sequence

from greenlight_gate.bdd.matchers.observable import NotExercised, must_have_shown
from greenlight_gate.bdd.world.proxied_user import LAST_TRY_AFTER_S, ConnectionLoss, ProxiedUser
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.resumable_session import ResumableSession
from greenlight_gate.events import Event, EventKind
from greenlight_gate.faults.cut_after import CutAfter
from greenlight_gate.faults.link import End
from greenlight_gate.session.loop_thread import SuiteFault, together

_OTHER_ADDRESS = "127.0.0.2"
# This much of the response to the upgrade arrives before the loss: its first line, but no complete header.
_HALF_A_HANDSHAKE_BYTES = 40
_EXPIRED = "an expired token"
_AN_HOUR_S = 3600


class Network:
    """The connections of one scenario: user -> their tabs, in the order of opening.

    `tries`: the number of attempts to reconnect; `returns_s`: how long each successful one took, in seconds.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.tries = 0
        self.returns_s: list[float] = []
        self.lines: dict[str, list[ProxiedUser]] = {}

    # Opening ------------------------------------------------------------------------------------------------------

    def connect(self, *people: str) -> None:
        """Each user opens a (further) tab, all at the same time."""
        self.world.call(self._connect_all(people))

    async def _connect_all(self, people: Sequence[str]) -> None:
        await together([self._connect(person) for person in people])

    async def _connect(self, person: str) -> None:
        line = self.new_line(person)
        self.world.sessions.setdefault(person, []).append(line.session)
        await line.open()

    def lose_while_coming(self, person: str) -> None:
        """The user's connection is lost during the handshake."""
        self.world.call(self._lose_while_coming(person))

    async def _lose_while_coming(self, person: str) -> None:
        line = self.new_line(person)
        self.world.sessions.setdefault(person, []).append(line.session)
        await line.proxy.start()
        line.proxy.add(fault := CutAfter(_HALF_A_HANDSHAKE_BYTES, how=End.RST))
        await fault.switch_on()
        line.session.cut(ConnectionLoss.RST, "during the handshake")
        try:
            await line.open()
        except NotConnected:
            await fault.switch_off()
            return
        raise SuiteFault("the connection should have been lost during the handshake, but was established")

    def new_line(self, person: str) -> ProxiedUser:
        """A connection for a user, still to be opened."""
        world, persona = self.world, self.world.persona(person)
        line = ProxiedUser(
            world.suite, persona, lambda: world.suite.new_session(ResumableSession, person, persona, world.recorder)
        )
        world.afterwards.append(line.put_away)
        self.lines.setdefault(person, []).append(line)
        return line

    # Losing the connection ---------------------------------------------------------------------------------------

    def lose(self, person: str, way: ConnectionLoss = ConnectionLoss.RST, window: int = 1) -> None:
        """Cuts the user's connection, wherever the answer is."""
        self.world.call(self._lose(self.line(person, window), way))

    def lose_once(self, question: UserRequest, kind: EventKind, way: ConnectionLoss = ConnectionLoss.RST) -> None:
        """Cuts the connection once an event of this kind was received. Raises as `must_have_shown` if none was."""
        self.world.call(self._lose_once(question, kind, way))

    async def _lose_once(self, question: UserRequest, kind: EventKind, way: ConnectionLoss) -> None:
        # Without the id of the conversation, there is nothing to resume.
        line = self._line_of(question)
        for other in line.session.heard.questions:
            await line.session.wait_until(other, other.has_begun)
        await line.session.wait_until(question, lambda: question.has(kind))
        must_have_shown(question, kind)
        await self._lose(line, way)

    async def _lose(self, line: ProxiedUser, way: ConnectionLoss) -> None:
        await line.cut(way, where(line.session.heard.questions))

    def until(self, question: UserRequest, kind: EventKind) -> None:
        """Waits until an answer has an event of this kind. Raises as `must_have_shown` if none was received."""
        self.world.call(self._line_of(question).session.wait_until(question, lambda: question.has(kind)))
        must_have_shown(question, kind)

    def stay_away(self, person: str, seconds: float) -> None:
        """The user stays disconnected for so long."""
        if self.line(person).session.open:
            raise SuiteFault(f"{person} has not lost the connection, and so cannot stay disconnected")
        self.world.call(asyncio.sleep(seconds))

    def lose_all(self) -> None:
        """All users lose their connections at the same time, during their answers."""
        self.world.call(self._lose_all())

    async def _lose_all(self) -> None:
        lines = [line for lines in self.lines.values() for line in lines]
        for line in lines:
            for question in line.session.heard.questions:
                await line.session.wait_until(question, question.has_begun)
        await together([self._lose(line, ConnectionLoss.RST) for line in lines])

    # Reconnecting -------------------------------------------------------------------------------------------------

    def come_back(self, *people: str) -> None:
        """Each user reconnects each lost tab, all at the same time, and requests the missed events."""
        self.world.call(self._come_back_all(people))

    async def _come_back_all(self, people: Sequence[str]) -> None:
        lost = [line for person in people for line in self.lines[person] if not line.session.open]
        await together([self.return_on(line) for line in lost])

    def come_back_together(self) -> None:
        """All users reconnect at the same time; a user who fails is counted, and is a finding as well."""
        self.world.need("resume")
        self.world.call(self._come_back_together())

    async def _come_back_together(self) -> None:
        async def one(line: ProxiedUser) -> None:
            with contextlib.suppress(NotConnected):
                await self.return_on(line)

        await together([one(line) for lines in self.lines.values() for line in lines])

    async def return_on(self, line: ProxiedUser, patience_s: float = LAST_TRY_AFTER_S) -> None:
        """Reconnects one tab, and requests the missed events if the backend can resume."""
        before, began = line.session, time.monotonic()
        self.tries += 1
        await line.come_back(patience_s=patience_s)
        self.world.replace(before, line.session)
        await self.catch_up(line)
        self.returns_s.append(time.monotonic() - began)

    async def catch_up(self, line: ProxiedUser) -> None:
        """Requests the missed events of each conversation of the tab. Raises NotExercised if there is no resume."""
        questions = line.session.heard.questions
        if all(question.over for question in questions):
            return
        self.world.need("resume")
        conversations = {question.thread: question for question in questions if question.thread is not None}
        for question in conversations.values():
            await line.restore(question)

    def lose_and_come_back(self, question: UserRequest, times: int) -> None:
        """Loses the connection and reconnects this many times during one answer, spread over its events."""
        self.world.need("resume")
        self.world.call(self._lose_and_come_back(question, times))

    async def _lose_and_come_back(self, question: UserRequest, times: int) -> None:
        line = self._line_of(question)
        await line.session.wait_until(question, question.has_begun)
        if question.over:
            raise AssertionError(f"the answer to {question.text!r} ended before the connection could be lost")
        # A quick backend, or a slow machine, may be done before the last loss, which then happens after the answer.
        for number in range(times):
            await self._lose(line, list(ConnectionLoss)[number % len(ConnectionLoss)])
            await self.return_on(line)

    def come_back_from_elsewhere(self, person: str) -> None:
        """The user reconnects from another address, as in another network."""
        if not self.world.suite.target.is_loopback or ":" in self.world.suite.target.endpoint[0]:
            raise NotExercised(
                f"{self.world.suite.target.name} is not on this machine, and only there another address can be used"
            )
        line = self.line(person)
        line.proxy.source = _OTHER_ADDRESS
        self.come_back(person)

    def come_back_with_expired_pass(self, person: str) -> None:
        """The user's token expired while they were disconnected: they are refused, sign in again, and reconnect."""
        access, persona = self.world.suite.access, self.world.persona(person)
        if not access.can_mint:
            raise NotExercised(f"an expired token cannot be made for {self.world.suite.target.name} (auth.obtain)")
        now = int(time.time())
        expired = access.mint(persona, iat=now - 2 * _AN_HOUR_S, exp=now - _AN_HOUR_S)
        line = self.line(person)

        async def try_it() -> None:
            session = line.new_session()
            with contextlib.suppress(NotConnected):  # as expected; the rules judge how the refusal was done
                await session.connect(expired, self.world.suite.tls, unwelcome=_EXPIRED, via=line.proxy.address)
            await session.close()

        self.world.call(try_it())
        self.come_back(person)

    # Results --------------------------------------------------------------------------------------------

    def line(self, person: str, window: int = 1) -> ProxiedUser:
        """A user's tab, counted from 1."""
        lines = self.lines.get(person, [])
        if window > len(lines):
            raise SuiteFault(f"{person} has {len(lines)} tabs in this scenario, not {window}")
        return lines[window - 1]

    def _line_of(self, question: UserRequest) -> ProxiedUser:
        return next(line for line in self.lines[question.person] if question in line.session.heard.questions)


def where(questions: Sequence[UserRequest]) -> str:
    """The place in the latest unfinished answer, in words."""
    running = [question for question in questions if not question.over] or list(questions)
    if not running:
        return "before a request"
    events: Sequence[Event] = running[-1].events
    return f"after event {len(events)} ({events[-1].kind})" if events else "before event 1"
