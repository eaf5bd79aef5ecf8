"""What all connections share."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.backend.agent import Agent
from support.backend.bus import LocalBus, Subscriber
from support.backend.connection import Connection
from support.backend.defects.chain import Chain
from support.backend.frames import Outgoing
from support.backend.journal import Journal
from support.backend.runs import RunDesk
from support.backend.settings import Settings
from support.backend.sqlite_store import SqliteStore
from support.backend.tokens import Tokens

# Often enough that one commit holds few events, and takes well below a millisecond.
_COMMIT_AFTER_S = 0.005


class Hub:
    """The parts of one backend, put together. It is made inside the running event loop.

    `connections` holds the open ones by id, oldest first. `notes` is room for defects, as a connection's are.
    """

    def __init__(self, settings: Settings, chain: Chain, data: Path) -> None:
        self.settings = settings
        self.chain = chain
        self.connections: dict[str, Connection] = {}
        self.notes: dict[str, Any] = {}
        self.ready = False
        self.store = SqliteStore(data / "chat.sqlite3", _later)
        self.bus = LocalBus(self._route)
        self.tokens = Tokens(settings, self.store)
        self.journal = Journal(self.store, self.bus, chain)
        self.agent = Agent(settings, self.store, self.journal, chain)
        self.runs = RunDesk(self)

    async def start(self) -> None:
        """Bring the stored threads to order, and be ready."""
        await self.runs.end_unfinished()
        self.ready = True

    async def quiet_down(self) -> None:
        """End what is under way, while the connections can still be told."""
        self.ready = False
        await self.runs.stop_all("the server is going away")
        for connection in list(self.connections.values()):
            connection.close(1001, "the server is going away")

    def close(self) -> None:
        """Let go of the files."""
        self.store.close()

    def expire_token(self, token_id: str) -> None:
        """Close the connections that came with this token."""
        for connection in list(self.connections.values()):
            if connection.identity.token_id == token_id:
                connection.expire("you have signed out")

    def _route(self, outgoing: Outgoing, recipients: list[Subscriber]) -> list[Subscriber]:
        return self.chain.route(self, outgoing, recipients)


def _later(commit: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(_COMMIT_AFTER_S, commit)
