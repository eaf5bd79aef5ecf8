"""How long a person waits for the next event of an answer."""

from support.client.question import Question
from support.rules.state import Budgets

# What comes a little too late is still seen, and judged as late instead of lost.
MARGIN_S = 1.5


class Patience:
    """One for all people of a validation session.

    `hung`: tools that were once waited for in vain for their whole budget (`tool_s`). From then on such a tool is
    given no more than any other silence, or a session would spend that budget again in each scenario that uses it.
    """

    def __init__(self, budgets: Budgets) -> None:
        self.budgets = budgets
        self.hung: set[str] = set()

    def ends(self, question: Question) -> float:
        """When nobody would wait any longer (monotonic seconds)."""
        budgets = self.budgets
        if not question.events:
            return question.last_at + budgets.start_s + MARGIN_S
        works = not self.hung.issuperset(question.open_tools)
        silence = budgets.tool_s if works else budgets.silence_s
        return min(question.last_at + silence, question.asked_at + budgets.run_s) + MARGIN_S

    def ended(self, question: Question, at: float) -> None:
        """Nothing came until `at`: tools that were at work for their whole budget are remembered."""
        if at - question.last_at > self.budgets.tool_s:
            self.hung.update(question.open_tools)
