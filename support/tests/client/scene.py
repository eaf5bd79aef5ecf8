"""A scene: one user and a server that controls every byte of the line."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.scenario_session import ScenarioSession
from greenlight_gate.targets.access import Token
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import Budgets, Limits, Persona, Prompt, Prompts
from greenlight_gate.trace import AnyRecord, Closed, Expect
from greenlight_gate.wire.profile import Profile

from support.tests.hostile import conduct as does
from support.tests.hostile.server import Act, HostileServer, Wire
from support.tests.rules.talk import PROFILE

QUICK = Budgets(handshake_s=0.3, start_s=0.3, silence_s=0.3, tool_s=0.3, run_s=2, ping_s=0.2, refusal_s=0.2)
ASKED = Expect(prompt="What is 17*23?", thinking=True, tools=1, contains=(("391",),))
Part = Callable[[ScenarioSession], Awaitable[Any]]


def play(
    accept: Act, part: Part, *, secret: bytes = b"", limits: Limits | None = None, recorder: Recorder | None = None,
    shown: Token | None = None, profile: Profile = PROFILE, budgets: Budgets = QUICK, path: str = "/ws",
) -> tuple[list[AnyRecord], Any, Recorder]:  # fmt: skip
    """Ada connects and plays her part; then she leaves. What is returned or raised stands second."""
    recorder = recorder or Recorder(
        "a scenario", None, profile, budgets, lambda data: data.replace(secret, b"[token of Ada]") if secret else data
    )

    async def scene(url: str) -> Any:
        prompts = Prompts(with_tool=Prompt(ask="x", tools=("y",)))
        address = url.removesuffix("/ws") + path
        target = Target(name="here", url=address, prompts=prompts, budgets=budgets, limits=limits or Limits())
        session = ScenarioSession("Ada", Persona(name="Ada"), target, profile=profile, recorder=recorder)
        try:
            await session.connect(shown or Token("Ada", "none"), None)
            return await part(session)
        except NotConnected as error:
            return error
        finally:
            await session.close()
            recorder.finish()

    with HostileServer(accept, does.health()) as server:
        result = asyncio.run(asyncio.wait_for(scene(server.url), 20))
    return [entry.record for entry in recorder.entries], result, recorder


def closed(records: list[AnyRecord]) -> tuple[str, int | None, str]:
    (end,) = [record for record in records if isinstance(record, Closed)]
    return end.by, end.code, end.reason


async def lose(session: ScenarioSession) -> bool:
    return await session.wait_closed(5)


def accept(*acts: Callable[[Wire], Awaitable[None]]) -> Act:
    """Greets, does these things, and then neither speaks nor hangs up."""

    async def act(wire: Wire) -> None:
        await does.greet(wire)
        for each in acts:
            await each(wire)
        await does.forever(wire)

    return act


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> Callable[[Wire], Awaitable[None]]:
    return lambda wire: wire.frame(opcode, payload, fin=fin)
