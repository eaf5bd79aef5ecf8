"""A line that is cut at an exact event and found again, against a server that controls every byte, also over TLS."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from greenlight_gate.bdd.world import proxied_user as lines
from greenlight_gate.bdd.world.proxied_user import ConnectionLoss, ProxiedUser
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.resumable_session import ResumableSession
from greenlight_gate.faults.link import Link
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.targets.access import Token
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import Budgets, Persona, Prompt, Prompts
from greenlight_gate.trace import AnyRecord, Closed, Cut, Expect, Opened, TimedOut

from support.tests.hostile import conduct as does
from support.tests.hostile.certificate import Authority
from support.tests.hostile.server import Act, HostileServer, Wire
from support.tests.rules.talk import PROFILE

QUICK = Budgets(handshake_s=1, start_s=0.4, silence_s=0.4, tool_s=0.4, run_s=2, ping_s=0.2, refusal_s=0.2)
ADA = Persona(name="Ada", user="u-ada")
ASKED = Expect(prompt="What is 17*23?", thinking=True, tools=1, contains=(("391",),))
Scene = Callable[[ProxiedUser], Awaitable[None]]


def on_a_line(door: Act, scene: Scene, authority: Authority | None = None) -> list[AnyRecord]:
    """Ada has a line to the server and plays the scene; the records of it."""
    recorder = Recorder("a scenario", None, PROFILE, QUICK, lambda data: data)

    async def play(url: str) -> None:
        target = Target(name="here", url=url, prompts=Prompts(with_tool=Prompt(ask="x", tools=("y",))), budgets=QUICK)

        async def token_for(_: Persona) -> Token:
            return Token("Ada", "none")

        trusted = ssl.create_default_context(cafile=str(authority.ca_file)) if authority is not None else None
        suite = SimpleNamespace(target=target, tls=trusted, access=SimpleNamespace(token_for=token_for))

        def new_session() -> ResumableSession:
            return ResumableSession("Ada", ADA, target, profile=PROFILE, recorder=recorder)

        line = ProxiedUser(cast("ValidationSession", suite), ADA, new_session)
        try:
            await scene(line)
            await line.session.close()
        finally:
            await line.tear_down()
            recorder.finish()

    context = authority.server_context("127.0.0.1") if authority is not None else None
    with HostileServer(door, does.health(), context) as server:
        asyncio.run(asyncio.wait_for(play(server.url), 20))
    return [entry.record for entry in recorder.entries]


async def ask(line: ProxiedUser) -> UserRequest:
    return await line.session.ask(ASKED.prompt, ASKED)


@pytest.mark.parametrize("with_tls", [False, True])
@pytest.mark.parametrize("way", list(ConnectionLoss))
@pytest.mark.parametrize("events", [0, 1, 3, 5])
def test_a_line_is_cut_after_exactly_so_many_events(
    tmp_path: Path, way: ConnectionLoss, events: int, with_tls: bool
) -> None:
    async def scene(line: ProxiedUser) -> None:
        await line.open()
        line.hold()
        question = await ask(line)
        assert await line.let_through(question, events)
        assert len(question.events) == events
        await line.cut(way, "here", after=events, inside=events < 5)
        assert not line.session.open
        assert len(question.events) == events
        assert question.over is (events == 5), "what is under way is not given up"
        session = await line.reconnect()
        assert question in session.inbox.questions
        assert (session.open, session.connection) == (True, "c2")

    records = on_a_line(does.conversation(does.rightly), scene, Authority(tmp_path) if with_tls else None)
    (cut,) = [record for record in records if isinstance(record, Cut)]
    assert (cut.way, cut.where, cut.after, cut.user) == (way, "here", events, "Ada")
    first, second = [record for record in records if isinstance(record, Opened)]
    assert (first.proxied, second.proxied, second.attempt) == (True, True, 2)
    closed = next(record for record in records if isinstance(record, Closed))
    assert (closed.by, closed.connection, closed.n > cut.n) == ("nobody", "c1", True)


def test_a_connection_that_is_being_opened_has_no_gate_yet() -> None:
    async def scene(line: ProxiedUser) -> None:
        await line.open()
        gate, opening = line.gate, Link(line.proxy, 2)
        line.proxy.links[opening] = None
        line.proxy.last = opening
        assert line.gate is gate
        line.proxy.forget(opening)

    on_a_line(does.conversation(does.rightly), scene)


def test_what_does_not_come_is_not_waited_for_for_ever() -> None:
    async def scene(line: ProxiedUser) -> None:
        await line.open()
        line.hold()
        question = await ask(line)
        assert not await line.let_through(question, 6)

    on_a_line(does.conversation(does.rightly), scene)


def test_trying_to_come_back_ends_with_what_was_last_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_FIRST_PAUSE_S", 0.01)
    doors = 0

    async def shutting(wire: Wire) -> None:
        nonlocal doors
        doors += 1
        if doors > 1:
            await wire.respond("503 Service Unavailable")
        else:
            await does.conversation(does.rightly)(wire)

    async def scene(line: ProxiedUser) -> None:
        await line.open()
        await line.cut(ConnectionLoss.RST, "here")
        with pytest.raises(NotConnected, match="HTTP 503"):
            await line.reconnect(patience_s=0.3)

    records = on_a_line(shutting, scene)
    refused = [record for record in records if isinstance(record, Closed) and record.during == "handshake"]
    assert len(refused) == doors - 1 >= 2, "more than one try"


def test_a_backend_that_is_away_is_noted_before_each_try() -> None:
    async def scene(line: ProxiedUser) -> None:
        await line.open()
        await line.cut(ConnectionLoss.FIN, "here")
        line.prepare_try = lambda session: session.cut("kill", "while the backend is down")
        await line.reconnect()

    records = on_a_line(does.conversation(does.rightly), scene)
    assert [str(record) for record in records if isinstance(record, Cut)] == [
        "FIN here",
        "kill while the backend is down",
    ]


def test_a_restore_that_nobody_answers_is_recorded() -> None:
    async def scene(line: ProxiedUser) -> None:
        await line.open()
        question = await ask(line)
        await line.session.wait_end(question)
        assert not await line.restore(question)

    records = on_a_line(does.conversation(does.rightly), scene)
    waited = [record for record in records if isinstance(record, TimedOut)]
    assert [(record.waiting_for, record.after_s) for record in waited] == [("restored", QUICK.start_s)]


def test_the_host_that_is_asked_for_is_the_targets(tmp_path: Path) -> None:
    hosts: list[Any] = []

    async def door(wire: Wire) -> None:
        hosts.append(wire.headers["host"])
        await does.conversation(does.rightly)(wire)

    urls: list[str] = []

    async def scene(line: ProxiedUser) -> None:
        urls.append(line.suite.target.url)
        await line.open()

    on_a_line(door, scene)
    assert hosts == [urls[0].removeprefix("ws://").partition("/")[0]]
