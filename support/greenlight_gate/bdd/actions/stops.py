"""Stops: at several moments of a run, beside other runs of the same user, and what follows in the same conversation."""

import time
from typing import Any

from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import EventKind
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.wire.templates import names_in

# By these a stop can say which of several runs it is for.
_NAMES_A_RUN = frozenset({"run", "request", "thread"})


def says_which_run(template: Any) -> bool:
    """Whether a stop that is made of this template names the run, the request or the thread that it is for."""
    return any(name in _NAMES_A_RUN for _, name in names_in(template, "stop"))


class Stops:
    """The stops of one scenario. `stopped`: the requests whose runs were stopped, and when (monotonic seconds)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stopped: dict[UserRequest, float] = {}

    def begin_several(self, user: str, prompt: str) -> None:
        """The user sends a request in each of two tabs, and another one in the first, if a connection answers several.

        Raises NotExercised if a stop of this profile cannot say which run it is for.
        """
        world, profile = self.world, self.world.suite.profile
        self._need_stop()
        if not says_which_run(profile.spec.send["stop"]):
            raise NotExercised(f"a stop of the profile {profile.name} does not say which run it is for")
        world.ask(user, prompt)
        world.ask(user, prompt, tab=2)
        if profile.spec.connection.runs == "many" and world.suite.target.lacks("parallel_runs") is None:
            world.ask(user, prompt)

    def stop_once(self, question: UserRequest, kind: EventKind, *, times: int = 1) -> None:
        """Sends so many stops once an event of the kind was received, and waits for the end.

        Raises as `must_have_shown` if none was received.
        """
        world = self.world
        self._need_stop()
        world.wait_for(question, kind)
        self.stopped[question] = time.monotonic()
        world.stop(question, times=times)
        world.wait(question)

    def stop_after_the_end(self, question: UserRequest) -> None:
        """Sends a stop of a run that has ended, which the backend may refuse, and waits until it was read."""
        self._need_stop()
        self.world.wait(question)
        if not self.world.is_connected(question):
            raise NotExercised(
                f"the connection ended with the answer to {question.text!r}: nothing can be stopped on it"
            )
        self.world.stop(question)
        self.world.flush(question)

    def _need_stop(self) -> None:
        self.world.need("stop")
        profile = self.world.suite.profile
        if not profile.can_send("stop"):
            raise NotExercised(f"the profile {profile.name} has no frame for stop")

    def ended(self, user: str) -> UserRequest:
        """The user's request that was stopped. Raises NotExercised if it ended before the stop can have arrived."""
        question = next((each for each in self.stopped if each.user == user), None)
        if question is None:
            raise SuiteFault(f"{user} has stopped no run in this scenario")
        late_s = question.last_at - self.stopped[question]
        if question.has(EventKind.COMPLETED) and late_s < self.world.budgets.grace_s:
            raise NotExercised(f"the answer to {question.text!r} ended {late_s * 1e3:.0f} ms after the stop was sent")
        return question

    def others(self, user: str) -> list[UserRequest]:
        """The user's requests that were not stopped, once they have ended."""
        others = [question for question in self.world.asked_by(user) if question not in self.stopped]
        self.world.wait(*[question for question in others if not question.over])
        return others
