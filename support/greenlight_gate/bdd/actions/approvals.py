"""Approvals: what is asked of a user during a run, and who answers it, how, and how often."""

from greenlight_gate.bdd.actions.network import Network
from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.proxied_user import ConnectionLoss
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import EventKind
from greenlight_gate.session.validation_session import RUN_RESUMED


class Approvals:
    """What is asked of the users of one scenario, and their answers."""

    def __init__(self, world: World) -> None:
        self.world = world

    def answer(self, user: str, *, approves: bool, times: int = 1) -> None:
        """Answers what is asked of the user, so many times at once; does not wait."""
        question = self.asked(user)
        session = self.world.session_of(question)
        for _ in range(times):
            self.world.call(session.respond(question, approves=approves))

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

    def tools_after_asking(self, user: str, kind: EventKind) -> int:
        """How many tool events of a kind came in the user's latest request after something was asked.

        A call that is announced before has not run yet.
        """
        events = self.world.last(user).events
        asked_at = next((i for i, event in enumerate(events) if event.kind is EventKind.INPUT_REQUESTED), 0)
        return sum(event.kind is kind for event in events[asked_at:])
