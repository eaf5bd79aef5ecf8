"""The store behind SQLAlchemy Core: on PostgreSQL for several replicas, or on SQLite."""

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from greenlight_gate.backend.stack.database import Database
from greenlight_gate.backend.stack.schema import EVENTS, META, NOTES, REPLICAS, REVOKED, RUNS, THREADS, USERS
from greenlight_gate.backend.store import StoredEvent, UnfinishedRun

_USERS_KEPT = 10_000
_CREATING = 7_226_001  # any number, the same for all: PostgreSQL's lock for creating the tables


class SqlStore:
    """A `Store` for several processes.

    `url` is SQLAlchemy's, `postgresql+asyncpg://...` or `sqlite+aiosqlite:///FILE`. Each call is a transaction of its
    own, and what it wrote survives this process. Calls wait while the database is unavailable.
    """

    def __init__(self, url: str) -> None:
        self._db = Database(url)
        self._insert: Any = postgresql.insert if self._db.dialect == "postgresql" else sqlite.insert
        self._known_users: set[str] = set()

    async def open(self) -> None:
        """Create missing tables; raises the database's error after 20 s of attempts."""

        async def create(db: AsyncConnection) -> None:
            if self._db.dialect == "postgresql":
                await db.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATING)))
            await db.run_sync(META.create_all)

        await self._db.do(create)

    async def remember_user(self, user_id: str) -> None:
        """Record that this user exists."""
        if user_id not in self._known_users:
            await self._execute(self._insert(USERS).values(user_id=user_id).on_conflict_do_nothing())
            if len(self._known_users) >= _USERS_KEPT:
                self._known_users.clear()
            self._known_users.add(user_id)

    async def create_thread(self, owner: str) -> str:
        """Start a thread that belongs to `owner` and return its id."""
        thread_id = f"thread-{uuid.uuid4().hex}"
        row = {"thread_id": thread_id, "owner": owner, "last_seq": 0}
        await self._execute(self._insert(THREADS).values(row).on_conflict_do_nothing())
        return thread_id

    async def owner_of(self, thread_id: str) -> str | None:
        """Return the owner of the thread, or None if there is no such thread."""
        if "\0" in thread_id:
            return None  # PostgreSQL cannot store such texts
        return await self._text(sa.select(THREADS.c.owner).where(THREADS.c.thread_id == thread_id))

    async def last_seq(self, thread_id: str) -> int:
        """Return the number of the thread's newest event, 0 when there is none."""
        found = await self._value(sa.select(THREADS.c.last_seq).where(THREADS.c.thread_id == thread_id))
        return int(found or 0)

    async def append(self, thread_id: str, make: Callable[[int], StoredEvent]) -> StoredEvent:
        """Number an event and store it for replay. Raises KeyError for a thread that does not exist."""
        number = (
            sa.update(THREADS)
            .where(THREADS.c.thread_id == thread_id)
            .values(last_seq=THREADS.c.last_seq + 1)
            .returning(THREADS.c.last_seq)
        )
        tried: list[StoredEvent] = []

        async def keep(db: AsyncConnection) -> StoredEvent:
            # The thread's row stays locked until the commit, so that numbers become visible in order.
            seq = (await db.execute(number)).scalar()
            if seq is None:
                raise KeyError(thread_id)
            if tried and await self._arrived(db, thread_id, tried[-1]):
                # The connection was lost during the commit, which had succeeded.
                await db.rollback()
                return tried[-1]
            event = make(seq)
            tried.append(event)
            row = {"seq": seq, "kind": event.kind, "nth": event.nth, "run_id": event.run_id, "text": event.text}
            await db.execute(sa.insert(EVENTS).values(thread_id=thread_id, **row))
            return event

        return await self._db.do(keep)

    async def events_after(self, thread_id: str, seq: int, limit: int) -> list[StoredEvent]:
        """Return at most `limit` events with a greater number, in order."""
        columns = (EVENTS.c.seq, EVENTS.c.kind, EVENTS.c.nth, EVENTS.c.run_id, EVENTS.c.text)
        later = (EVENTS.c.thread_id == thread_id) & (EVENTS.c.seq > min(seq, 2**62))
        rows = await self._rows(sa.select(*columns).where(later).order_by(EVENTS.c.seq).limit(limit))
        return [StoredEvent(*row) for row in rows]

    async def begin_run(self, run_id: str, thread_id: str, question: str, request_id: str, replica: str) -> None:
        """Store the request of a run, and its replica."""
        row = {"run_id": run_id, "thread_id": thread_id, "question": question, "request_id": request_id}
        statement = self._insert(RUNS).values(**row, replica=replica, ended=False)
        await self._execute(statement.on_conflict_do_nothing())

    async def end_run(self, run_id: str) -> None:
        """Record that the run has ended."""
        await self._execute(sa.update(RUNS).where(RUNS.c.run_id == run_id).values(ended=True))

    async def unfinished_runs(self, replica: str) -> list[UnfinishedRun]:
        """Return the runs that this replica has begun and not ended, oldest first."""
        columns = (RUNS.c.run_id, RUNS.c.thread_id, THREADS.c.owner, RUNS.c.request_id)
        joined = sa.select(*columns).join_from(RUNS, THREADS, THREADS.c.thread_id == RUNS.c.thread_id)
        rows = await self._rows(joined.where(~RUNS.c.ended & (RUNS.c.replica == replica)).order_by(RUNS.c.key))
        return [UnfinishedRun(*row) for row in rows]

    async def take_over(self, run_id: str, replica: str, by: str) -> bool:
        """Assign an abandoned run of `replica` to `by`; return whether no other replica did so before."""
        mine = (RUNS.c.run_id == run_id) & (RUNS.c.replica == replica) & ~RUNS.c.ended
        taken = sa.update(RUNS).where(mine).values(replica=by).returning(RUNS.c.run_id)
        return await self._value(taken) is not None

    async def owner_of_run(self, run_id: str) -> str | None:
        """Return the user of an open run, or None if there is no such run."""
        if "\0" in run_id:
            return None
        joined = sa.select(THREADS.c.owner).join_from(RUNS, THREADS, THREADS.c.thread_id == RUNS.c.thread_id)
        return await self._text(joined.where((RUNS.c.run_id == run_id) & ~RUNS.c.ended))

    async def previous_question(self, thread_id: str, run_id: str) -> str | None:
        """Return the request before this run in its thread."""
        this = sa.select(RUNS.c.key).where(RUNS.c.run_id == run_id).scalar_subquery()
        before = sa.select(RUNS.c.question).where((RUNS.c.thread_id == thread_id) & (RUNS.c.key < this))
        return await self._text(before.order_by(RUNS.c.key.desc()).limit(1))

    async def forget_from(self, thread_id: str, run_id: str) -> bool:
        """Forget the request of a run, and all later ones of the thread; return whether the run is of this thread."""
        if "\0" in run_id:
            return False
        here = RUNS.c.thread_id == thread_id
        first = sa.select(RUNS.c.key).where(here & (RUNS.c.run_id == run_id)).scalar_subquery()
        return await self._value(sa.delete(RUNS).where(here & (RUNS.c.key >= first)).returning(RUNS.c.key)) is not None

    async def add_note(self, owner: str, text: str) -> None:
        """Store a private note."""
        await self._execute(sa.insert(NOTES).values(owner=owner, body=text.replace("\0", " ")))

    async def find_notes(self, owner: str, words: Sequence[str], limit: int) -> list[str]:
        """Return the owner's newest notes with all words, else with any of them; without words the newest."""
        holding = [self._holds(word) for word in words]
        for condition in (sa.and_(*holding), sa.or_(*holding)) if holding else (sa.true(),):
            mine = sa.select(NOTES.c.body).where((NOTES.c.owner == owner) & condition)
            rows = await self._rows(mine.order_by(NOTES.c.key.desc()).limit(limit))
            if rows:
                return [str(row[0]) for row in rows]
        return []

    async def revoke(self, token_id: str, expires_at: float) -> None:
        """Refuse this token until it would have expired anyway (epoch seconds)."""
        await self._execute(sa.delete(REVOKED).where(REVOKED.c.expires_at < time.time() - 60))
        row = {"token_id": token_id, "expires_at": expires_at}
        await self._execute(self._insert(REVOKED).values(row).on_conflict_do_nothing())

    async def is_revoked(self, token_id: str) -> bool:
        """Return whether the token was revoked."""
        if "\0" in token_id:
            return True
        return await self._value(sa.select(REVOKED.c.token_id).where(REVOKED.c.token_id == token_id)) is not None

    async def beat(self, replica: str) -> dict[str, int]:
        """Count up for this replica; return the counts of all replicas. Does not wait for the database."""
        first = self._insert(REPLICAS).values(replica=replica, beats=1)
        again = first.on_conflict_do_update(index_elements=["replica"], set_={"beats": REPLICAS.c.beats + 1})
        async with self._db.begin() as db:
            await db.execute(again)
            return {row[0]: row[1] for row in await db.execute(sa.select(REPLICAS))}

    async def close(self) -> None:
        """Close the connections."""
        await self._db.close()

    def _holds(self, word: str) -> sa.ColumnElement[bool]:
        word = word.replace("\0", "")
        if self._db.dialect == "postgresql":
            # As a word, in any English form.
            return sa.func.to_tsvector("english", NOTES.c.body).op("@@")(sa.func.plainto_tsquery("english", word))
        return NOTES.c.body.icontains(word.rstrip("s"), autoescape=True)

    async def _arrived(self, db: AsyncConnection, thread_id: str, event: StoredEvent) -> bool:
        stored = sa.select(EVENTS.c.text).where((EVENTS.c.thread_id == thread_id) & (EVENTS.c.seq == event.seq))
        return (await db.execute(stored)).scalar() == event.text

    async def _execute(self, statement: sa.Executable) -> None:
        async def execute(db: AsyncConnection) -> None:
            await db.execute(statement)

        await self._db.do(execute)

    async def _value(self, statement: sa.Executable) -> Any:
        async def value(db: AsyncConnection) -> Any:
            return (await db.execute(statement)).scalar()

        return await self._db.do(value)

    async def _text(self, statement: sa.Executable) -> str | None:
        found = await self._value(statement)
        return None if found is None else str(found)

    async def _rows(self, statement: sa.Executable) -> Sequence[Any]:
        async def rows(db: AsyncConnection) -> Sequence[Any]:
            return (await db.execute(statement)).all()

        return await self._db.do(rows)
