"""The same promises for the bus in the process and the one on Redis; and what only several replicas show."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable

import pytest
from greenlight_gate.backend.bus import Bus, LocalBus, run_topic, thread_topic
from greenlight_gate.backend.frames import Outgoing

from support.tests.needs import needs_extra

DEADLINE_S = 30.0


class Listener:
    """Keeps what it was given."""

    def __init__(self) -> None:
        self.on_notice: list[int] = []

    def deliver(self, outgoing: Outgoing) -> None:
        self.on_notice.append(outgoing.seq)


class Replica:
    """A bus on Redis, and what it tells its hub."""

    def __init__(self, url: str) -> None:
        from greenlight_gate.backend.stack.redis_bus import RedisBus

        self.gaps: list[str] = []
        self.announced: list[tuple[str, str]] = []
        self.bus = RedisBus(
            url, lambda _, recipients: recipients, self.gaps.append, lambda *said: self.announced.append(said)
        )


def event(thread: str, seq: int, run: str = "run-1") -> Outgoing:
    body = {"type": "agent_thinking", "seq": seq}
    return Outgoing("agent_thinking", seq, run, run, thread, "ada", body, seq, json.dumps(body))


def fresh_thread() -> str:
    return f"thread-{uuid.uuid4().hex}"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 -- listeners have no event
            await asyncio.sleep(0.005)


@pytest.fixture(params=["in the process", "redis"])
def with_bus(request: pytest.FixtureRequest) -> Callable[[Callable[[Bus], Awaitable[None]]], None]:
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""

    async def inside(test: Callable[[Bus], Awaitable[None]]) -> None:
        bus: Bus = Replica(url).bus if url else LocalBus(lambda _, recipients: recipients)
        try:
            await test(bus)
        finally:
            await bus.close()

    return lambda test: asyncio.run(inside(test))


def test_each_listener_hears_an_event_once_and_in_order(
    with_bus: Callable[[Callable[[Bus], Awaitable[None]]], None],
) -> None:
    async def check(bus: Bus) -> None:
        both, other, thread = Listener(), Listener(), fresh_thread()
        bus.subscribe(run_topic("run-1"), both)
        bus.subscribe(thread_topic(thread), both)
        bus.subscribe(thread_topic(fresh_thread()), other)
        for seq in (1, 2, 3):
            bus.publish(event(thread, seq))
        assert (both.on_notice, other.on_notice) == ([1, 2, 3], [])

    with_bus(check)


def test_who_left_or_was_forgotten_hears_nothing_more(
    with_bus: Callable[[Callable[[Bus], Awaitable[None]]], None],
) -> None:
    async def check(bus: Bus) -> None:
        left, forgotten, dropped, thread = Listener(), Listener(), Listener(), fresh_thread()
        bus.subscribe(thread_topic(thread), left)
        bus.subscribe(thread_topic(thread), forgotten)
        bus.subscribe(run_topic("run-1"), dropped)
        bus.unsubscribe(thread_topic(thread), left)
        bus.unsubscribe(thread_topic(thread), left)
        bus.forget(forgotten)
        bus.drop(run_topic("run-1"))
        bus.publish(event(thread, 1))
        assert left.on_notice + forgotten.on_notice + dropped.on_notice == []

    with_bus(check)


def test_who_follows_on_another_replica_hears_it_too_and_this_one_only_once(redis_url: str) -> None:
    async def check() -> None:
        here, there = Replica(redis_url), Replica(redis_url)
        near, far, foreign_owner, thread = Listener(), Listener(), Listener(), fresh_thread()
        here.bus.subscribe(thread_topic(thread), near)
        there.bus.subscribe(thread_topic(thread), far)
        there.bus.subscribe(thread_topic(fresh_thread()), foreign_owner)
        await until(lambda: thread in there.gaps and thread in here.gaps)
        for seq in (1, 2, 3):
            here.bus.publish(event(thread, seq))
        await until(lambda: len(far.on_notice) == 3)
        here.bus.announce("stop", "run-1")
        await until(lambda: there.announced == [("stop", "run-1")])
        assert (near.on_notice, far.on_notice, foreign_owner.on_notice, here.announced) == (
            [1, 2, 3],
            [1, 2, 3],
            [],
            [],
        )
        await here.bus.close()
        await there.bus.close()

    asyncio.run(check())


def test_what_is_recent_is_at_hand_up_to_the_first_gap(redis_url: str) -> None:
    async def check() -> None:
        replica, thread = Replica(redis_url), fresh_thread()
        for seq in (1, 2, 3, 5):
            replica.bus.publish(event(thread, seq))

        async def recent(after: int) -> list[int]:
            return [stored.seq for stored in await replica.bus.recent(thread, after, 10)]

        async with asyncio.timeout(DEADLINE_S):
            while await recent(4) != [5]:  # noqa: ASYNC110 -- Redis is asked
                await asyncio.sleep(0.005)
        assert [await recent(0), await recent(1), await recent(3)] == [[1, 2, 3], [2, 3], []]
        await replica.bus.close()

    asyncio.run(check())


@needs_extra("stack")
def test_without_redis_users_here_are_served_and_nothing_is_raised() -> None:
    async def check() -> None:
        replica, near, thread = Replica("redis://127.0.0.1:1/0"), Listener(), fresh_thread()
        replica.bus.subscribe(thread_topic(thread), near)
        replica.bus.publish(event(thread, 1))
        assert near.on_notice == [1]
        assert await replica.bus.recent(thread, 0, 10) == []
        await replica.bus.close()

    asyncio.run(check())
