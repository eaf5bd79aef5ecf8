"""Cookies: kept for each user, as in a browser, and sent with every request and upgrade."""

import asyncio

import pytest
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.scenario_session import ScenarioSession
from greenlight_gate.targets.access import Token
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import Persona, Prompt, Prompts
from greenlight_gate.transport.cookies import CookieJar

from support.tests.client.scene import QUICK
from support.tests.hostile import conduct as does
from support.tests.hostile.server import HostileServer, Wire
from support.tests.rules.talk import PROFILE


def test_a_balancer_pins_all_connections_of_a_user_to_one_replica() -> None:
    """Its cookie comes with the 101, and every later upgrade of the same user sends it back; no other user's does."""
    shown: list[str] = []

    async def balancer(wire: Wire) -> None:
        shown.append(wire.headers.get("cookie", ""))
        await wire.upgrade(extra="" if "replica" in shown[-1] else f"Set-Cookie: replica=r{len(shown)}; Path=/\r\n")
        await wire.say({"type": "connection_established"})
        await wire.hear()

    recorder = Recorder("a scenario", None, PROFILE, QUICK, bytes)
    jars = {"Ada": CookieJar(), "Bashir": CookieJar()}

    async def connect(url: str, user: str, *, unwelcome: str = "") -> None:
        target = Target(name="here", url=url, prompts=Prompts(with_tool=Prompt(ask="x", tools=("y",))), budgets=QUICK)
        session = ScenarioSession(user, Persona(name=user), target, profile=PROFILE, recorder=recorder, jar=jars[user])
        await session.connect(Token(user, "none"), None, unwelcome=unwelcome)
        await session.close()

    async def scene(url: str) -> None:
        for user in ("Ada", "Bashir", "Ada"):
            await connect(url, user)
        # What has to be refused shows nothing that could admit it.
        await connect(url, "Ada", unwelcome="no token")

    with HostileServer(balancer, does.health()) as server:
        asyncio.run(asyncio.wait_for(scene(server.url), 20))
    assert shown == ["", "", "replica=r1", ""]


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        (["a=1; Path=/; HttpOnly", "b=2; Secure"], {"Cookie": "a=1; b=2"}),
        (["a=1", "a=2"], {"Cookie": "a=2"}),
        (["a=1", "a=; Max-Age=0"], {}),
        (["a=1", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], {}),
        (["a=1; Expires=no date", "b", "=2"], {"Cookie": "a=1"}),
        ([], {}),
    ],
)
def test_what_a_jar_keeps(headers: list[str], kept: dict[str, str]) -> None:
    jar = CookieJar()
    jar.take(("Set-Cookie", header) for header in headers)
    assert jar.header() == kept


def test_cookies_of_a_hook_are_sent_as_well() -> None:
    jar = CookieJar()
    jar.update({"a": "1"})
    assert jar.header("sid=x") == {"Cookie": "a=1; sid=x"}
