"""The steps of a profile's handshake, one after the other; either side may speak first."""

import time
from typing import TYPE_CHECKING, Any

from greenlight_gate.trace import TimedOut

if TYPE_CHECKING:
    from greenlight_gate.client.session import Session


async def shake_hands(session: "Session") -> str | None:
    """Goes through all steps. Returns None, or what went wrong, which the trace then has as a record."""
    for index, step in enumerate(session.profile.spec.handshake):
        if step.send is not None:
            await session.send(step.send, what="hello")
            continue
        wait_s = step.timeout_s or session.budgets.handshake_s
        began = time.monotonic()

        def came(index: int = index, nth: int = step.nth) -> bool:
            return _times(session, index) >= nth

        await session.heard.until(lambda came=came: came() or _refused(session) or not session.open, wait_s)  # type: ignore[misc]
        if came():
            continue
        if _refused(session):
            return "was turned away in the handshake"
        if not session.open:
            return "lost the connection in the handshake"
        session.recorder.add(
            TimedOut, session.connection, waiting_for="ready", after_s=round(time.monotonic() - began, 3)
        )
        return f"waited in vain for step {index + 1} of the handshake"
    return None


def _times(session: "Session", step: int) -> int:
    return sum(c.name == "handshake" and c.values.get("step") == step for c in session.heard.controls)


def _refused(session: "Session") -> bool:
    return any(control.name == "error" for control in session.heard.controls)


async def answer(session: "Session", values: dict[str, Any]) -> None:
    """Answers a frame that a profile's [[answer]] is for."""
    await session.send(session.profile.spec.answers[values["answer"]].send, what="keepalive")
