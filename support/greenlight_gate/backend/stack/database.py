"""Transactions that are repeated while the database is unavailable."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_random_exponential

# How long a database may be unavailable, for instance during a restart, before callers get an error.
_PATIENCE_S = 20.0
_POOL = 10

_T = TypeVar("_T")
Work = Callable[[AsyncConnection], Awaitable[_T]]


class Database:
    """Connections to the database at SQLAlchemy's `url`; `dialect` is "postgresql" or "sqlite"."""

    def __init__(self, url: str) -> None:
        options: dict[str, Any] = {}
        if url.startswith("postgresql"):
            # No waiting for the disk, as with SQLite: the data must only survive a killed process.
            settings = {"synchronous_commit": "off", "application_name": "reference-chat"}
            options = {"pool_size": _POOL, "max_overflow": _POOL, "connect_args": {"server_settings": settings}}
        self._engine = create_async_engine(url, **options)

    @property
    def dialect(self) -> str:
        """The name of the database."""
        return self._engine.dialect.name

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Begin a transaction that is tried once."""
        return self._engine.begin()

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()

    async def do(self, work: "Work[_T]") -> _T:
        """Run a transaction to its end, also if the caller is cancelled."""
        task = asyncio.ensure_future(self._transaction(work))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
            # An interrupted commit would have an unknown result: the cancellation is raised after it.
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
        raise AssertionError("tenacity raises the last error")


def _went_away(error: BaseException) -> bool:
    """Whether the database is unavailable or busy, and did not reject the statement."""
    if isinstance(error, DBAPIError):
        gone = (OperationalError, InterfaceError)
        return error.connection_invalidated or (isinstance(error, gone) and not isinstance(error, IntegrityError))
    return isinstance(error, OSError | asyncio.TimeoutError) or type(error).__module__.startswith("asyncpg")
