"""Which parts a hub gets, by what its settings name."""

from pathlib import Path
from typing import TYPE_CHECKING

from greenlight_gate.backend.bus import Bus, LocalBus
from greenlight_gate.backend.hub import Watch, later
from greenlight_gate.backend.sqlite_store import SqliteStore
from greenlight_gate.backend.stack.jwks import JwksTokens
from greenlight_gate.backend.stack.redis_bus import RedisBus
from greenlight_gate.backend.stack.replicas import ReplicaWatch
from greenlight_gate.backend.stack.sql_store import SqlStore
from greenlight_gate.backend.store import Store
from greenlight_gate.backend.tokens import Tokens

if TYPE_CHECKING:
    from greenlight_gate.backend.hub import Hub


def parts_of(hub: "Hub", data: Path) -> tuple[Store, Bus, Tokens, Watch | None]:
    """Return store, bus, tokens and watch for this hub."""
    settings = hub.settings
    store: Store = SqliteStore(data / "chat.sqlite3", later)
    watch: Watch | None = None
    if settings.database_url:
        store = shared = SqlStore(settings.database_url)
        watch = ReplicaWatch(hub, shared) if settings.replica else None
    bus: Bus = LocalBus(hub.route)
    if settings.redis_url:
        bus = RedisBus(settings.redis_url, hub.route, hub.look_again, hub.heard)
    tokens = JwksTokens(settings, store) if settings.auth_url else Tokens(settings, store)
    return store, bus, tokens, watch
