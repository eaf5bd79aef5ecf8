"""A model that fails when it is asked to: what a user sees of it, and that the backend has asked it."""

import asyncio
import time
import uuid

from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import World, owners_in
from greenlight_gate.client.request import UserRequest
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.targets.sections import Prompt

_NEED = "model"
_LOOK_AGAIN_S = 0.02


class ModelFaults:
    """The faults of the model in one scenario. `fault_of`: what the model was to do, by request id."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fault_of: dict[str, str] = {}

    def ask(self, user: str, fault: str) -> UserRequest:
        """Sends the prompt at which the model has this fault; does not wait.

        Raises NotExercised without a scripted model, or if its script has no such prompt.
        """
        world = self.world
        world.need(_NEED)
        answer = world.model.script.faulty(fault)
        if answer is None:
            raise NotExercised(f"the script of the model has no answer with the fault {fault}", _NEED)
        # A text of its own: a fault may come with the first calls for a message only.
        prompt = Prompt(ask=f"{answer.ask} (Request {uuid.uuid4().hex[:8]}.)")
        question = world.ask_freely(user, world.suite.target.asked(prompt, world.canary(user)))
        self.fault_of[question.request] = fault
        return question

    def ask_for_long(self, user: str) -> UserRequest:
        """Sends a prompt with which the model has work to do; does not wait.

        Where a run has to end with its connection, the model would go on for ever; else it only begins late.
        """
        ends = self.world.suite.profile.promises.runs_end_with_connection
        return self.ask(user, "endless" if ends else "slow_start")

    def wait_until_asked(self, question: UserRequest) -> None:
        """Waits until the model answers a request. Raises NotExercised if the run ends before, or takes too long."""
        until = time.monotonic() + self.world.budgets.silence_s
        while not self.world.calls_for(question):
            if question.over or time.monotonic() > until:
                raise NotExercised(f"the backend did not ask the model of [model] for an answer to {question.text!r}")
            self.world.call(asyncio.sleep(_LOOK_AGAIN_S))

    def require_own_prompt(self, user: str) -> None:
        """Raises NotExercised unless a prompt for the user's latest request holds their own canary.

        Without that, nothing shows whose the prompts are.
        """
        calls = self.world.calls_for(self.world.last(user))
        if not any(self.world.persona(user).name in owners_in(call.body) for call in calls):
            raise NotExercised(f"no prompt to the model of [model] holds the canary of {user}")

    def failed(self, user: str) -> UserRequest:
        """The user's question at which the model failed. Raises NotExercised if the model was not asked, or did not."""
        question = next((each for each in self.world.asked_by(user) if each.request in self.fault_of), None)
        if question is None:
            raise SuiteFault(f"{user} has asked no question at which the model fails")
        fault, calls = self.fault_of[question.request], self.world.calls_for(question)
        if not calls:
            raise NotExercised(f"the backend did not ask the model of [model] for an answer to {question.text!r}")
        if fault not in {call.fault for call in calls}:
            raise NotExercised(
                f"the model was asked {question.text!r}, but in no way in which it shows the fault {fault}"
            )
        return question

    def lacking(self, question: UserRequest) -> list[str]:
        """What the script says of the answer, and an answer lacks that came in spite of the fault."""
        answer, scripted = question.answer, self.world.model.script.faulty(self.fault_of[question.request])
        if answer is None or scripted is None:
            return []
        return [text for text in scripted.contains if text.casefold() not in answer.casefold()]
