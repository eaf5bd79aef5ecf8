"""A user's connection through a proxy of its own: it can be cut at an exact event, and the user reconnects."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Any

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.resumable_session import ResumableSession
from greenlight_gate.faults.close import Close
from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.gate import Gate
from greenlight_gate.faults.half_open import HalfOpen
from greenlight_gate.faults.link import Link
from greenlight_gate.faults.proxy import FaultProxy
from greenlight_gate.faults.reset import Reset
from greenlight_gate.faults.stall import Stall
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.targets.sections import Persona
from greenlight_gate.transport.connection_setup import NOTHING_NAMED, Naming

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
LAST_TRY_AFTER_S = 5.0
# A TLS record may end in the middle of a frame, or contain none: then the next one is let through.
_FRAME_S = 0.05
_ENDS_S = 2.0


class ConnectionLoss(StrEnum):
    """How networks end a connection: with FIN or RST, silently, or in one direction only."""

    FIN = "FIN"
    RST = "RST"
    BLACK_HOLE = "black hole"
    HALF_OPEN = "half-open"

    @property
    def is_silent(self) -> bool:
        """Whether the user's client is not notified, and has to detect the loss itself."""
        return self in (ConnectionLoss.BLACK_HOLE, ConnectionLoss.HALF_OPEN)


_FAULTS: dict[ConnectionLoss, Callable[[], Fault]] = {
    ConnectionLoss.FIN: Close, ConnectionLoss.RST: Reset, ConnectionLoss.BLACK_HOLE: Stall,
    ConnectionLoss.HALF_OPEN: HalfOpen,
}  # fmt: skip


async def ends_within(waiting: Coroutine[Any, Any, object], within_s: float) -> bool:
    """Whether what is waited for comes in time; if not, it is no longer waited for."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await waiting
        return True
    return False


class ProxiedUser:
    """One tab of one user. `session` is its current connection, or the latest.

    `new_session` makes a session for each attempt to reconnect, and `prepare_try` receives it before it is used. All
    methods run on the loop thread.
    """

    def __init__(
        self, suite: ValidationSession, persona: Persona, new_session: Callable[[], ResumableSession], source: str = ""
    ) -> None:  # fmt: skip
        self.suite = suite
        self.persona = persona
        self.new_session = new_session
        self.session = new_session()
        self.prepare_try: Callable[[ResumableSession], None] = lambda _: None
        host, port = suite.target.endpoint
        self._holds = False
        # The connections through the proxy before the session.
        self._earlier: frozenset[Link] = frozenset()
        self.proxy = FaultProxy(host, port, source=source, each=self._gate_of_each)

    def _gate_of_each(self) -> tuple[Gate]:
        """The gate of a new connection of the tab: by HTTP, a request may open one. A channel brings all events."""
        gate = Gate()
        if self._holds and not self._has_channel:
            gate.shut()
        return (gate,)

    @property
    def _has_channel(self) -> bool:
        return self.session.profile.spec.connection.by_channel

    @property
    def link(self) -> Link:
        """The connection through the proxy that events come on. Raises AssertionError if there was none.

        That is the first one of a channel, else the latest that has a gate: one that is being opened has none.
        """
        links = [link for link in self.proxy.links if link.own and link not in self._earlier]
        link = links[0 if self._has_channel else -1] if links else self.proxy.last
        assert link is not None
        return link

    @property
    def gate(self) -> Gate:
        """The gate that can hold frames, of the connection that events come on."""
        gate = self.link.own[0]
        assert isinstance(gate, Gate)
        return gate

    async def open(self) -> None:
        """Opens the connection. Raises NotConnected, ProxyFault."""
        if self.proxy.port == 0:
            await self.proxy.start()
        await self._connect(1)

    async def _connect(self, attempt: int, naming: Naming = NOTHING_NAMED) -> None:
        token = await self.suite.access.token_for(self.persona)
        self._earlier = frozenset(self.proxy.links)
        try:
            await self.session.connect(token, self.suite.tls, attempt, via=self.proxy.address, naming=naming)
        except NotConnected as error:
            failure = self.proxy.last.failure if self.proxy.last is not None else ""
            said = f"{error}; from the proxy on: {failure}" if failure else str(error)
            raise NotConnected(said, error.rule) from error

    async def tear_down(self) -> None:
        """Ends the proxy and its connections."""
        await self.proxy.stop()

    # Losing the connection ---------------------------------------------------------------------------------------

    def hold(self) -> None:
        """From now on frames to the user are held until they are let through."""
        self._holds = True
        self.gate.shut()

    def hold_no_more(self) -> None:
        """Lets everything through, now and later."""
        self._holds = False
        self.gate.open()

    async def let_through(self, question: UserRequest, events: int) -> bool:
        """Lets this many events of an answer through, until the next frame is held; False if they do not come in time.

        When it returns, the next event has been sent, and has not arrived.
        """
        gate, session = self.gate, self.session
        while len(question.events) < events:
            if question.over or not await self._frame_waits():
                return False
            before = session.frames
            if not await ends_within(gate.release(), _ENDS_S):
                return False
            await session.frame_came(before, _FRAME_S)
        return question.over or await self._frame_waits()

    async def _frame_waits(self) -> bool:
        return await ends_within(self.gate.arrived.wait(), self.session.budgets.silence_s)

    async def cut(self, way: ConnectionLoss, where: str, *, after: int | None = None, inside: bool = False) -> None:
        """Cuts the connection, or all of the tab by HTTP; `inside`: within the held frame. Held frames are lost."""
        session = self.session
        if inside:
            await ends_within(self.gate.release_half(), _ENDS_S)  # which it does not, if the connection has ended
        session.cut(way, where, after=after, inside=inside)
        self._holds = False
        for link in list(self.proxy.links):
            await link.add(_FAULTS[way]())
        if way.is_silent or not session.notices_loss:
            session.hang_up()
        await session.wait_closed(_ENDS_S)

    # Reconnecting ------------------------------------------------------------------------------------------------

    async def reconnect(
        self, *, patience_s: float = LAST_TRY_AFTER_S, whole: bool = False
    ) -> ResumableSession:  # fmt: skip
        """Tries to connect until it succeeds, with growing random delays.

        Open requests continue in the new session. `whole`: of the latest, all is wanted again, where connecting again
        is how to resume. Raises NotConnected after `patience_s` without success.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(NotConnected),
            stop=stop_after_delay(patience_s),
            wait=wait_exponential_jitter(multiplier=_FIRST_PAUSE_S, max=_LONGEST_PAUSE_S, jitter=_FIRST_PAUSE_S),
            reraise=True,
        )
        lost = self.session
        naming = lost.resuming(whole=whole)
        if naming.resumes and self.suite.lacks("resume") is not None:
            naming = NOTHING_NAMED
        async for attempt in retrying:
            with attempt:
                self.session = self.new_session()
                self.session.kept = lost.kept
                self.prepare_try(self.session)
                await self._connect(attempt.retry_state.attempt_number + 1, naming)
        self.session.take_over(lost)
        return self.session

    async def restore(self, question: UserRequest, *, whole: bool = False) -> bool:
        """Requests the missed events of an answer's conversation, or the `whole` of it.

        Returns whether the backend confirmed the restore.
        """
        thread = question.thread
        if thread is None:
            raise NotExercised(f"the answer to {question.text!r} names no conversation that could be restored")
        session, profile = self.session, self.session.profile
        if not profile.can_send("restore") and session.naming.thread != thread:
            raise NotExercised(f"a connection of {profile.name} resumes one conversation, and this one resumes another")
        return await self.session.restore(thread, 0 if whole else self.session.last_seq(thread))
