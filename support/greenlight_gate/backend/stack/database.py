"""Transactions that are carried out whole, also where the database goes away for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_random_exponential

# So long a database may be away, for instance because it is restarted, before those who wait are told.
_PATIENCE_S = 20.0
_POOL = 10

_T = TypeVar("_T")
Work = Callable[[AsyncConnection], Awaitable[_T]]


class Database:
    """Connections to the database at SQLAlchemy's `url`; `dialect` is "postgresql" or "sqlite"."""

    def __init__(self, url: str) -> None:
        options: dict[str, Any] = {}
        if url.startswith("postgresql"):
            # No waiting for the disk, as with SQLite: what is kept must survive a killed process.
            settings = {"synchronous_commit": "off", "application_name": "reference-chat"}
            options = {"pool_size": _POOL, "max_overflow": _POOL, "connect_args": {"server_settings": settings}}
        self._engine = create_async_engine(url, **options)

    @property
    def dialect(self) -> str:
        """Which database it is."""
        return self._engine.dialect.name

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Begin a transaction that is tried once."""
        return self._engine.begin()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._engine.dispose()

    async def do(self, work: "Work[_T]") -> _T:
        """Carry out a transaction to its end, also where whoever wants it is cancelled meanwhile."""
        task = asyncio.ensure_future(self._transaction(work))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
            # Half-done, nobody would know whether it was done: the cancellation comes right after it.
            result = await task
            current = asyncio.current_task()
            assert current is not None
            current.cancel()
            return result

    async def _transaction(self, work: "Work[_T]") -> _T:
        retrying = AsyncRetrying(
            retry=retry_if_exception(_went_away),
            stop=stop_after_delay(_PATIENCE_S),
            wait=wait_random_exponential(multiplier=0.05, max=0.5),
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                async with self._engine.begin() as db:
                    return await work(db)
        raise AssertionError("tenacity raises what came last")


def _went_away(error: BaseException) -> bool:
    """Whether the database is gone, or busy, rather than content to refuse."""
    if isinstance(error, DBAPIError):
        gone = (OperationalError, InterfaceError)
        return error.connection_invalidated or (isinstance(error, gone) and not isinstance(error, IntegrityError))
    return isinstance(error, OSError | asyncio.TimeoutError) or type(error).__module__.startswith("asyncpg")
