"""Liveness: connections that are dead without being closed, and users who read slowly."""

import asyncio
import time

from greenlight_gate.bdd.actions.network import Network
from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.proxied_user import ConnectionLoss
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import EventKind
from greenlight_gate.faults.slow_reader import SlowReader
from greenlight_gate.session.conditions import NO_HEARTBEAT


class Liveness:
    """Dead and slow connections of one scenario."""

    def __init__(self, world: World, network: Network) -> None:
        self.world = world
        self.network = network

    def connection_goes_dead(self, user: str) -> None:
        """The user's connection stays open, but no data passes in either direction.

        Raises NotExercised by HTTP: a user who waits for no answer has nothing open there that could be dead.
        """
        self.world.need("websocket", "heartbeat")
        self.network.lose(user, ConnectionLoss.BLACK_HOLE)

    def backend_lets_go(self, user: str) -> bool:
        """Waits until the backend ends a dead connection; returns whether it does so within the declared time."""
        return self.world.call(self._backend_lets_go(user))

    async def _backend_lets_go(self, user: str) -> bool:
        target = self.network.connection(user).link.target
        end = time.monotonic() + self.world.budgets.half_open_s
        while not (target.finished or target.gone.is_set()):
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0.01)
        return True

    def heartbeats(self, user: str) -> int:
        """The number of heartbeats that the backend has sent to a user on its own."""
        return self.network.connection(user).session.heartbeats

    def heartbeat_came_during_tools(self, user: str) -> bool:
        """Whether a heartbeat comes while the user waits for tools; the user then leaves.

        Raises NotExercised if no interval is announced, or the tools did not take so long.
        """
        world, session = self.world, self.world.tab(user)
        world.need("heartbeat")
        announced_s = self.announced_s(user)
        question = world.asking(user)
        world.wait_for(question, EventKind.TOOL_EXECUTING)
        came, took_s = world.call(session.wait_heartbeat(question, announced_s))
        if not came and not world.findings:
            raise NotExercised(f"the tools took {took_s:.1f} s, and heartbeats are announced every {announced_s:g} s")
        world.leave_all()
        return came

    def announced_s(self, user: str) -> float:
        """How often the backend announces to send heartbeats, in seconds. Raises NotExercised if it does not."""
        ready = self.world.tab(user).inbox.control("ready")
        announced_s = ready.values.get("heartbeat_s") if ready is not None else None
        if isinstance(announced_s, bool) or not isinstance(announced_s, int | float) or announced_s <= 0:
            raise NotExercised(NO_HEARTBEAT)
        return announced_s

    def reads_slowly(self, user: str, prompt: str, *, bytes_per_s: int, times: int) -> None:
        """Limits the user's connection to this many bytes a second; the user then sends this many requests."""
        self.world.need(prompt)
        self.world.call(self._reads_slowly(user, bytes_per_s))
        for _ in range(times):
            self.world.ask(user, prompt)

    async def _reads_slowly(self, user: str, bytes_per_s: int) -> None:
        connection = self.network.connection(user)
        connection.session.throttled()
        connection.proxy.add(slow := SlowReader(bytes_per_s))
        await slow.switch_on()

    def reads_well_again(self, user: str) -> None:
        """Removes the limit of the user's connection."""
        self.world.call(self._reads_well_again(user))

    async def _reads_well_again(self, user: str) -> None:
        connection = self.network.connection(user)
        for fault in connection.proxy.faults:
            await fault.switch_off()
        connection.session.throttled(over=True)

    def took_s(self, question: UserRequest) -> float:
        """The seconds from a request to the last received event of its answer."""
        if not question.seen_at:
            raise Unmet("LIFECYCLE-2", f"no event was received for {question.text!r}")
        return question.seen_at[-1] - question.asked_at
