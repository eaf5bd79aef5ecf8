"""The hub: the parts of a backend that all connections share."""

import asyncio
import json
from pathlib import Path
from typing import Any, Protocol

from greenlight_gate.backend.agent import Agent
from greenlight_gate.backend.bus import Bus, LocalBus, Subscriber
from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.event_log import Journal
from greenlight_gate.backend.frames import Outgoing
from greenlight_gate.backend.hooks import Chain
from greenlight_gate.backend.model_turn import LanguageModel
from greenlight_gate.backend.run_supervisor import RunSupervisor
from greenlight_gate.backend.settings import Settings
from greenlight_gate.backend.sqlite_store import SqliteStore, later
from greenlight_gate.backend.store import Store
from greenlight_gate.backend.tokens import Tokens


class Watch(Protocol):
    """Watches other replicas."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End."""


class Hub:
    """The parts of one backend. It is created inside the running event loop.

    `connections` holds the open ones by id, oldest first. `notes` is for defects, like those of a connection.
    """

    def __init__(self, settings: Settings, chain: Chain, data: Path) -> None:
        self.settings = settings
        self.chain = chain
        self.connections: dict[str, ServedConnection] = {}
        self.notes: dict[str, Any] = {}
        self.ready = False
        self._stopping: set[asyncio.Task[None]] = set()
        self.store: Store
        self.bus: Bus
        self.tokens: Tokens
        self.watch: Watch | None = None
        if settings.database_url or settings.redis_url or settings.auth_url:
            # Imported here: their packages are needed for replicas only.
            from greenlight_gate.backend.stack.parts import SharedParts  # noqa: PLC0415

            shared = SharedParts(settings, data)
            self.store, self.tokens = shared.store, shared.tokens
            self.bus = shared.bus(self.route, self.look_again, self.on_notice)
            self.watch = shared.watch(self._take_over)
        else:
            self.store = SqliteStore(data / "chat.sqlite3", later)
            self.bus = LocalBus(self.route)
            self.tokens = Tokens(settings, self.store)
        self.journal = Journal(self.store, self.bus, chain)
        self._model: LanguageModel | None = None
        if settings.model_url:
            # Imported here: what it needs takes time to load.
            from greenlight_gate.backend.model import HttpModel  # noqa: PLC0415

            self._model = HttpModel(settings.model_url, settings.model_silence_s)
        self.agent = Agent(settings, self.store, self.journal, chain, self._model)
        self.runs = RunSupervisor(self.store, self.bus, chain, self.journal, self.agent, replica=settings.replica)

    async def start(self) -> None:
        """End the runs that an earlier process left open, and become ready."""
        await self.store.open()
        await self.tokens.learn_keys("")
        await self.runs.end_unfinished(self.settings.replica)
        if self.watch is not None:
            self.watch.start()
        self.ready = True

    async def quiet_down(self) -> None:
        """End all runs while connections are still open."""
        self.ready = False
        await self.runs.stop_all("the server is going away")
        for connection in list(self.connections.values()):
            connection.close(1001, "the server is going away")

    async def close(self) -> None:
        """Close files and connections."""
        if self.watch is not None:
            self.watch.stop()
        if self._model is not None:
            await self._model.close()
        await self.bus.close()
        await self.store.close()

    def expire_token(self, token_id: str) -> None:
        """Close the connections that used this token."""
        for connection in list(self.connections.values()):
            if connection.identity.token_id == token_id:
                connection.expire("you have signed out")

    def on_notice(self, what: str, about: str) -> None:
        """Handle an announcement of another replica."""
        if what == "signed out":
            self.expire_token(about)
        elif what == "input":
            run_id, input_id, choice = json.loads(about)
            if (asking := self.runs.find(run_id)) is not None:
                self.runs.respond(asking, input_id, choice)
        elif what == "stop" and (run := self.runs.find(about)) is not None:
            stopping = asyncio.create_task(self.runs.stop(run, "stopped by the user"))
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)

    def look_again(self, thread_id: str) -> None:
        """Make the followers of this thread read missed events."""
        for connection in list(self.connections.values()):
            follower = connection.following.get(thread_id)
            if follower is not None:
                follower.wake()

    def route(self, outgoing: Outgoing, recipients: list[Subscriber]) -> list[Subscriber]:
        """Return the recipients of an event."""
        return self.chain.route(self, outgoing, recipients)

    async def _take_over(self, replica: str) -> None:
        await self.runs.end_unfinished(replica)
