"""A server that ends each channel in order once nothing is owed on it: its users open it again, as an EventSource."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.world.world import World
from greenlight_gate.session.validation_session import SessionPlan
from greenlight_gate.trace import Opened

from support.tests.bdd.worlds import rules, world_of
from support.tests.cli.process import environ, target
from support.tests.hostile import conduct as does
from support.tests.hostile.by_http import StreamWire
from support.tests.hostile.server import HostileServer, Wire


class IdWire(StreamWire):
    """A channel whose events have ids, from 1 on."""

    shown = 0

    async def say(self, value: object) -> None:
        self.shown += 1
        await self.chunk(b"id: %d\ndata: %b\n\n" % (self.shown, json.dumps(value).encode()))


class Channels:
    """A server that ends its channel with the last event of an answer; `owes`: before that one has come."""

    def __init__(self, *, owes: bool = False) -> None:
        self.owes = owes
        self.channels: list[IdWire] = []
        self.last_ids: list[str] = []

    async def door(self, wire: Wire) -> None:
        if wire.path == "/events":
            await self._channel(wire)
        while True:
            asked = json.loads(await wire.reader.readexactly(int(wire.headers["content-length"])))
            await wire.raw(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            await self._answer(does.Talk(self.channels[int(wire.path.rpartition("/")[2])], asked, 1))
            await wire.read_request()

    async def _channel(self, wire: Wire) -> None:
        self.last_ids.append(wire.headers.get("last-event-id", ""))
        channel = IdWire(wire.reader, wire.writer)
        await channel.head("Transfer-Encoding: chunked")
        greeting = [{"type": "endpoint", "endpoint": f"/messages/{len(self.channels)}"}]
        greeting.append({"type": "connection_established", "connection_id": "one"})
        self.channels.append(channel)
        for said in greeting:
            await channel.chunk(b"data: %b\n\n" % json.dumps(said).encode())
        await does.forever(channel)

    async def _answer(self, talk: does.Talk) -> None:
        await talk.begin()
        if not self.owes:
            await talk.finish()
        await talk.wire.raw(b"0\r\n\r\n")


@contextmanager
def world(folder: Path, channels: Channels, *, resume: str = "true") -> Iterator[World]:
    with HostileServer(channels.door, does.health()) as server:
        path = target(folder, f"http://127.0.0.1:{server.port}", profile="agent-events-channel")
        path.write_text(path.read_text("utf-8").replace("resume = false", f"resume = {resume}"), encoding="utf-8")
        with world_of(SessionPlan(environment=str(path), output_dir=folder / "reports", environ=environ())) as here:
            here.connect("Ada")
            yield here


def ask(here: World) -> None:
    here.wait(here.ask("Ada", "with_tool"))
    assert here.call(here.tab("Ada").wait_closed(5.0))


@pytest.mark.parametrize(("resume", "last_ids"), [("true", ["", "5", "5"]), ("false", ["", "", ""])])
def test_a_channel_that_ended_in_order_is_opened_again_for_the_next_question(
    tmp_path: Path, resume: str, last_ids: list[str]
) -> None:
    channels = Channels()
    with world(tmp_path, channels, resume=resume) as here:
        for _ in range(3):
            ask(here)
        assert [question.answer for question in here.questions] == ["It is 391."] * 3
        assert channels.last_ids == last_ids
        assert len([entry for entry in here.recorder.entries if isinstance(entry.record, Opened)]) == 3
        assert rules(here) == set()


def test_two_questions_at_once_open_it_once(tmp_path: Path) -> None:
    channels = Channels()
    with world(tmp_path, channels) as here:
        ask(here)
        questions = here.begin_together([("Ada", "with_tool"), ("Ada", "with_tool")])
        assert len(channels.channels) == 2
        assert {question.connection for question in questions} == {here.tab("Ada").connection}
        here.leave_all()


def test_a_channel_that_ended_before_the_answer_is_still_a_finding(tmp_path: Path) -> None:
    with world(tmp_path, Channels(owes=True)) as here:
        ask(here)
        with pytest.raises(Unmet, match="was ended by the backend, with its event stream"):
            here.ask("Ada", "with_tool")
    assert "LIFECYCLE-2" in rules(here)
