"""Selects the parts of a hub from its settings."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from greenlight_gate.backend.bus import Bus, LocalBus, Route
from greenlight_gate.backend.settings import Settings
from greenlight_gate.backend.sqlite_store import SqliteStore, later
from greenlight_gate.backend.stack.jwks import JwksTokens
from greenlight_gate.backend.stack.redis_bus import RedisBus
from greenlight_gate.backend.stack.replicas import ReplicaWatch
from greenlight_gate.backend.stack.sql_store import SqlStore
from greenlight_gate.backend.store import Store
from greenlight_gate.backend.tokens import Tokens


class SharedParts:
    """The parts of a hub, shared with other replicas if the settings say so."""

    def __init__(self, settings: Settings, data: Path) -> None:
        self._settings = settings
        self._shared = SqlStore(settings.database_url) if settings.database_url else None
        self.store: Store = self._shared or SqliteStore(data / "chat.sqlite3", later)
        self.tokens = JwksTokens(settings, self.store) if settings.auth_url else Tokens(settings, self.store)

    def bus(self, route: Route, look_again: Callable[[str], None], on_notice: Callable[[str, str], None]) -> Bus:
        """Return the bus. It reports threads with missed events, and the announcements of other replicas."""
        url = self._settings.redis_url
        return RedisBus(url, route, look_again, on_notice) if url else LocalBus(route)

    def watch(self, lost: Callable[[str], Awaitable[None]]) -> ReplicaWatch | None:
        """Return the watch over other replicas, which calls `lost` with the name of one that has ended."""
        replica = self._settings.replica
        return ReplicaWatch(replica, self._shared, lost) if self._shared is not None and replica else None
