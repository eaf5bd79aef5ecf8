"""What was shown of each request of one scenario, as the correlation tells it: nothing is matched here."""

from support.client.question import Question
from support.events import Event
from support.rules.engine.outcome import Outcome
from support.rules.state import Run


class Answers:
    """Hands events and outcomes to the requests that they are of (`support.rules.engine.outcome.EventObserver`).

    `began` is the trace's zero on the monotonic clock. `touched`: the requests of which the latest message showed
    anything.
    """

    def __init__(self, began: float) -> None:
        self.touched: list[Question] = []
        self._began = began
        self._asked: dict[str, Question] = {}
        self._of_run: dict[str, Question] = {}

    def asked(self, question: Question) -> None:
        """A request is about to be sent."""
        self._asked[question.request] = question

    def on_event(self, run: Run, event: Event, at: float) -> None:
        """An event of the run came, which may be a helper's."""
        question = self._question(run)
        if question is not None:
            question.take(event, self._began + at)
            self.touched.append(question)

    def on_more(self, run: Run, at: float) -> None:
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

    def _question(self, run: Run) -> Question | None:
        root = run.root
        question = self._of_run.get(root.id)
        # A run that has ended no longer knows its request, and may go on all the same.
        if question is None and root.ask is not None:
            question = self._asked.get(root.ask.request or "")
            if question is not None:
                self._of_run[root.id] = question
        return question
