"""A server with two sockets for each user: requests go to one, and the events of a channel come on the other."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from greenlight_gate.bdd.actions.access import AccessAttempts
from greenlight_gate.bdd.actions.foreign_access import ForeignAccess
from greenlight_gate.bdd.actions.network import Network
from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.world.world import World
from greenlight_gate.session.validation_session import SessionPlan

from support.tests.bdd.worlds import rules, world_of
from support.tests.cli.process import environ, target
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer, Wire
from support.tests.load.test_set_up_users import load_on

PROFILE = """
name = "two-sockets"
[values]
channel = { value = "channel-of-{user}-{uuid}", each = "tab" }
[connection]
path = "/requests"
query = { user = "{user}", channel = "{channel}" }
[connection.events]
path = "/events"
query = { user = "{user}" }
subscribe = { type = "subscribe", channel = "{channel}" }
unsubscribe = { type = "unsubscribe", channel = "{channel}" }
[[handshake]]
expect = { type = "subscribed" }
[every]
run = "run"
request = "request"
[[event]]
when = { type = "started" }
is = "agent_started"
[[event]]
when = { type = "final" }
is = "agent_completed"
text = "answer"
[controls.error]
when = { type = "error" }
capture = { code = "code" }
[send.start]
type = "ask"
request = "{request}"
prompt = "{prompt}"
[send.unsubscribe]
type = "done"
run = "{run}"
[refusals.foreign]
close = [4403]
error = ["*"]
"""
PROMPTS = """
[prompts.without_tool]
ask = "Who are you?"
contains = ["two sockets"]
thinking = false
"""


class Sockets:
    """The server. `lenient`: anyone may subscribe to any channel; `open_events`: events are for any token."""

    def __init__(self, *, lenient: bool = False, open_events: bool = False) -> None:
        self.lenient = lenient
        self.open_events = open_events
        self.listening: dict[str, list[Wire]] = {}
        self.came: list[str] = []
        self.runs = 0
        self.asks_token = True
        self.running: asyncio.AbstractEventLoop | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        assert self.running is not None
        return self.running

    async def door(self, wire: Wire) -> None:
        self.running, address = asyncio.get_running_loop(), urlsplit(wire.path)
        place, asked = address.path.rpartition("/")[2], parse_qs(address.query)
        user = asked["user"][0]
        self.came.append(place)
        if place == "nowhere":
            await wire.respond_json("404 Not Found", {"why": "nothing is here"})
            return
        if self.asks_token and not wire.token and not (place == "events" and self.open_events):
            await wire.respond_json("401 Unauthorized", {"why": "no valid token"})
            return
        await wire.upgrade()
        try:
            while True:
                said = await wire.hear()
                self.came.append(said["type"])
                if place == "events":
                    await self._listen(wire, said, user)
                elif said["type"] == "ask":
                    await self._answer(asked["channel"][0], said)
        finally:
            for wires in self.listening.values():
                wires[:] = [each for each in wires if each is not wire]

    async def _listen(self, wire: Wire, said: dict[str, Any], user: str) -> None:
        channel = said["channel"]
        if said["type"] == "unsubscribe":
            self.listening[channel].remove(wire)
        elif not self.lenient and f"-of-{user}-" not in channel:
            await wire.close(4403)
        else:
            self.listening.setdefault(channel, []).append(wire)
            await wire.say({"type": "subscribed"})

    async def _answer(self, channel: str, said: dict[str, Any]) -> None:
        self.runs += 1
        run = {"run": f"run-{self.runs}", "request": said["request"]}
        for kind in ("started", "final"):
            for wire in self.listening.get(channel, []):
                await wire.say({"type": kind, **run, "answer": f"I am two sockets. {said['prompt']}"})


@contextmanager
def world(folder: Path, sockets: Sockets, profile: str = PROFILE) -> Iterator[World]:
    """A World against the server; nobody is connected yet."""
    with HostileServer(sockets.door, does.health()) as server:
        path = target(folder, server.url.removesuffix("/ws"))
        (folder / "two-sockets.toml").write_text(profile, encoding="utf-8")
        text = path.read_text("utf-8").partition("[prompts.")[0]
        path.write_text(f'profile = "two-sockets.toml"\n{text}{PROMPTS}', encoding="utf-8")
        with world_of(SessionPlan(environment=str(path), output_dir=folder / "out", environ=environ())) as here:
            yield here


def test_events_reach_the_user_on_the_other_socket(tmp_path: Path) -> None:
    sockets = Sockets()
    with world(tmp_path, sockets) as here:
        here.connect_all(["Ada", "Bashir"])
        questions = here.ask_together([("Ada", "without_tool"), ("Bashir", "without_tool")])
        assert [question.answer for question in questions] == ["I am two sockets. Who are you?"] * 2
        again = here.ask("Ada", "without_tool")
        here.wait(again)
        here.leave_all()
        assert rules(here) == set()
    assert sockets.came.count("done") == 3
    assert [sockets.came.count(what) for what in ("subscribe", "unsubscribe", "events", "requests")] == [2, 2, 2, 2]
    assert sockets.listening
    assert not any(sockets.listening.values())


@pytest.mark.parametrize("open_events", [False, True])
def test_a_token_that_is_not_valid_has_to_be_refused_by_both(tmp_path: Path, open_events: bool) -> None:
    sockets = Sockets(open_events=open_events)
    with world(tmp_path, sockets) as here:
        AccessAttempts(here).connect_with("Ada", "no token")
        assert sockets.came[:2] == ["events", *(["subscribe"] if open_events else ["requests"])]
        assert ("REFUSAL-1" in rules(here)) == open_events


@pytest.mark.parametrize("lenient", [False, True])
def test_another_users_channel_is_tried(tmp_path: Path, lenient: bool) -> None:
    sockets = Sockets(lenient=lenient)
    with world(tmp_path, sockets) as here:
        here.connect_all(["Ada", "Bashir"])
        here.wait(here.ask("Ada", "without_tool"))
        access = ForeignAccess(here)
        access.ask_in_conversation_of("Ada", "Bashir")
        assert access.has_reached("Bashir") == lenient
        assert ("REFUSAL-2" in rules(here)) == lenient


def test_the_loss_of_either_socket_is_the_loss_of_the_connection(tmp_path: Path) -> None:
    sockets = Sockets()
    with world(tmp_path, sockets) as here:
        here.connect("Ada")
        ((channel, (listening,)),) = sockets.listening.items()
        assert "u-ada" in channel
        asyncio.run_coroutine_threadsafe(listening.close(1011), sockets.loop()).result(10)
        here.call(here.tab("Ada").wait_closed(10))
        assert not here.tab("Ada").open
        assert sockets.came.count("requests") == 1


def test_a_user_loses_both_sockets_and_has_both_again(tmp_path: Path) -> None:
    sockets = Sockets()
    with world(tmp_path, sockets) as here:
        network = Network(here)
        network.connect("Ada")
        here.wait(here.ask("Ada", "without_tool"))
        network.lose("Ada")
        network.reconnect("Ada")
        question = here.ask("Ada", "without_tool")
        here.wait(question)
        assert question.answer is not None
        assert rules(here) == set()


def test_a_socket_of_events_that_is_refused_is_a_refused_connection(tmp_path: Path) -> None:
    text = PROFILE.replace('path = "/events"', 'path = "/nowhere"')
    with world(tmp_path, Sockets(), text) as here, pytest.raises(Unmet, match="404"):
        here.connect("Ada")


def test_users_of_a_load_have_both_sockets_as_well() -> None:
    sockets = Sockets()
    sockets.asks_token = False
    with HostileServer(sockets.door, does.health()) as server:
        came = load_on(server.url.removesuffix("/ws"), PROFILE)
    assert (came.asked, came.runs, came.counts, came.short) == (6, 6, {}, ())
    assert [sockets.came.count(what) for what in ("subscribe", "unsubscribe", "done")] == [2, 2, 6]
