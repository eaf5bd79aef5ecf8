"""Restarts or kills the backend that the suite has started."""

import asyncio
from collections.abc import Callable

from greenlight_gate.bdd.actions.network import Network, where
from greenlight_gate.bdd.world.proxied_user import ProxiedUser
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.resumable_session import ResumableSession
from greenlight_gate.events import EventKind
from greenlight_gate.session.embedded_backend import BackendFailed, StartedBackend
from greenlight_gate.session.loop_thread import SuiteFault, together
from greenlight_gate.trace import KILL, RESTART

_QUIET_S = 10.0
_AWAY_S = 20.0


class BackendRestarts:
    """Ends the backend during one scenario, and starts it again."""

    def __init__(self, world: World, network: Network) -> None:
        self.world = world
        self.network = network

    @property
    def backend(self) -> StartedBackend:
        """The backend of the suite. Raises NotExercised if the suite has not started it."""
        self.world.need("start")
        assert self.world.suite.own_backend is not None, "what the suite starts is running"
        return self.world.suite.own_backend

    def take_away(self, *, kill: bool) -> None:
        """Restarts the backend (SIGTERM), or kills it (SIGKILL), once a tool is executing.

        Meanwhile the users try to reconnect; when this returns, they are connected again.
        """
        self.network.until(self.world.asking(), EventKind.TOOL_EXECUTING)
        self.world.call(self._take_away(self.backend, KILL if kill else RESTART))

    async def _take_away(self, backend: StartedBackend, way: str) -> None:
        await others_are_done(self.world)
        connections = [connection for connections in self.network.connections.values() for connection in connections]
        for connection in connections:
            connection.session.cut(way, where(connection.session.inbox.questions))
            connection.prepare_try = self._prepared(backend, way)
        try:
            await asyncio.to_thread(backend.stop, kill=way == KILL)
            await together([self._start(backend), *(self._reconnect_one(connection) for connection in connections)])
        except BackendFailed as error:
            raise SuiteFault(f"the backend did not start again: {error}") from error

    async def _start(self, backend: StartedBackend) -> None:
        await asyncio.to_thread(backend.start)
        await backend.wait_until_up(self.world.suite.target)

    async def _reconnect_one(self, connection: ProxiedUser) -> None:
        await connection.session.wait_closed(_QUIET_S)
        await self.network.reconnect_on(connection, patience_s=_AWAY_S)

    def _prepared(self, backend: StartedBackend, way: str) -> Callable[[ResumableSession], None]:
        def prepare(session: ResumableSession) -> None:
            if backend.is_away:
                session.cut(way, "while the backend is down")

        return prepare


async def others_are_done(world: World) -> None:
    """Waits for earlier scenarios, which may still wait for late messages and must not lose their connections."""
    async with asyncio.timeout(_QUIET_S):
        while world.suite.worlds != {world}:  # noqa: ASYNC110 -- worlds end in many ways
            await asyncio.sleep(0.01)
