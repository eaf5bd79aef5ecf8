"""Windows whose connection answers one question only, or one after the other: what a person's app does about it."""

from typing import TYPE_CHECKING

from greenlight_gate.client.connecting import Values
from greenlight_gate.client.session import Session

if TYPE_CHECKING:
    from greenlight_gate.bdd.world.world import World


def busy(session: Session) -> bool:
    """Whether an answer is still under way on a connection that takes one question at a time."""
    runs = session.profile.spec.connection.runs
    return runs != "many" and any(not question.over for question in session.heard.questions)


def frame_of(world: "World", what: str, given: dict[str, object]) -> str:
    """The text of a frame, filled in with what the app of somebody who is connected knows."""
    open_ = [session for windows in world.sessions.values() for session in windows if session.open]
    known = open_[-1].values if open_ else Values()
    profile = world.suite.profile
    text, messages = profile.wire(profile.spec.send[what], known.over(given))
    return messages[-1] if isinstance(messages[-1], str) else text


async def ready_to_ask(world: "World", person: str, number: int) -> Session:
    """The person's window, with a connection that takes a question.

    Where a connection answers one question in its life, the app opens a new one for the next, in the same window.
    """
    session = world.window(person, number)
    if session.profile.spec.connection.runs != "one" or not session.heard.questions:
        return session
    suite, persona = world.suite, session.played_by
    await session.close(keep_window=True)
    fresh = suite.new_session(Session, person, persona, session.recorder, before=session)
    world.sessions[person][number - 1] = fresh
    await fresh.connect(await suite.access.pass_for(persona), suite.tls)
    return fresh
