"""What was shown of each request of one scenario, as the correlation tells it: nothing is matched here."""

from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import Event
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState


class Answers:
    """Hands events and outcomes to the requests that they are of (an `EventObserver`).

    `began` is the trace's zero on the monotonic clock. `touched`: the requests of which the latest message showed
    anything.
    """

    def __init__(self, began: float) -> None:
        self.touched: list[UserRequest] = []
        self._began = began
        self._asked: dict[str, UserRequest] = {}
        self._of_run: dict[str, UserRequest] = {}

    def asked(self, question: UserRequest) -> None:
        """A request is about to be sent."""
        self._asked[question.request] = question

    def on_event(self, run: RunState, event: Event, at: float) -> None:
        """An event of the run came, which may be a helper's."""
        question = self._question(run)
        if question is not None:
            question.take(event, self._began + at)
            self.touched.append(question)

    def on_more(self, run: RunState, at: float) -> None:
        """More of what the run has shown before came."""
        question = self._question(run)
        if question is not None:
            question.last_at = self._began + at
            self.touched.append(question)

    def on_settled(self, outcome: Outcome) -> None:
        """A request is settled."""
        question = self._asked.get(outcome.request.request or "")
        if question is not None:
            question.settle(outcome)

    def _question(self, run: RunState) -> UserRequest | None:
        root = run.root
        question = self._of_run.get(root.id)
        # A run that has ended no longer knows its request, and may go on all the same.
        if question is None and root.ask is not None:
            question = self._asked.get(root.ask.request or "")
            if question is not None:
                self._of_run[root.id] = question
        return question
