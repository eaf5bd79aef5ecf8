"""The event bus from runs to their subscribers: the interface, and an implementation for one process."""

from collections.abc import Callable, Iterable
from typing import Protocol

from greenlight_gate.backend.frames import Outgoing
from greenlight_gate.backend.store import StoredEvent


class Subscriber(Protocol):
    """A receiver of events; it must not wait."""

    def deliver(self, outgoing: Outgoing) -> None:
        """Take one event."""


Route = Callable[[Outgoing, list[Subscriber]], list[Subscriber]]


class Bus(Protocol):
    """Fan-out by topic: each subscriber gets an event once, however many of its topics match."""

    def subscribe(self, topic: str, subscriber: Subscriber) -> None:
        """Send everything on this topic to the subscriber from now on."""

    def unsubscribe(self, topic: str, subscriber: Subscriber) -> None:
        """Stop sending this topic to the subscriber, if it was subscribed."""

    def forget(self, subscriber: Subscriber) -> None:
        """Stop sending anything to the subscriber."""

    def drop(self, topic: str) -> None:
        """Delete a topic that has no further events."""

    def publish(self, outgoing: Outgoing) -> None:
        """Send an event to all subscribers of its run's and its thread's topic."""

    async def recent(self, thread_id: str, seq: int, limit: int) -> list[StoredEvent]:
        """Return cached events that follow this number without a gap; if empty, the store may have some."""

    def announce(self, what: str, about: str) -> None:
        """Announce to all other replicas: "stop" of a run, "signed out" of a token, an answer ("input") in a run."""

    async def close(self) -> None:
        """Release all resources."""


def run_topic(run_id: str) -> str:
    """Name the topic of one run and its sub-agents."""
    return f"run:{run_id}"


def thread_topic(thread_id: str) -> str:
    """Name the topic of a whole thread."""
    return f"thread:{thread_id}"


class LocalBus:
    """A bus for one process; order of subscription is order of delivery."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._subscribers: dict[str, dict[Subscriber, None]] = {}
        self._topics: dict[Subscriber, set[str]] = {}

    def subscribe(self, topic: str, subscriber: Subscriber) -> None:
        """Send everything on this topic to the subscriber from now on."""
        self._subscribers.setdefault(topic, {})[subscriber] = None
        self._topics.setdefault(subscriber, set()).add(topic)

    def unsubscribe(self, topic: str, subscriber: Subscriber) -> None:
        """Stop sending this topic to the subscriber, if it was subscribed."""
        self._discard(self._subscribers, topic, subscriber)
        topics = self._topics.get(subscriber)
        if topics is not None:
            topics.discard(topic)
            if not topics:
                del self._topics[subscriber]

    def forget(self, subscriber: Subscriber) -> None:
        """Stop sending anything to the subscriber."""
        for topic in self._topics.pop(subscriber, ()):
            self._discard(self._subscribers, topic, subscriber)

    def drop(self, topic: str) -> None:
        """Delete a topic that has no further events."""
        for subscriber in list(self._subscribers.get(topic, ())):
            self.unsubscribe(topic, subscriber)

    def publish(self, outgoing: Outgoing) -> None:
        """Send an event to all subscribers of its run's and its thread's topic."""
        self._deliver(outgoing)

    def _deliver(self, outgoing: Outgoing) -> None:
        topics = (run_topic(outgoing.root_run_id), thread_topic(outgoing.thread_id))
        for subscriber in self._route(outgoing, self._on(topics)):
            subscriber.deliver(outgoing)

    async def recent(self, thread_id: str, seq: int, limit: int) -> list[StoredEvent]:
        """Return nothing: in one process the store is as fast."""
        del thread_id, seq, limit
        return []

    def announce(self, what: str, about: str) -> None:
        """Do nothing: there is no other replica."""

    async def close(self) -> None:
        """Do nothing: there are no resources."""

    def _on(self, topics: Iterable[str]) -> list[Subscriber]:
        return list({subscriber: None for topic in topics for subscriber in self._subscribers.get(topic, ())})

    @staticmethod
    def _discard(table: dict[str, dict[Subscriber, None]], topic: str, subscriber: Subscriber) -> None:
        members = table.get(topic)
        if members is not None:
            members.pop(subscriber, None)
            if not members:
                del table[topic]
