"""A client that keeps a channel open and sends its messages by POST beside it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from greenlight_gate.wire.event_stream import EventStream

from support.tests.backend.broken_streams import client
from support.tests.backend.users import ENDS, Event


class Channel:
    """`events` yields what comes, as it comes, each with its id as `id`; `endpoint`: where messages go."""

    def __init__(self, http: httpx2.Client, answer: httpx2.Response) -> None:
        self.http = http
        self.answer = answer
        self.events = self._read()
        self.endpoint = next(self.events)["endpoint"]
        self.greeting = next(self.events)

    def _read(self) -> Iterator[Event]:
        stream = EventStream()
        for data in self.answer.iter_raw():
            for event in stream.feed(data):
                yield {**json.loads(event.data), "id": event.last_id.decode()}

    def post(self, message: dict[str, Any], endpoint: str = "") -> httpx2.Response:
        return self.http.post(endpoint or self.endpoint, json=message)

    def run(self) -> list[Event]:
        """What comes until a run has ended."""
        came: list[Event] = []
        for event in self.events:
            came.append(event)
            if event["type"] in ENDS:
                break
        return came


@contextmanager
def channel(url: str, user: str = "ada", last_id: str = "") -> Iterator[Channel]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with client(url, user) as http, http.stream("GET", "/events", headers=headers) as answer:
        assert answer.status_code == 200
        yield Channel(http, answer)
