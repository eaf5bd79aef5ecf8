"""The same promises for each store: SQLite by hand, SQLAlchemy on SQLite, and on PostgreSQL where it is installed."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from greenlight_gate.backend.sqlite_store import SqliteStore
from greenlight_gate.backend.store import Store, StoredEvent

from support.tests.needs import needs_extra

# The database is shared with other tests.
ADA, BASHIR, RUN_1, RUN_2, RUN_3, TOKEN = (
    f"{name}-{uuid.uuid4().hex}" for name in ("ada", "bashir", "one", "two", "three", "token")
)
Test = Callable[[Store], Awaitable[None]]


@pytest.fixture(params=["by hand", pytest.param("sqlite", marks=needs_extra("stack")), "postgresql"])
def with_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Test], None]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'shared.sqlite3'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("database_url")

    @asynccontextmanager
    async def opened() -> AsyncIterator[Store]:
        if request.param == "by hand":
            store: Store = SqliteStore(tmp_path / "chat.sqlite3", lambda commit: None)
        else:
            from greenlight_gate.backend.stack.sql_store import SqlStore

            store = SqlStore(url)
        await store.open()
        try:
            yield store
        finally:
            await store.close()

    def run(test: Test) -> None:
        async def inside() -> None:
            async with opened() as store:
                await test(store)

        asyncio.run(inside())

    return run


def event(text: str) -> Callable[[int], StoredEvent]:
    return lambda seq: StoredEvent(seq, "agent_thinking", 1, RUN_1, text)


def test_events_are_numbered_without_gaps_and_read_in_order(with_store: Callable[[Test], None]) -> None:
    async def check(store: Store) -> None:
        thread, other = await store.create_thread(ADA), await store.create_thread(ADA)
        for text in "abc":
            await store.append(thread, event(text))
        await store.append(other, event("x"))
        assert [(e.seq, e.text) for e in await store.events_after(thread, 0, 10)] == [(1, "a"), (2, "b"), (3, "c")]
        assert [e.text for e in await store.events_after(thread, 1, 1)] == ["b"]
        assert await store.events_after(thread, 10**30, 10) == []
        assert [await store.last_seq(thread), await store.last_seq(other)] == [3, 1]

    with_store(check)


def test_many_at_once_get_each_number_once(with_store: Callable[[Test], None]) -> None:
    async def check(store: Store) -> None:
        thread = await store.create_thread(ADA)
        stored = await asyncio.gather(*(store.append(thread, event(str(n))) for n in range(40)))
        assert sorted(each.seq for each in stored) == list(range(1, 41))
        read = await store.events_after(thread, 0, 100)
        assert [each.seq for each in read] == list(range(1, 41))
        assert {each.text for each in read} == {str(n) for n in range(40)}

    with_store(check)


def test_a_thread_has_one_owner_and_an_unknown_one_has_none(with_store: Callable[[Test], None]) -> None:
    async def check(store: Store) -> None:
        thread = await store.create_thread(ADA)
        assert await store.owner_of(thread) == ADA
        assert await store.owner_of("thread-of-nobody") is None
        assert await store.owner_of("with a nul \0") is None
        with pytest.raises(KeyError):
            await store.append("thread-of-nobody", event("a"))

    with_store(check)


def test_runs_are_open_until_they_end(with_store: Callable[[Test], None]) -> None:
    async def check(store: Store) -> None:
        thread = await store.create_thread(ADA)
        await store.begin_run(RUN_1, thread, "first?", '"q-1"', ADA)
        await store.begin_run(RUN_2, thread, "second?", "null", ADA)
        await store.begin_run(RUN_3, thread, "third?", "null", ADA)
        assert await store.previous_question(thread, RUN_2) == "first?"
        assert await store.previous_question(thread, RUN_1) is None
        assert await store.owner_of_run(RUN_1) == ADA
        assert not await store.forget_from(await store.create_thread(ADA), RUN_2)
        assert not await store.forget_from(thread, "of-nobody")
        assert await store.forget_from(thread, RUN_3)
        assert [await store.previous_question(thread, run) for run in (RUN_2, RUN_3)] == ["first?", None]
        await store.end_run(RUN_1)
        assert await store.owner_of_run(RUN_1) is None
        assert [(left.run_id, left.owner, left.request_id) for left in await store.unfinished_runs(ADA)] == [
            (RUN_2, ADA, "null")
        ]

    with_store(check)


def test_notes_are_found_by_their_words_and_only_by_their_owner(with_store: Callable[[Test], None]) -> None:
    async def check(store: Store) -> None:
        await store.add_note(ADA, "The meeting is on Tuesday")
        await store.add_note(ADA, "Milk and eggs")
        await store.add_note(BASHIR, "My meetings are secret")
        assert await store.find_notes(ADA, ["meetings"], 3) == ["The meeting is on Tuesday"]
        assert await store.find_notes(ADA, ["milk", "meeting"], 3) == ["Milk and eggs", "The meeting is on Tuesday"]
        assert await store.find_notes(ADA, [], 1) == ["Milk and eggs"]
        assert await store.find_notes(ADA, ["secret"], 3) == []
        assert await store.find_notes("chiara", [], 3) == []

    with_store(check)


def test_a_revoked_token_stays_so(with_store: Callable[[Test], None]) -> None:
    async def check(store: Store) -> None:
        assert not await store.is_revoked(TOKEN)
        for _ in range(2):
            await store.revoke(TOKEN, 4e9)
        assert await store.is_revoked(TOKEN)

    with_store(check)
