"""The tables of the shared store, for SQLite and PostgreSQL."""

import sqlalchemy as sa

META = sa.MetaData()
_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

USERS = sa.Table("users", META, sa.Column("user_id", sa.Text, primary_key=True))
THREADS = sa.Table(
    "threads",
    META,
    sa.Column("thread_id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("last_seq", sa.BigInteger, nullable=False, default=0),
)
RUNS = sa.Table(
    "runs",
    META,
    sa.Column("key", _KEY, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.Text, unique=True, nullable=False),
    sa.Column("thread_id", sa.Text, nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("replica", sa.Text, nullable=False),
    sa.Column("ended", sa.Boolean, nullable=False, default=False),
)
sa.Index("runs_of_thread", RUNS.c.thread_id, RUNS.c.key)
sa.Index("runs_open", RUNS.c.replica, postgresql_where=~RUNS.c.ended, sqlite_where=~RUNS.c.ended)
EVENTS = sa.Table(
    "events",
    META,
    sa.Column("thread_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("nth", sa.Integer, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)
REVOKED = sa.Table(
    "revoked",
    META,
    sa.Column("token_id", sa.Text, primary_key=True),
    sa.Column("expires_at", sa.Double, nullable=False),
)
NOTES = sa.Table(
    "notes",
    META,
    sa.Column("key", _KEY, primary_key=True, autoincrement=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
sa.Index("notes_of_owner", NOTES.c.owner, NOTES.c.key)
REPLICAS = sa.Table(
    "replicas",
    META,
    sa.Column("replica", sa.Text, primary_key=True),
    sa.Column("beats", sa.BigInteger, nullable=False),
)
