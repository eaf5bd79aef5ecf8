"""Answers that are cut and not resumed: their users ask again, in a conversation of their own or in the same one."""

import asyncio
import time

from greenlight_gate.bdd.actions.network import Network, where
from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.proxied_user import ConnectionLoss, ProxiedUser
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.resumable_session import ResumableSession
from greenlight_gate.faults.refuse import Refuse
from greenlight_gate.faults.slow_reader import SlowReader
from greenlight_gate.session.loop_thread import SuiteFault

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


class AskingAgain:
    """The cut answers of one scenario. `cut`: the requests whose answers were cut, and when (monotonic seconds)."""

    def __init__(self, world: World, network: Network) -> None:
        self.world = world
        self.network = network
        self.cut: dict[UserRequest, float] = {}
        self._refusing: asyncio.Task[None] | None = None

    def begin_slowly(self, user: str, prompt: str, *, bytes_per_s: int) -> None:
        """The user reads so many bytes a second from now on, and sends a request."""
        self.world.need(prompt)
        self.world.call(self._read_slowly(self.network.connection(user), bytes_per_s))
        self.world.ask(user, prompt)

    async def _read_slowly(self, connection: ProxiedUser, bytes_per_s: int) -> None:
        connection.session.throttled()
        connection.proxy.add(slow := SlowReader(bytes_per_s))
        await slow.switch_on()

    def cut_once_begun(self, user: str, way: ConnectionLoss, *, refused_for_s: float = 0.0) -> None:
        """Cuts the connection of the user's latest request once its answer has begun, which is not waited for any more.

        `refused_for_s`: for so long new connections are refused. Raises NotExercised if the answer is over before, and
        Unmet if nothing of it came.
        """
        self.world.call(self._cut(self.world.asking(user), way, refused_for_s))

    async def _cut(self, question: UserRequest, way: ConnectionLoss, refused_for_s: float) -> None:
        connection = self.network.connection_of(question)
        session = connection.session
        await session.wait_until(question, question.has_begun)
        if not question.has_begun():
            raise Unmet("LIFECYCLE-1", f"nothing was received for {question.text!r}")
        if question.over:
            raise NotExercised(f"the answer to {question.text!r} ended before it could be cut")
        if refused_for_s:
            await self._refuse(connection, refused_for_s)
        await connection.cut(way, where(session.inbox.questions))
        self.cut[question] = time.monotonic()
        for open_one in session.inbox.questions:
            open_one.give_up()

    async def _refuse(self, connection: ProxiedUser, for_s: float) -> None:
        connection.proxy.add(fault := Refuse())
        await fault.switch_on()

        def prepare(session: ResumableSession) -> None:
            if fault.on:
                session.cut("refused", "while connections are refused")

        async def accept_again() -> None:
            await asyncio.sleep(for_s)
            await fault.switch_off()

        connection.prepare_try = prepare
        self._refusing = asyncio.ensure_future(accept_again())

    def ask_again(self, user: str) -> None:
        """The user connects again, and sends the request whose answer was cut once more, in a new conversation."""
        self.ask_another(user, self.world.prompt_of(self._last_cut(user)))

    def ask_another(self, user: str, prompt: str) -> None:
        """The user connects again, and sends another request, in a new conversation; waits for the answer."""
        self._reconnect(user)
        self.world.wait(self.world.ask(user, prompt))

    def _reconnect(self, user: str) -> None:
        self.world.call(self._reconnect_tab(self.network.connection_of(self._last_cut(user))))

    async def _reconnect_tab(self, connection: ProxiedUser) -> None:
        for fault in connection.proxy.faults:
            if isinstance(fault, SlowReader):
                await fault.switch_off()
        await self.network.reconnect_on(connection)

    def cut_often(self, user: str, times: int, prompt: str) -> None:
        """Cuts the user's latest answer, and so many of its kind in all; after each, the user asks with `prompt`."""
        self.world.need(prompt)
        for number in range(times):
            if number:
                self.world.call(self._renew(self.network.connection_of(self._last_cut(user))))
                self.world.ask(user, self.world.prompt_of(self._last_cut(user)))
            self.cut_once_begun(user, ConnectionLoss.RST)
            self.ask_another(user, prompt)

    async def _renew(self, connection: ProxiedUser) -> None:
        """A further connection over the same network, where one takes no further request."""
        if connection.session.needs_another_to_ask:
            await connection.session.close(keep_tab=True)
            await self.network.reconnect_on(connection)

    def continue_conversation(self, user: str, prompt: str) -> None:
        """The user connects again, and sends a request in the conversation whose last answer was cut.

        While the cut run may still be in progress there, the request may be refused, and is sent again. Raises
        NotExercised where a conversation does not outlive its connection, or is not named.
        """
        cut, world = self._last_cut(user), self.world
        if not world.suite.profile.spec.connection.by_http:
            world.need("resume")  # over a WebSocket, a conversation is promised to outlive its connection only so
        if cut.thread is None:
            raise NotExercised(f"the answer to {cut.text!r} names no conversation that could be continued")
        self._reconnect(user)
        ask_behind(world, user, prompt, cut, self._may_last_until(cut))

    def _may_last_until(self, cut: UserRequest) -> float:
        """Until when the run of a cut answer may be in progress (monotonic seconds)."""
        budgets = self.world.budgets
        if self.world.suite.profile.promises.runs_end_with_connection:
            return self.cut[cut] + budgets.stop_s
        return cut.asked_at + budgets.run_s

    def _last_cut(self, user: str) -> UserRequest:
        question = next((each for each in reversed(self.cut) if each.user == user), None)
        if question is None:
            raise SuiteFault(f"no answer of {user} was cut in this scenario")
        return question


def ask_behind(world: World, user: str, prompt: str, earlier: UserRequest, until: float) -> None:
    """The user sends a request in the conversation of an earlier one that they have left; waits for the answer.

    `until`: so long the run of that one may be in progress (monotonic seconds). Before then the request may be refused,
    and is sent again.
    """
    pause_s = _FIRST_PAUSE_S
    while time.monotonic() < until:
        question = world.ask_behind(user, prompt, earlier)
        world.call(_begun(world, question, until))
        world.wait(question)
        if question.outcome is None or question.outcome.error is None:
            return
        world.call(asyncio.sleep(pause_s))
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    world.wait(world.ask(user, prompt, follow=earlier))


async def _begun(world: World, question: UserRequest, until: float) -> None:
    """Waits until the answer begins or is refused, as long as it may have to wait for the earlier run."""
    session, left_s = world.session_of(question), until - time.monotonic()
    await session.inbox.until(lambda: question.has_begun() or question.over or not session.open, max(left_s, 0.0))
    question.wait_from_now()
