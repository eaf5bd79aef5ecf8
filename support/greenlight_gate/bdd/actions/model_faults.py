"""A model that fails when it is asked to: what a user sees of it, and that the backend has asked it."""

import asyncio
import time
import uuid

from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.model_calls import owners_in
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.request import UserRequest
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.targets.sections import CANARY, Prompt

_NEED = "model"
# That the backend asks the model at all; see `verdict.session_criteria.scenarios`.
_ASKED = "model_calls"
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
        answer = world.model_calls.model.script.faulty(fault)
        if answer is None:
            raise NotExercised(f"the script of the model has no answer with the fault {fault}", _NEED)
        # A text of its own: a fault may come with the first calls for a message only. The canary shows whose it is.
        prompt = Prompt(ask=f"{answer.ask} (Request {uuid.uuid4().hex[:8]} of {CANARY}.)")
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
        """Waits until the model answers a request with its fault.

        Raises NotExercised if the run ends before, takes too long, or the model that is served has no such fault.
        """
        until = time.monotonic() + self.world.budgets.silence_s
        while not self._shows_fault(question):
            if question.over or time.monotonic() > until:
                self._require_fault(question)
            self.world.call(asyncio.sleep(_LOOK_AGAIN_S))

    def _shows_fault(self, question: UserRequest) -> bool:
        fault = self.fault_of[question.request]
        return any(call.fault == fault for call in self.world.model_calls.of(question))

    def _require_fault(self, question: UserRequest) -> None:
        """Raises NotExercised unless the model was asked for an answer to a request, and showed its fault."""
        calls = self.world.model_calls
        if not calls.of(question):
            raise NotExercised(f"the backend did not ask the scripted model at {calls.model.url} for an answer", _ASKED)
        if not self._shows_fault(question):
            fault = self.fault_of[question.request]
            raise NotExercised(f"the model was asked, but in no way in which it shows the fault {fault}")

    def require_own_prompt(self, user: str) -> None:
        """Raises NotExercised unless a prompt for the user's latest request holds their own canary.

        Without that, nothing shows whose the prompts are.
        """
        question = self.world.last(user)
        self._require_fault(question)
        calls = self.world.model_calls.of(question)
        if not any(self.world.persona(user).name in owners_in(call.body) for call in calls):
            raise NotExercised(f"no prompt to the model of [model] holds the canary of {user}")

    def failed(self, user: str) -> UserRequest:
        """The user's question at which the model failed. Raises NotExercised if the model was not asked, or did not."""
        question = next((each for each in self.world.asked_by(user) if each.request in self.fault_of), None)
        if question is None:
            raise SuiteFault(f"{user} has asked no question at which the model fails")
        self._require_fault(question)
        return question

    def lacking(self, question: UserRequest) -> list[str]:
        """What the script says of the answer, and an answer lacks that came in spite of the fault."""
        answer, scripted = question.answer, self.world.model_calls.model.script.faulty(self.fault_of[question.request])
        if answer is None or scripted is None:
            return []
        return [text for text in scripted.contains if text.casefold() not in answer.casefold()]
