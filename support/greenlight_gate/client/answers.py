"""Passes what the correlation decides on to the requests of one scenario; nothing is matched here."""

from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import Event
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState


class Answers:
    """Passes events and outcomes to the requests that they belong to (an `EventObserver`).

    `began` is the trace's zero on the monotonic clock. `touched`: the requests that the latest message
    concerned.
    """

    def __init__(self, began: float) -> None:
        self.touched: list[UserRequest] = []
        self._began = began
        # By its user as well: another user may send a request with the same id.
        self._asked: dict[tuple[str, str | None], UserRequest] = {}
        self._of_run: dict[str, UserRequest] = {}

    def asked(self, question: UserRequest) -> None:
        """A request is about to be sent."""
        self._asked[question.user, question.request] = question

    def on_event(self, run: RunState, event: Event, at: float) -> None:
        """An event of the run, or of a sub-run of it, came."""
        question = self._question(run)
        if question is not None:
            question.take(event, self._began + at)
            self.touched.append(question)

    def on_more(self, run: RunState, at: float) -> None:
        """More of what came before for the run came, the next token for instance."""
        question = self._question(run)
        if question is not None:
            question.last_at = self._began + at
            if not question.streams:
                question.streams = True
                question.changed.set()
            self.touched.append(question)

    def on_settled(self, user: str, outcome: Outcome) -> None:
        """A request of this user is settled."""
        question = self._asked.get((user, outcome.request.request))
        if question is not None:
            question.settle(outcome)

    def _question(self, run: RunState) -> UserRequest | None:
        root = run.root
        question = self._of_run.get(root.id)
        # A run that has ended no longer refers to its request, and more may come for it all the same.
        if question is None and root.ask is not None:
            question = self._asked.get((root.user, root.ask.request))
            if question is not None:
                self._of_run[root.id] = question
        return question
