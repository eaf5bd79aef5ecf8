"""The bus on Redis: pub/sub carries events between replicas, streams cache the recent ones."""

import asyncio
import json
import logging
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from greenlight_gate.backend.bus import LocalBus, Route, Subscriber, thread_topic
from greenlight_gate.backend.frames import Outgoing
from greenlight_gate.backend.store import StoredEvent

_log = logging.getLogger(__name__)
_CONTROL = "chat:control"
_STREAM_KEPT = 1_000
_STREAM_S = 3_600
_WAITING_AT_MOST = 10_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 0.5
_ANSWER_S = 2.0


class RedisBus(LocalBus):
    """A bus for several replicas.

    Users on this replica are served directly, also while Redis is down. Messages for other replicas wait in a queue
    until Redis is available. After a new subscription or a lost connection, `on_gap` (with a thread's id) makes
    followers read the store, so that nothing is lost. `on_announcement` receives the announcements of other replicas.
    """

    def __init__(
        self, url: str, route: Route, on_gap: Callable[[str], None], on_announcement: Callable[[str, str], None]
    ) -> None:
        super().__init__(route)
        self._origin = uuid.uuid4().hex
        self._redis = Redis.from_url(
            url, retry=Retry(NoBackoff(), 0), socket_timeout=_ANSWER_S, socket_connect_timeout=_ANSWER_S
        )
        # The listening connection receives nothing while no event happens.
        self._listener = Redis.from_url(
            url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=_ANSWER_S, health_check_interval=10
        )
        self._pubsub: PubSub | None = None
        self._on_gap = on_gap
        self._on_announcement = on_announcement
        self._waiting: deque[tuple[str, str, Outgoing | None]] = deque(maxlen=_WAITING_AT_MOST)
        self._something = asyncio.Event()
        self._tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._listen())]

    def subscribe(self, topic: str, subscriber: Subscriber) -> None:
        """Send everything on this topic to the subscriber from now on."""
        fresh = topic not in self._subscribers
        super().subscribe(topic, subscriber)
        # A run's own topic is for the connection that requested it, which is on this replica, as the run is.
        if fresh and topic.startswith("thread:"):
            self._send("subscribe", topic)

    def unsubscribe(self, topic: str, subscriber: Subscriber) -> None:
        """Stop sending this topic to the subscriber, if it was subscribed."""
        super().unsubscribe(topic, subscriber)
        self._leave(topic)

    def forget(self, subscriber: Subscriber) -> None:
        """Stop sending anything to the subscriber."""
        topics = list(self._topics.get(subscriber, ()))
        super().forget(subscriber)
        for topic in topics:
            self._leave(topic)

    def publish(self, outgoing: Outgoing) -> None:
        """Send an event to all subscribers of its run's and its thread's topic, on all replicas."""
        super().publish(outgoing)
        self._send("publish", outgoing.thread_id, outgoing)

    async def recent(self, thread_id: str, seq: int, limit: int) -> list[StoredEvent]:
        """Return cached events that follow this number without a gap; if empty, the store may have some."""
        try:
            entries: Any = await self._redis.xrange(_stream(thread_id), min=f"{seq + 1}-0", count=limit)
        except (RedisError, OSError):
            return []
        events: list[StoredEvent] = []
        for key, fields in entries:
            number = int(key.split(b"-")[0])
            if number != seq + 1 + len(events):
                break
            kind, nth, run_id, text = (fields[name].decode() for name in (b"kind", b"nth", b"run_id", b"text"))
            events.append(StoredEvent(number, kind, int(nth), run_id, text))
        return events

    def announce(self, what: str, about: str) -> None:
        """Announce to all other replicas: "stop" of a run, "signed out" of a token."""
        self._send("announce", json.dumps({"origin": self._origin, "what": what, "about": about}))

    async def close(self) -> None:
        """Send what is queued, if Redis is available, and close the connections."""
        if self._waiting:
            await asyncio.wait({asyncio.create_task(self._until_sent())}, timeout=0.3)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._redis.aclose()
        await self._listener.aclose()

    async def _until_sent(self) -> None:
        while self._waiting:  # noqa: ASYNC110 - it happens once, at the end
            await asyncio.sleep(0.005)

    def _leave(self, topic: str) -> None:
        if topic.startswith("thread:") and topic not in self._subscribers:
            self._send("unsubscribe", topic)

    def _send(self, what: str, about: str, event: Outgoing | None = None) -> None:
        self._waiting.append((what, about, event))
        self._something.set()

    async def _write(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            self._something.clear()
            while self._waiting:
                try:
                    await self._carry_out(*self._waiting[0])
                except (RedisError, OSError):
                    # Queued messages are sent in order once Redis is available again.
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                else:
                    pause_s = _FIRST_PAUSE_S
                    self._waiting.popleft()
            await self._something.wait()

    async def _carry_out(self, what: str, about: str, event: Outgoing | None) -> None:
        if what == "publish":
            assert event is not None
            await self._publish_elsewhere(event)
        elif what == "announce":
            await self._redis.publish(_CONTROL, about)
        elif self._pubsub is not None:
            # Without it there is nothing to do: the listener subscribes to all topics when it reconnects.
            channel = _channel(about)
            wanted = about in self._subscribers
            await (self._pubsub.subscribe(channel) if wanted else self._pubsub.unsubscribe(channel))

    async def _publish_elsewhere(self, event: Outgoing) -> None:
        fields: dict[Any, Any] = {"kind": event.kind, "nth": str(event.nth), "run_id": event.run_id, "text": event.text}
        message = {**fields, "origin": self._origin, "root": event.root_run_id, "user": event.user_id, "seq": event.seq}
        stream = _stream(event.thread_id)
        async with self._redis.pipeline(transaction=False) as pipe:
            # The number is the entry's id. A late one is refused, and leaves a gap that is detected.
            pipe.xadd(stream, fields, id=f"{event.seq}-0", maxlen=_STREAM_KEPT, approximate=True)
            pipe.expire(stream, _STREAM_S)
            pipe.publish(_channel(thread_topic(event.thread_id)), json.dumps(message))
            for result in await pipe.execute(raise_on_error=False):
                if isinstance(result, Exception) and not isinstance(result, ResponseError):
                    raise result

    async def _listen(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                async with self._listener.pubsub() as pubsub:
                    topics = [topic for topic in self._subscribers if topic.startswith("thread:")]
                    await pubsub.subscribe(_CONTROL, *map(_channel, topics))
                    self._pubsub, pause_s = pubsub, _FIRST_PAUSE_S
                    # More may have arrived since the list was made.
                    for topic in self._subscribers:
                        if topic.startswith("thread:"):
                            await pubsub.subscribe(_channel(topic))
                    async for message in pubsub.listen():
                        self._hear(message)
            except (RedisError, OSError) as error:
                _log.warning("Redis is unavailable: %s", error)
            finally:
                self._pubsub = None
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _hear(self, message: dict[str, Any]) -> None:
        channel = message["channel"].decode()
        if message["type"] == "subscribe" and channel != _CONTROL:
            # From here on nothing is missed.
            self._on_gap(channel.removeprefix("chat:thread:"))
        elif message["type"] == "message":
            message = json.loads(message["data"])
            if message["origin"] == self._origin:
                return
            if channel == _CONTROL:
                self._on_announcement(message["what"], message["about"])
            else:
                self._deliver(_received(channel.removeprefix("chat:thread:"), message))


def _channel(topic: str) -> str:
    return f"chat:{topic}"


def _stream(thread_id: str) -> str:
    return f"chat:stream:{thread_id}"


def _received(thread_id: str, message: dict[str, Any]) -> Outgoing:
    text = message["text"]
    return Outgoing(
        message["kind"],
        int(message["nth"]),
        message["run_id"],
        message["root"],
        thread_id,
        message["user"],
        json.loads(text),
        message["seq"],
        text,
    )
