"""Replicas that watch each other: the open runs of a lost one are ended."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import SQLAlchemyError

from greenlight_gate.backend.stack.sql_store import SqlStore

_log = logging.getLogger(__name__)
_EVERY_S = 0.5
# How many times in a row a replica's counter must be unchanged. No clocks are compared, and while the database is
# unavailable no replica is declared lost.
_SILENT_AT_MOST = 5


class ReplicaWatch:
    """Announces that this replica runs, and calls `lost` with the name of each one that does not."""

    def __init__(self, replica: str, store: SqlStore, lost: Callable[[str], Awaitable[None]]) -> None:
        self._replica = replica
        self._store = store
        self._lost = lost
        self._seen: dict[str, tuple[int, int]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._watch())

    def stop(self) -> None:
        """Stop; the others will notice."""
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        while True:
            try:
                for replica, beats in (await self._store.beat(self._replica)).items():
                    if replica != self._replica and self._silent_for(replica, beats) == _SILENT_AT_MOST:
                        _log.warning("replica %s is lost", replica)
                        await self._lost(replica)
            except (SQLAlchemyError, OSError) as error:
                _log.warning("the database is unavailable: %s", error)
                self._seen.clear()
            await asyncio.sleep(_EVERY_S)

    def _silent_for(self, replica: str, beats: int) -> int:
        known, silent = self._seen.get(replica, (beats, -1))
        silent = silent + 1 if known == beats else 0
        self._seen[replica] = (beats, silent)
        return silent
