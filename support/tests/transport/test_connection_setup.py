"""The way in that a profile describes, against a server that controls every byte."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.session import Session
from greenlight_gate.events import Control
from greenlight_gate.targets.access import Token
from greenlight_gate.targets.auth import Auth
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import Budgets, Persona, Prompt, Prompts
from greenlight_gate.trace import AnyRecord, Closed, Expect, Opened, Received, Sent, TimedOut
from greenlight_gate.transport.connection_setup import user_shown
from greenlight_gate.wire.profile import Profile

from support.tests.client import scene
from support.tests.hostile.server import Act, Wire

QUICK = Budgets(handshake_s=0.4, start_s=0.4, silence_s=0.4, run_s=2, ping_s=0.2, refusal_s=0.2)
REST = """
[send.start]
type = "ask"
to = "{seat}"
text = "{prompt}"
[[event]]
when = { type = "go" }
is = "agent_started"
run = "$seat"
[[event]]
when = { type = "end" }
is = "agent_completed"
run = "$seat"
text = "text"
"""
STEPS = """
name = "steps"
[[handshake]]
expect = { type = "hello" }
nth = 2
timeout_s = 0.3
capture = { seat = "seat" }
[[handshake]]
send = { type = "hi", seat = "{seat}", mark = "{counter}" }
[[handshake]]
expect = { type = "in" }
[[answer]]
when = { type = "beat" }
send = { type = "alive", mark = "{counter}" }
[controls.error]
when = { type = "no" }
capture = { code = "code" }
"""
BEFORE = """
name = "before"
[needs]
mark = "a mark"
[[before]]
method = "GET"
path = "/seats/{mark}"
headers = { Authorization = "Bearer {token}" }
capture = { seat = "seat.id" }
[connection]
path = "/in/{seat}"
query = { token = "{token}", mark = "{mark}" }
headers = { X-Mark = "{mark}", X-Token = "{token}" }
subprotocols = ["s1"]
"""
Part = Callable[[Session], Awaitable[Any]]


def play(profile: str, accept: Act, part: Part, token: Token | None = None) -> tuple[list[AnyRecord], Any]:
    """Ada connects and plays her part. What is returned or raised stands second."""
    read = Profile.from_toml(profile + REST)
    records, result, _ = scene.play(accept, part, shown=token, profile=read, budgets=QUICK, path="")
    return records, result


async def nothing(_: Session) -> None:
    """Ada is in, and leaves."""


async def ask(session: Session) -> str | None:
    """Ada asks, and waits for the answer."""
    question = await session.ask("what?", Expect())
    await session.wait_end(question)
    return question.answer


async def polite(wire: Wire) -> None:
    await wire.upgrade()
    await wire.say({"type": "hello", "seat": "first"})
    await wire.say({"type": "hello", "seat": "second"})
    assert await wire.hear() == {"type": "hi", "seat": "second", "mark": 1}
    await wire.say({"type": "in"})
    assert await wire.hear() == {"type": "ask", "to": "second", "text": "what?"}
    await wire.say({"type": "go"})
    await wire.say({"type": "beat"})
    assert await wire.hear() == {"type": "alive", "mark": 2}
    await wire.say({"type": "end", "text": "that"})
    with pytest.raises(EOFError):
        await wire.hear()


def test_steps_in_order_and_a_beat_that_is_answered() -> None:
    records, answer = play(STEPS, polite, ask)
    assert answer == "that"
    assert [record.what for record in records if isinstance(record, Sent)] == ["hello", "start", "keepalive"]


async def silent(wire: Wire) -> None:
    await wire.upgrade()
    await wire.say({"type": "hello", "seat": "first"})
    await wire.hear()


async def refusing(wire: Wire) -> None:
    await wire.upgrade()
    await wire.say({"type": "no", "code": "full"})
    await wire.hear()


async def hanging_up(wire: Wire) -> None:
    await wire.upgrade()
    await wire.close(1008, "full")


@pytest.mark.parametrize(
    ("accept", "says", "last"),
    [
        (silent, "Ada received nothing for step 1 of the handshake", TimedOut),
        (refusing, "Ada was refused in the handshake", Received),
        (hanging_up, "Ada lost the connection in the handshake", Closed),
    ],
)
def test_a_handshake_that_comes_to_nothing(accept: Act, says: str, last: type[AnyRecord]) -> None:
    records, result = play(STEPS, accept, nothing)
    assert str(result) == says
    assert any(isinstance(record, last) for record in records)
    waits = [(record.waiting_for, record.after_s >= 0.3) for record in records if isinstance(record, TimedOut)]
    assert waits == ([("ready", True)] if accept is silent else [])


def seats(status: str, body: Any, seen: list[dict[str, str]]) -> Act:
    async def accept(wire: Wire) -> None:
        seen.append({"path": wire.path, **wire.headers})
        if wire.path.startswith("/seats/"):
            await wire.respond_json(status, body)
            return
        await wire.upgrade()
        with pytest.raises(EOFError):
            await wire.hear()

    return accept


MINE = Token("Ada", "profile", token="t/1", values={"mark": "a b"})


def test_a_request_before_and_what_it_captures() -> None:
    seen: list[dict[str, str]] = []
    records, result = play(BEFORE, seats("200 OK", {"seat": {"id": "x/7"}}, seen), nothing, MINE)
    assert result is None
    assert [visit["path"] for visit in seen] == ["/seats/a%20b", "/in/x%2F7?token=t%2F1&mark=a+b"]
    assert seen[0]["authorization"] == "Bearer t/1"
    assert (seen[1]["x-mark"], seen[1]["x-token"], seen[1]["sec-websocket-protocol"]) == ("a b", "t/1", "s1")
    # The rules ask for the seat, so it is evidence; nobody asks for the mark, and the token is a secret.
    assert [record.values for record in records if isinstance(record, Opened)] == [{"seat": "x/7"}]


def test_a_list_that_comes_before_gives_what_is_captured() -> None:
    listed = BEFORE.replace('capture = { seat = "seat.id" }', 'capture = { seat = "0.id" }')
    records, result = play(listed, seats("200 OK", [{"id": "x/7"}], []), nothing, MINE)
    assert result is None
    assert [record.values for record in records if isinstance(record, Opened)] == [{"seat": "x/7"}]


def test_without_a_token_what_would_show_it_is_left_out() -> None:
    seen: list[dict[str, str]] = []
    play(BEFORE, seats("200 OK", {"seat": {"id": 7}}, seen), nothing, Token("Ada", "none", values={"mark": "m"}))
    assert [visit["path"] for visit in seen] == ["/seats/m", "/in/7?mark=m"]
    assert not {"authorization", "x-token"} & {name for visit in seen for name in visit}


def test_a_request_whose_outcome_the_target_gives_is_not_made() -> None:
    seen: list[dict[str, str]] = []
    play(BEFORE, seats("200 OK", {}, seen), nothing, Token("Ada", "none", values={"mark": "m", "seat": "mine"}))
    assert [visit["path"] for visit in seen] == ["/in/mine?mark=m"]


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        ("403 Forbidden", {"why": "full"}, 'GET /seats/{mark}: HTTP 403: {"why": "full"}'),
        ("200 OK", {"seat": {}}, "GET /seats/{mark}: expected seat.id in the answer, but HTTP 200 with"),
        ("200 OK", [], "GET /seats/{mark}: expected seat.id in the answer"),
    ],
)
def test_a_request_that_gives_nothing(status: str, body: Any, says: str) -> None:
    records, result = play(BEFORE, seats(status, body, []), nothing, MINE)
    assert isinstance(result, NotConnected)
    assert says in str(result)
    (end,) = [record for record in records if isinstance(record, Closed)]
    assert (end.during, end.status) == ("handshake", 403 if "403" in status else None)
    assert not any(isinstance(record, Opened) for record in records)


def test_a_refused_request_shows_no_token_that_stands_in_its_path() -> None:
    by_key = BEFORE.replace('path = "/seats/{mark}"', 'path = "/seats/{token}?only=true"')
    records, result = play(by_key, seats("401 Unauthorized", {"why": "unknown"}, []), nothing, MINE)
    assert isinstance(result, NotConnected)
    (end,) = [record for record in records if isinstance(record, Closed)]
    assert end.reason == 'GET /seats/{token}?only=true: HTTP 401: {"why": "unknown"}'


async def failing_in_a_run(wire: Wire) -> None:
    await wire.upgrade()
    await wire.hear()
    await wire.say({"type": "go"})
    await wire.say({"type": "over", "text": "expected a prompt"})
    with pytest.raises(EOFError):
        await wire.hear()


def test_an_invalid_message_is_answered_by_a_run_that_fails() -> None:
    over = '[[event]]\nwhen = { type = "over" }\nis = "agent_failed"\nrun = "$seat"\ntext = "text"\n'
    fails = f'name = "any"\n[values]\nseat = "{{uuid}}"\n{over}'

    async def send_it(session: Session) -> object:
        return await session.send_invalid('{"type": "ask"}', request="q9")

    _, error = play(fails, failing_in_a_run, send_it)
    assert isinstance(error, Control)
    assert error.values == {"text": "expected a prompt"}


@pytest.mark.parametrize(
    ("auth", "url", "part", "shown"),
    [
        (Auth(), "ws://here/ws", "", None),
        (Auth(obtain="mint", send="bearer", secret_env="KEY"), "ws://here/ws", "", "u-ada"),
        (Auth(), "ws://here/ws?as={user}", "", "u-ada"),
        (Auth(), "ws://here/ws", '[connection]\nquery = { who = "{user}" }', "u-ada"),
        (Auth(), "ws://here/ws", '[send.ping]\ntype = "ping"\nby = "{user}"', "u-ada"),
        (Auth(), "ws://here/ws", '[send.claim]\ntype = "ask"\ntext = "{prompt}"\nby = "{user}"', None),
    ],
)
def test_who_shows_nothing_is_whoever_they_are_taken_for(auth: Auth, url: str, part: str, shown: str | None) -> None:
    spec = Profile.from_toml(f'name = "any"\n{part}\n{REST.replace("{seat}", "all").replace("$seat", "id")}').spec
    target = Target(name="here", url=url, prompts=Prompts(with_tool=Prompt(ask="x", tools=("y",))), auth=auth)

    assert user_shown(Persona(name="Ada", user="u-ada"), target, spec) == shown
