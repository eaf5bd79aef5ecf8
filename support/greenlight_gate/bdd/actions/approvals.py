"""Approvals: what is asked of a user during a run, and who answers it, how, and how often."""

import asyncio
import contextlib

from greenlight_gate.bdd.actions.network import Network
from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.proxied_user import ConnectionLoss
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import Event, EventKind
from greenlight_gate.rules.engine.asked_input import same_tool
from greenlight_gate.session.validation_session import RUN_RESUMED

# A user reads before the answer, and a backend that does not wait for it shows that meanwhile.
_READING_S = 0.2


class Approvals:
    """What is asked of the users of one scenario, and their answers."""

    def __init__(self, world: World) -> None:
        self.world = world

    def answer(self, user: str, *, approves: bool, times: int = 1) -> None:
        """Answers what is asked of the user, so many times at once, and in the same way what is asked later in the run.

        Does not wait for what comes of it.
        """
        question, world = self.asked(user), self.world
        world.call(asyncio.sleep(_READING_S))
        session = world.session_of(question)
        later: list[asyncio.Task[None]] = []

        async def respond() -> None:
            # It may be asked while the answer is being sent.
            question.on_asked = lambda: later.append(asyncio.ensure_future(respond_later()))
            for _ in range(times):
                await session.respond(question, approves=approves)

        async def respond_later() -> None:
            with contextlib.suppress(NotConnected):
                await world.session_of(question).respond(question, approves=approves)

        world.call(respond())

    def asked(self, user: str) -> UserRequest:
        """The user's latest request, once something is asked of the user in its run.

        Raises NotExercised without such events or a frame to answer them; Unmet if the run goes on without asking.
        """
        self.require()
        world = self.world
        question = world.asking(user)
        world.call(world.session_of(question).wait_until(question, lambda: question.asked_input is not None))
        if question.asked_input is None:
            raise Unmet("INPUT-1", f"nothing was asked of {user} during {question.text!r}")
        return question

    def require(self) -> None:
        """Raises NotExercised where this wire has no approvals."""
        profile = self.world.suite.profile
        if not profile.can_send("respond"):
            raise NotExercised(
                f"the profile {profile.name} has no frame with which users answer what they are asked", "approval"
            )

    def leave_unanswered(self, user: str) -> None:
        """Nobody answers until the backend no longer waits. Raises Unmet if nothing shows that it is over."""
        question = self.asked(user)
        input_s = question.expect.input_s
        if input_s is None:
            raise NotExercised(f"the target does not say how long it waits for an answer to {question.text!r}")
        if not self.world.call(self.world.session_of(question).wait_input_over(question, input_s)):
            raise Unmet("INPUT-7", f"nothing came when the time for an answer to {question.text!r} was over")
        self.world.wait(question)

    def reload(self, network: Network, user: str) -> None:
        """The user's connection ends, and all of the conversation is asked for on a new one, as by a page."""
        self.world.need(*RUN_RESUMED)
        self.asked(user)
        network.lose(user, ConnectionLoss.FIN)
        network.reload(user)

    def approved_runs(self, user: str) -> tuple[int, int]:
        """How often the tool that was asked about has completed since, and how often something was asked about it.

        A call that has failed may be tried again.
        """
        events, asked = self._asked_about(user)
        ran = sum(event.kind is EventKind.TOOL_COMPLETED and not event.tool_failed for event in events)
        return ran, len({(each.input, each.call) for each in asked})

    def runs_without_asking(self, user: str) -> int:
        """How often the tool that was asked about has begun since.

        A call that is announced, and then asked about, has not.
        """
        events, asked = self._asked_about(user)
        begun = [event for event in events if event.kind is EventKind.TOOL_EXECUTING]
        return sum(not any(_is_about(each, event) for each in asked[1:]) for event in begun)

    def _asked_about(self, user: str) -> tuple[list[Event], list[Event]]:
        """The events of the tool that the user was asked about first, since then, and all requests for input about it.

        A tool that needs no approval may run as well.
        """
        events = self.world.last(user).events
        first = next((i for i, event in enumerate(events) if event.kind is EventKind.INPUT_REQUESTED), 0)
        of_tool = [event for event in events[first:] if _is_of_tool(events[first], event)]
        return of_tool, [event for event in of_tool if event.kind is EventKind.INPUT_REQUESTED]


def _is_about(asked: Event, event: Event) -> bool:
    if asked.call is not None and event.call is not None:
        return asked.call == event.call
    return same_tool(asked.tool, event.tool)


def _is_of_tool(asked: Event, event: Event) -> bool:
    return asked.tool is None or event.tool is None or same_tool(asked.tool, event.tool) or _is_about(asked, event)
