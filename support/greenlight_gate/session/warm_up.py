"""What a target is asked before anything counts, where its file says so."""

from typing import TYPE_CHECKING

from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.session import Session
from greenlight_gate.targets.access import TargetFault

if TYPE_CHECKING:
    from greenlight_gate.session.validation_session import ValidationSession


async def warm_up(suite: "ValidationSession") -> None:
    """Asks the target's first question as often as its file says; nothing of it is judged or kept.

    Raises TargetFault where the target does not even let the person in.
    """
    target = suite.target
    persona = target.personas[0]
    canary = suite.canary(persona)
    prompt = suite.first_prompt
    expect = target.expectation(prompt, canary)
    recorder = Recorder("warm-up", None, suite.profile, target.budgets, suite.access.redact_bytes)
    session = suite.new_session(Session, persona.name, persona, recorder)
    try:
        await session.connect(await suite.access.pass_for(persona), suite.tls)
        for _ in range(target.warm_up_runs):
            question = await session.ask(target.question(prompt, canary), expect)
            await session.wait_end(question)
        await session.close()
    except NotConnected as error:
        raise TargetFault(f"during the warm-up: {error}") from error
