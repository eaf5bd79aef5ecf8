"""The store on SQLite: one file, no waiting for the disk."""

import asyncio
import hashlib
import sqlite3
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from greenlight_gate.backend.store import StoredEvent, UnfinishedRun

_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (user_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS threads (key INTEGER PRIMARY KEY, thread_id TEXT UNIQUE NOT NULL, owner TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
    key INTEGER PRIMARY KEY, run_id TEXT UNIQUE NOT NULL, thread INTEGER NOT NULL, question TEXT NOT NULL,
    request_id TEXT NOT NULL, ended INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS runs_of_thread ON runs (thread, key);
CREATE INDEX IF NOT EXISTS runs_open ON runs (key) WHERE ended = 0;
CREATE TABLE IF NOT EXISTS events (
    thread INTEGER NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, nth INTEGER NOT NULL, run_id TEXT NOT NULL,
    text TEXT NOT NULL, PRIMARY KEY (thread, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revoked (token_id TEXT PRIMARY KEY, expires_at REAL NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE IF NOT EXISTS notes USING fts5 (body, owner, tokenize = 'porter unicode61');
"""
_HEADS_KEPT = 1_000
_CHECKPOINT_EVERY_S = 1.0
# Often enough that one commit has few events, and takes well below a millisecond.
_COMMIT_AFTER_S = 0.005

_T = TypeVar("_T")
Defer = Callable[[Callable[[], None]], object]


def later(commit: Callable[[], None]) -> asyncio.TimerHandle:
    """Delay a commit briefly, so that it can include further changes."""
    return asyncio.get_running_loop().call_later(_COMMIT_AFTER_S, commit)


@dataclass
class _Head:
    """A cache of what every event needs, so that no query is necessary."""

    key: int
    owner: str
    last_seq: int


class SqliteStore:
    """A `Store` in one SQLite file.

    Statements run at once and are visible at once; the commit is delayed through `defer`, which is called with the
    commit as soon as one is needed. A killed process loses only what was not yet committed.
    """

    def __init__(self, path: Path, defer: Defer) -> None:
        self._path = path
        self._defer = defer
        self._heads: OrderedDict[str, _Head] = OrderedDict()
        self._known_users: OrderedDict[str, None] = OrderedDict()
        # No fsync: what this store must survive is a killed process, not a power cut.
        self._db = _connect(path)
        self._db.executescript(_SCHEMA)
        self._closing = threading.Event()
        self._checkpointer = threading.Thread(target=self._checkpoint, name="checkpoint", daemon=True)
        self._checkpointer.start()

    async def open(self) -> None:
        """Do nothing: the file was opened on creation."""

    async def remember_user(self, user_id: str) -> None:
        """Record that this user exists."""
        if user_id not in self._known_users:
            self._write("INSERT OR IGNORE INTO users VALUES (?)", (user_id,))
            _keep(self._known_users, user_id, None)

    async def create_thread(self, owner: str) -> str:
        """Start a thread that belongs to `owner` and return its id."""
        thread_id = f"thread-{uuid.uuid4().hex}"
        key = self._write("INSERT INTO threads (thread_id, owner) VALUES (?, ?)", (thread_id, owner)).lastrowid
        assert key is not None
        _keep(self._heads, thread_id, _Head(key, owner, 0))
        return thread_id

    async def owner_of(self, thread_id: str) -> str | None:
        """Return the owner of the thread, or None if there is no such thread."""
        head = self._head(thread_id)
        return head.owner if head else None

    async def last_seq(self, thread_id: str) -> int:
        """Return the number of the thread's newest event, 0 when there is none."""
        return self._known_head(thread_id).last_seq

    async def append(self, thread_id: str, make: Callable[[int], StoredEvent]) -> StoredEvent:
        """Number an event and store it for replay."""
        head = self._known_head(thread_id)
        head.last_seq += 1
        event = make(head.last_seq)
        row = (head.key, event.seq, event.kind, event.nth, event.run_id, event.text)
        self._write("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", row)
        # A client that received an event may ask for the events after it, also the next process after a killed one.
        self.commit()
        return event

    async def events_after(self, thread_id: str, seq: int, limit: int) -> list[StoredEvent]:
        """Return at most `limit` events with a greater number, in order."""
        query = "SELECT seq, kind, nth, run_id, text FROM events WHERE thread = ? AND seq > ? ORDER BY seq LIMIT ?"
        rows = self._db.execute(query, (self._known_head(thread_id).key, min(seq, 2**62), limit))
        return [StoredEvent(*row) for row in rows]

    async def begin_run(self, run_id: str, thread_id: str, question: str, request_id: str, replica: str = "") -> None:
        """Store the request of a run."""
        del replica  # a file has one process
        row = (run_id, self._known_head(thread_id).key, question, request_id)
        self._write("INSERT INTO runs (run_id, thread, question, request_id) VALUES (?, ?, ?, ?)", row)

    async def end_run(self, run_id: str) -> None:
        """Record that the run has ended."""
        self._write("UPDATE runs SET ended = 1 WHERE run_id = ?", (run_id,))

    async def unfinished_runs(self, replica: str = "") -> list[UnfinishedRun]:
        """Return the runs that have begun and not ended, oldest first."""
        del replica
        query = (
            "SELECT run_id, thread_id, owner, request_id FROM runs JOIN threads ON threads.key = runs.thread "
            "WHERE ended = 0 ORDER BY runs.key"
        )
        return [UnfinishedRun(*row) for row in self._db.execute(query)]

    async def take_over(self, run_id: str, replica: str, by: str) -> bool:
        """Return True: no other process uses this file."""
        del run_id, replica, by
        return True

    async def owner_of_run(self, run_id: str) -> str | None:
        """Return the user of an open run, or None if there is no such run."""
        query = "SELECT owner FROM runs JOIN threads ON threads.key = runs.thread WHERE run_id = ? AND ended = 0"
        row = self._db.execute(query, (run_id,)).fetchone()
        return str(row[0]) if row else None

    async def previous_question(self, thread_id: str, run_id: str) -> str | None:
        """Return the request before this run in its thread."""
        query = (
            "SELECT question FROM runs WHERE thread = ? AND key < (SELECT key FROM runs WHERE run_id = ?) "
            "ORDER BY key DESC LIMIT 1"
        )
        row = self._db.execute(query, (self._known_head(thread_id).key, run_id)).fetchone()
        return str(row[0]) if row else None

    async def forget_from(self, thread_id: str, run_id: str) -> bool:
        """Forget the request of a run, and all later ones of the thread; return whether the run is of this thread."""
        thread = self._known_head(thread_id).key
        first = "(SELECT key FROM runs WHERE run_id = ? AND thread = ?)"
        return (
            self._write(f"DELETE FROM runs WHERE thread = ? AND key >= {first}", (thread, run_id, thread)).rowcount > 0
        )

    async def add_note(self, owner: str, text: str) -> None:
        """Store a private note."""
        self._write("INSERT INTO notes (body, owner) VALUES (?, ?)", (text, _owner_term(owner)))

    async def find_notes(self, owner: str, words: Sequence[str], limit: int) -> list[str]:
        """Return the owner's newest notes with all words, else with any of them; without words the newest."""
        mine = f'owner : "{_owner_term(owner)}"'
        quoted = ['"' + word.replace('"', "") + '"' for word in words]
        attempts = [f"{mine} AND body : ({glue.join(quoted)})" for glue in (" AND ", " OR ")] if quoted else [mine]
        for match in attempts:
            rows = self._db.execute(
                "SELECT body FROM notes WHERE notes MATCH ? ORDER BY rowid DESC LIMIT ?", (match, limit)
            ).fetchall()
            if rows:
                return [str(row[0]) for row in rows]
        return []

    async def revoke(self, token_id: str, expires_at: float) -> None:
        """Refuse this token until it would have expired anyway (epoch seconds)."""
        self._write("DELETE FROM revoked WHERE expires_at < ?", (time.time() - 60,))
        self._write("INSERT OR REPLACE INTO revoked VALUES (?, ?)", (token_id, expires_at))

    async def is_revoked(self, token_id: str) -> bool:
        """Return whether the token was revoked."""
        return self._db.execute("SELECT 1 FROM revoked WHERE token_id = ?", (token_id,)).fetchone() is not None

    def commit(self) -> None:
        """Commit everything so far, so that it survives a killed process."""
        if self._db.in_transaction:
            self._db.execute("COMMIT")

    async def close(self) -> None:
        """Write everything that is pending and close the files."""
        self._closing.set()
        self._checkpointer.join()
        self.commit()
        self._db.close()

    def _write(self, statement: str, values: tuple[Any, ...]) -> sqlite3.Cursor:
        if not self._db.in_transaction:
            self._db.execute("BEGIN")
            self._defer(self.commit)
        return self._db.execute(statement, values)

    def _head(self, thread_id: str) -> _Head | None:
        head = self._heads.get(thread_id)
        if head is None:
            query = (
                "SELECT key, owner, coalesce((SELECT max(seq) FROM events WHERE thread = key), 0) "
                "FROM threads WHERE thread_id = ?"
            )
            row = self._db.execute(query, (thread_id,)).fetchone()
            if row is None:
                return None
            head = _Head(*row)
            _keep(self._heads, thread_id, head)
        return head

    def _known_head(self, thread_id: str) -> _Head:
        head = self._head(thread_id)
        if head is None:
            raise KeyError(thread_id)
        return head

    def _checkpoint(self) -> None:
        # The log is copied into the file by a thread of its own: at a commit it would block the event loop.
        db = _connect(self._path)
        while not self._closing.wait(_CHECKPOINT_EVERY_S):
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        db.close()


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0;")
    return db


def _keep(cache: OrderedDict[str, _T], key: str, value: _T) -> None:
    cache[key] = value
    if len(cache) > _HEADS_KEPT:
        cache.popitem(last=False)


def _owner_term(owner: str) -> str:
    # A user id may contain any text; its digest is one word for the index, so that a query reads the notes of one
    # user only.
    return "o" + hashlib.sha256(owner.encode()).hexdigest()
