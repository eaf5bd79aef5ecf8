"""What a backend has to refuse, and the waiting for its refusal. Waiting in vain becomes a record as well."""

import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from greenlight_gate.client.endings import NotConnected
from greenlight_gate.events import Control
from greenlight_gate.rules.refusal import LEEWAY_S
from greenlight_gate.trace import Expect, TimedOut

if TYPE_CHECKING:
    from greenlight_gate.client.session import Session


async def wait_to_be_refused(session: "Session", condition: Callable[[], bool], request: str | None = None) -> None:
    """Waits for the refusal, or for whatever comes instead, as `condition` tells."""
    budget = session.budgets.refusal_s
    if not await session.heard.until(condition, budget):
        session.recorder.add(TimedOut, session.connection, waiting_for="refusal", after_s=budget, request=request)


async def reach(session: "Session", what: str, foreign: str, **named: Any) -> None:
    """Sends what has to be refused, since the thread or run that it names is somebody else's (`foreign`)."""
    heard = session.heard
    controls, records = len(heard.controls), len(session.recorder.entries)
    request = uuid.uuid4().hex if what == "start" else None
    kept = {name: named[name] for name in ("thread", "run", "last_seq") if name in named}
    values = {"request": request, **named}
    await session.send(session.template(what), values, what=what, request=request, foreign=foreign, **kept)
    await wait_to_be_refused(
        session,
        lambda: len(heard.controls) > controls or not session.open or heard.was_shown_an_event(records),
        request,
    )


async def outstay(session: "Session", text: str) -> None:
    """Waits until the pass has ended, and the connection with it; if it has not, asks once more."""
    expiry = session.recorder.checker.connections[session.connection].expiry
    assert expiry is not None, "this pass has no known end"
    patience = session.recorder.began + expiry.expires_at + LEEWAY_S - time.monotonic()
    if await session.heard.until(lambda: not session.open or expiry.over, patience):
        return
    records = len(session.recorder.entries)
    await session.ask(text, Expect())

    def over() -> bool:
        return not session.open or session.heard.was_shown_an_event(records)

    if not await session.heard.until(over, session.budgets.refusal_s):
        session.recorder.add(TimedOut, session.connection, waiting_for="expiry", after_s=LEEWAY_S)


async def send_invalid(session: "Session", data: str | bytes, *, as_text: bool = False) -> Control | None:
    """Sends what must be refused, and waits for the clear error: returns it, or None for silence or a close.

    `as_text`: bytes go into a text frame, whatever they are.
    """
    before = len(session.heard.controls)
    shown = data if isinstance(data, str) else f"{len(data)} bytes"

    def told() -> Control | None:
        return session.heard.since(before, "error")

    try:
        await session.write(shown[:2000], data, as_text=as_text, what="invalid")
    except NotConnected:
        return told()  # shown the door while it was still speaking
    await wait_to_be_refused(session, lambda: told() is not None or not session.open)
    return told()
